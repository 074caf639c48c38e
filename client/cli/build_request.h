// From the flags of `zlayer build` to what is submitted.
#ifndef ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_
#define ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "zlayer/v1/build.pb.h"

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

// The build file as it was found on this side.
struct BuildFile {
  std::string name;  // for messages
  bool is_zimagefile = false;
  std::string content;
  std::string ignore_name;  // of the file that `ignore_text` is from
  std::string ignore_text;
  std::string runtime;  // the template that it is; empty for a file
  std::string reason;   // why that one, where it was looked for
};

// The value of a variable of the environment, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

// Whether the build context is a directory here: not a tar on stdin, nor fetched by the daemon.
bool IsDirectoryContext(const BuildFlags& flags);
// That directory; empty where the context is none.
std::string ContextDirectory(const BuildFlags& flags);

// What the flags ask for. Without `file`, the build file is the one named by the flags in the
// context (a tar, or fetched by the daemon). Contexts that are directories are left out: see
// DirectoryContexts. Usage errors (session.h): a flag's value does not read.
absl::StatusOr<v1::SubmitBuildRequest> MakeBuildRequest(const BuildFlags& flags,
                                                        const std::optional<BuildFile>& file,
                                                        const Environment& environment);

// The directories to upload, by context name. The build context itself is "" where it is one.
absl::StatusOr<std::map<std::string, std::string>> DirectoryContexts(const BuildFlags& flags);

// The build file that a build finds in a directory by itself, by name: see ChooseBuildFile.
absl::StatusOr<std::string> FindBuildFile(const std::string& directory);

// Reads the build file and its ignore file. A template is one that the flags name or that fits the
// directory which is the context, with its own ignore file where the directory has none (errors as
// DetectRuntime; a usage error where there is none of that name). Else it is `-f` or `-z` as given
// (`-` is stdin; what `-f` names is a ZImagefile where its name says so, see IsZImagefilePath),
// else what ChooseBuildFile finds in the context; for the ignore file `<build file>.dockerignore`,
// else
// `.dockerignore` of the context. Nullopt: the file is in the tar that is the context, or in what
// the daemon fetches, or the template is to fit that. kNotFound: there is none, with a sentence
// that says so. A usage error: more than one option says what the build file is.
absl::StatusOr<std::optional<BuildFile>> ReadBuildFile(const BuildFlags& flags,
                                                       std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_REQUEST_H_
