#include "daemon/frontend/dockerfile/instruction_scope.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/windows_path.h"

namespace zlayer {

std::string_view ConvertScope::BuildArg(std::string_view name) const {
  const auto at = build_args->find(std::string(name));
  return at == build_args->end() ? std::string_view() : std::string_view(at->second);
}

absl::Status InstructionScope::Spend(size_t bytes) {
  spent_ += bytes;
  return spent_ <= kMaxStageBytes
             ? absl::OkStatus()
             : InvalidArgument(fmt::format("{} expands to more than 4 MiB", instruction_.keyword));
}

absl::StatusOr<ExpandedWord> InstructionScope::ExpandWith(std::string_view word,
                                                          const WordOptions& options) {
  const auto lookup = [this](std::string_view name) { return state_.variables.Get(name); };
  ASSIGN_OR_RETURN(ExpandedWord expanded, ExpandWord(word, lookup, options));
  RETURN_IF_ERROR(Spend(expanded.text.size()));
  file_.checks->CheckUnset(instruction_, expanded.unset, state_);
  return expanded;
}

absl::StatusOr<ExpandedWord> InstructionScope::ExpandAll(std::string_view word) {
  WordOptions options;
  options.escape = file_.escape;
  return ExpandWith(word, options);
}

absl::StatusOr<std::string> InstructionScope::Expand(std::string_view word) {
  ASSIGN_OR_RETURN(ExpandedWord expanded, ExpandAll(word));
  return std::move(expanded.text);
}

absl::StatusOr<std::string> InstructionScope::ExpandHeredoc(std::string_view text) {
  WordOptions options;
  options.plain_quotes = true;
  ASSIGN_OR_RETURN(ExpandedWord expanded, ExpandWith(text, options));
  return std::move(expanded.text);
}

absl::StatusOr<std::string> GraphPath(std::string_view path, const StageState& state) {
  return state.is_windows ? SlashPath(path) : std::string(path);
}

absl::StatusOr<std::string> AbsolutePath(std::string_view path, const StageState& state) {
  ASSIGN_OR_RETURN(const std::string written, GraphPath(path, state));
  if (written.starts_with('/')) {
    return GoCleanPath(written);
  }
  ASSIGN_OR_RETURN(const std::string directory, state.working_directory());
  return GoCleanPath(directory + "/" + written);
}

}  // namespace zlayer
