// `zlayer build --set` and the variables of a pipeline, in the text of a ZImagefile.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_EXPAND_VARIABLES_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_EXPAND_VARIABLES_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

namespace zlayer {

// The text with `${NAME}` and `${NAME:-default}` replaced by the variable's value; of the latter,
// by the default where the value is empty. What is put in is not looked at again.
//
// Everything else stays as it is, so that a file means the same whether variables are given or not:
// names that `variables` lacks, with their defaults (ParseZImagefile expands those, the shell those
// of a command), and `$${` (which ParseZImagefile reads as a plain `${`).
//
// kInvalidArgument: the result is longer than 1 MiB. `name` is the file's name in that message.
absl::StatusOr<std::string> ExpandVariables(std::string_view text,
                                            const std::map<std::string, std::string>& variables,
                                            std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_EXPAND_VARIABLES_H_
