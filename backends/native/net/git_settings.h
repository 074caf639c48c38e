// How git is run: everything that it is told beside a command.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_GIT_SETTINGS_H_
#define ZLAYER_BACKENDS_NATIVE_NET_GIT_SETTINGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "backends/native/net/remote_url.h"

namespace zlayer {

// The file of ProgramRun::files that holds the configuration.
inline constexpr std::string_view kGitConfigName = "gitconfig";

// In what git says where a server does not give single commits, or none without their history.
inline constexpr std::string_view kServerLimits[] = {
    "not our ref", "unadvertised object", "shallow",
    "--depth",     "no such remote ref",  "couldn't find remote ref"};

// Path of the program, whether it is there or not.
std::string GitProgram();

// The whole environment; proxies are the daemon's own.
std::vector<std::string> GitEnvironment();

// The only configuration that git reads; with the credentials of `url`, for its host alone.
std::string GitConfig(const RemoteUrl& url);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_GIT_SETTINGS_H_
