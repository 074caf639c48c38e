// What `zlayer build` and its like were called with.
#ifndef ZLAYER_CLIENT_CLI_BUILD_FLAGS_H_
#define ZLAYER_CLIENT_CLI_BUILD_FLAGS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct BuildFlags {
  std::string context = ".";      // DIR, - or a URL
  std::string file;               // -f
  std::string zimagefile;         // -z
  std::vector<std::string> sets;  // NAME=VALUE of a ZImagefile's ${NAME}
  std::string runtime;            // the name of a template, or "auto"
  bool runtime_auto = false;      // the same as "auto"
  std::vector<std::string> tags;
  std::vector<std::string> build_args;  // K=V, or K for the environment's value
  std::string target;
  std::vector<std::string> entitlements;  // --allow
  bool no_cache = false;
  std::vector<std::string> no_cache_filters;
  std::string cache_ttl;
  std::vector<std::string> labels;          // K=V
  std::vector<std::string> annotations;     // K=V
  std::vector<std::string> build_contexts;  // NAME=DIR, NAME=docker-image://REF, NAME=URL
  std::vector<std::string> platforms;
  std::string target_os;
  std::string windows_ltsc;
  std::vector<std::string> cache_from;
  std::vector<std::string> cache_to;
  std::vector<std::string> outputs;  // DIR or type=T,K=V,...
  std::string pull;                  // newer, always, never
  std::string default_registry;
  std::string network = "default";  // default, host
  bool push = false;
  bool squash = false;
  bool no_layers = false;
  std::string format;  // oci, docker
  std::string backend;
  std::string source_hash;
  int32_t retries = 0;
  std::vector<std::string> default_cache_mounts;  // as RUN --mount; type=cache may be left out
  int32_t priority = 0;
  std::string idempotency_key;
};

// Before the name of an image that is a context.
inline constexpr std::string_view kImageScheme = "docker-image://";

// Whether the daemon fetches a context. A URL that is malformed is one, too.
bool IsRemote(const std::string& context);
// Whether the build context is a directory here: not a tar on stdin, nor fetched by the daemon.
bool IsDirectoryContext(const BuildFlags& flags);
// That directory; empty where the context is none.
std::string ContextDirectory(const BuildFlags& flags);

// What `-f` or `-z` names; empty where nothing does.
const std::string& NamedFile(const BuildFlags& flags);
// Whether that is a ZImagefile.
bool NamesZImagefile(const BuildFlags& flags);

// Whether a template is the build file, and whether it is one that fits.
bool HasRuntime(const BuildFlags& flags);
bool DetectsRuntime(const BuildFlags& flags);

// A string of a request must be UTF-8; else a usage error (session.h).
absl::Status CheckText(std::string_view flag, std::string_view text);

struct FlagPair {
  std::string key;
  std::string value;
};
// A flag's K=V; else a usage error that says `form`.
absl::StatusOr<FlagPair> ParsePair(std::string_view flag, std::string_view text,
                                   std::string_view form = "KEY=VALUE");

// Those of `--set`.
absl::StatusOr<std::map<std::string, std::string>> VariablesOf(const BuildFlags& flags);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_FLAGS_H_
