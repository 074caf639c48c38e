#include "client/cli/build_flags.h"

#include <fmt/format.h>

#include <optional>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/session.h"
#include "daemon/frontend/dockerfile/git_url.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/file_name.h"

namespace zlayer {

bool IsRemote(const std::string& context) {
  const absl::StatusOr<std::optional<GitUrl>> git = ParseGitUrl(context);
  return !git.ok() || git->has_value() || IsHttpUrl(context) || context.starts_with(kImageScheme);
}

bool IsDirectoryContext(const BuildFlags& flags) {
  return flags.context != "-" && !IsRemote(flags.context);
}

std::string ContextDirectory(const BuildFlags& flags) {
  return IsDirectoryContext(flags) ? flags.context : std::string();
}

bool NamesZImagefile(const BuildFlags& flags) {
  return !flags.zimagefile.empty() || IsZImagefilePath(flags.file);
}

const std::string& NamedFile(const BuildFlags& flags) {
  return flags.file.empty() ? flags.zimagefile : flags.file;
}

bool DetectsRuntime(const BuildFlags& flags) {
  return flags.runtime_auto || flags.runtime == kDetectRuntime;
}

bool HasRuntime(const BuildFlags& flags) { return flags.runtime_auto || !flags.runtime.empty(); }

absl::Status CheckText(std::string_view flag, std::string_view text) {
  return IsUtf8(text)
             ? absl::OkStatus()
             : UsageError(fmt::format("{} takes UTF-8 text, not \"{}\"", flag, ToUtf8(text)));
}

absl::StatusOr<FlagPair> ParsePair(std::string_view flag, std::string_view text,
                                   std::string_view form) {
  RETURN_IF_ERROR(CheckText(flag, text));
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return UsageError(fmt::format("{} takes {}, not \"{}\"", flag, form, text));
  }
  return FlagPair{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

absl::StatusOr<std::map<std::string, std::string>> VariablesOf(const BuildFlags& flags) {
  std::map<std::string, std::string> variables;
  for (const std::string& text : flags.sets) {
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair("--set", text, "NAME=VALUE"));
    variables[pair.key] = pair.value;
  }
  return variables;
}

}  // namespace zlayer
