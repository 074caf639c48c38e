// Which build file a directory has, where nobody names one.
#ifndef ZLAYER_DAEMON_FRONTEND_BUILD_FILE_CHOICE_H_
#define ZLAYER_DAEMON_FRONTEND_BUILD_FILE_CHOICE_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// Of the files of a directory, by name: "ZImagefile", else the only "ZImagefile.<suffix>", else
// "Dockerfile", whether it is there or not. A "ZImagefile.dockerignore" is an ignore file, and
// names that are not UTF-8 do not count. kInvalidArgument (reason AMBIGUOUS_BUILD_FILE, the names
// in its items) where there are several with suffixes; `advice` says how to choose one.
absl::StatusOr<std::string> ChooseBuildFile(std::vector<std::string> names,
                                            std::string_view advice);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_BUILD_FILE_CHOICE_H_
