// ${NAME} in the values of a ZPipeline file.
#ifndef ZLAYER_DAEMON_FRONTEND_PIPELINE_VARIABLES_H_
#define ZLAYER_DAEMON_FRONTEND_PIPELINE_VARIABLES_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace zlayer {

using PipelineVariables = std::map<std::string, std::string, std::less<>>;

// Letters, digits and '_', no digit first.
bool IsVariableName(std::string_view name);

// The text with variables replaced, in one pass, so that what a value says is left alone:
//
//   ${NAME}         the value; an error where it is not set
//   ${NAME:-text}   the same, or the text (up to the next '}') where it is not set or empty
//   $${             ${
//
// All else is itself, other dollar signs too. kInvalidArgument says what is wrong; so is a result
// of more than `max_bytes`.
absl::StatusOr<std::string> ExpandVariables(std::string_view text,
                                            const PipelineVariables& variables, size_t max_bytes);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_PIPELINE_VARIABLES_H_
