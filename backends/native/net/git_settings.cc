#include "backends/native/net/git_settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/base64.h"

namespace zlayer {
namespace {

constexpr const char* kPrograms[] = {"/usr/bin/git", "/usr/local/bin/git"};
constexpr const char* kProxies[] = {"http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"};

constexpr std::string_view kConfig =
    R"([core]
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	fsmonitor = false
	autocrlf = false
[init]
	defaultBranch = master
	templateDir =
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	detachedHead = false
[log]
	showSignature = false
[http]
	lowSpeedLimit = 1
	lowSpeedTime = 60
)";

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '"' || c == '\\') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string GitProgram() {
  for (const char* path : kPrograms) {
    if (access(path, X_OK) == 0) {
      return path;
    }
  }
  return kPrograms[0];
}

std::vector<std::string> GitEnvironment() {
  std::vector<std::string> environment = {
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "HOME=/work",
      "LC_ALL=C",
      fmt::format("GIT_CONFIG_GLOBAL=/run/{}", kGitConfigName),
      "GIT_CONFIG_NOSYSTEM=1",
      "GIT_ATTR_NOSYSTEM=1",
      "GIT_TERMINAL_PROMPT=0",
      // Of submodules, too: none of these copies files of the machine.
      "GIT_ALLOW_PROTOCOL=https:http:git",
  };
  for (const char* name : kProxies) {
    if (const char* value = getenv(name); value != nullptr) {
      environment.push_back(fmt::format("{}={}", name, value));
    }
  }
  return environment;
}

std::string GitConfig(const RemoteUrl& url) {
  std::string config(kConfig);
  if (url.scheme != "git" && (!url.user.empty() || !url.password.empty())) {
    config +=
        fmt::format("[http \"{}\"]\n\textraHeader = \"Authorization: Basic {}\"\n",
                    Escaped(url.base), EncodeBase64(fmt::format("{}:{}", url.user, url.password)));
  }
  return config;
}

}  // namespace zlayer
