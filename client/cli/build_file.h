// The build file that `zlayer build` reads on this side.
#ifndef ZLAYER_CLIENT_CLI_BUILD_FILE_H_
#define ZLAYER_CLIENT_CLI_BUILD_FILE_H_

#include <absl/status/statusor.h>

#include <optional>
#include <stop_token>
#include <string>

#include "client/cli/build_flags.h"

namespace zlayer {

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

// The build file that a build finds in a directory by itself, by name: see ChooseBuildFile.
absl::StatusOr<std::string> FindBuildFile(const std::string& directory);

// Reads the build file and its ignore file. A template is one that the flags name or that fits the
// directory which is the context, with its own ignore file where the directory has none (errors as
// DetectRuntime; a usage error where there is none of that name). Else it is `-f` or `-z` as given
// (`-` is stdin; what `-f` names is a ZImagefile where its name says so, see IsZImagefilePath),
// else what ChooseBuildFile finds in the context; for the ignore file `<build file>.dockerignore`,
// else `.dockerignore` of the context. Nullopt: the file is in the tar that is the context, or in
// what the daemon fetches, or the template is to fit that. kNotFound: there is none, with a
// sentence that says so. A usage error: more than one option says what the build file is.
absl::StatusOr<std::optional<BuildFile>> ReadBuildFile(const BuildFlags& flags,
                                                       std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_FILE_H_
