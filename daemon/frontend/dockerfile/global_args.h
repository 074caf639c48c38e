// The arguments before the first FROM, and those that mean something without any ARG.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GLOBAL_ARGS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GLOBAL_ARGS_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Expands a word of the instruction at `source` with `variables`.
using GlobalExpander = std::function<absl::StatusOr<std::string>(
    std::string_view word, const Variables& variables, const v1::SourceRange& source)>;

// What FROM sees: TARGETPLATFORM and its like for a build of stage `target`, then the file's own
// arguments, each with its build argument's value where there is one. Errors are those of `expand`.
absl::StatusOr<Variables> GlobalArguments(const DockerfileInstructions& file, size_t target,
                                          const v1::Platform& platform,
                                          const std::map<std::string, std::string>& build_args,
                                          const GlobalExpander& expand);

// SOURCE_DATE_EPOCH, of a build argument or else of an ARG before the first FROM; nullopt where it
// is not set or empty. kInvalidArgument: it is no number of seconds that a date can have.
absl::StatusOr<std::optional<int64_t>> SourceDateEpoch(
    const Variables& globals, const std::map<std::string, std::string>& build_args);

// The names that ARGs among `instructions` declare.
void AddDeclaredArguments(const std::vector<Instruction>& instructions,
                          std::set<std::string>* declared);

// Whether an argument has a meaning without an ARG that declares it.
bool IsKnownArgument(std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GLOBAL_ARGS_H_
