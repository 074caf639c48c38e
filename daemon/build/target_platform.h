// What an image is built for.
#ifndef ZLAYER_DAEMON_BUILD_TARGET_PLATFORM_H_
#define ZLAYER_DAEMON_BUILD_TARGET_PLATFORM_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "daemon/build/file_to_build.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Whatever says it, each empty where it says nothing. The first one of this order names the system.
struct TargetHints {
  std::string request_os;        // BuildSpec.target_os
  std::string request_platform;  // BuildSpec.platforms
  std::string file_os;           // a build file's `os:`
  std::string file_platform;     // a build file's `platform:`
  v1::Platform program;          // what the program that the image runs is for (FindProgram)
};

// What the request says; of several platforms the first (RequestPlatforms).
TargetHints HintsOf(const v1::BuildSpec& spec);
// And what its build file says.
TargetHints HintsOf(const v1::BuildSpec& spec, const FileToBuild& file);

// Whether the request or the file names a platform.
bool NamesPlatform(const TargetHints& hints);

// Whether the request or the build file says the system, so that the program need not be looked at.
bool NamesSystem(const TargetHints& hints);

// What the hints come to, for this daemon's machine where they leave something open: Linux, and the
// architecture of the first platform of them. A build file's platform that is none is passed over.
// kInvalidArgument: a system or platform that is none; kUnimplemented: one that nothing can be
// built for.
absl::StatusOr<v1::Platform> TargetPlatform(const TargetHints& hints, const v1::Platform& host);

// Where the program that the target's image runs may lie in the build context: the first word of
// its command, in the place from which a COPY brought it. Only of a target that begins with
// nothing; else, and where nothing was copied there, empty.
std::vector<std::string> FindProgram(const v1::Graph& graph);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_TARGET_PLATFORM_H_
