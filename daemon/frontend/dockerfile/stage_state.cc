#include "daemon/frontend/dockerfile/stage_state.h"

#include "backends/graph/image_config.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/windows_path.h"

namespace zlayer {

std::string Variables::KeyOf(std::string_view name) const {
  return ignore_case_ ? ToUpper(name) : std::string(name);
}

void Variables::Set(std::string_view name, std::string_view value) {
  const auto [at, first] = index_.emplace(KeyOf(name), entries_.size());
  if (first) {
    entries_.push_back({std::string(name), std::string(value)});
  } else {
    entries_[at->second].value = value;
  }
}

std::optional<std::string> Variables::Get(std::string_view name) const {
  const auto at = index_.find(KeyOf(name));
  return at == index_.end() ? std::nullopt : std::make_optional(entries_[at->second].value);
}

std::string Variables::NameOf(std::string_view name) const {
  const auto at = index_.find(KeyOf(name));
  return at == index_.end() ? std::string(name) : entries_[at->second].name;
}

StageState StageState::FromConfig(const v1::ImageConfig& config, std::string_view os) {
  StageState state;
  state.config = config;
  state.is_windows = os == kWindows;
  if (state.is_windows) {
    state.variables.IgnoreCase();
    state.arguments.IgnoreCase();
  }
  for (const std::string& variable : config.env()) {
    const size_t equals = variable.find('=');
    if (equals != 0 && !variable.empty()) {
      state.variables.Set(
          std::string_view(variable).substr(0, equals),
          equals == std::string::npos ? "" : std::string_view(variable).substr(equals + 1));
    }
  }
  return state;
}

void StageState::Apply(const v1::ConfigChange& change) {
  if (change.has_set_env()) {
    variables.Set(change.set_env().key(), change.set_env().value());
  } else {
    ApplyConfigChange(change, &config, &command_is_own);
  }
}

absl::StatusOr<std::string> StageState::working_directory() const {
  if (!is_windows) {
    return GoCleanPath("/" + config.working_dir());
  }
  ASSIGN_OR_RETURN(const std::string path, SlashPath(config.working_dir()));
  return GoCleanPath("/" + path);
}

std::vector<std::string> StageState::WithShell(const CommandLine& command) const {
  if (!command.shell) {
    return command.words;
  }
  std::vector<std::string> words(config.shell().words().begin(), config.shell().words().end());
  if (words.empty()) {
    words = is_windows ? std::vector<std::string>{"cmd", "/S", "/C"}
                       : std::vector<std::string>{"/bin/sh", "-c"};
  }
  words.push_back(Join(command.words, " "));
  return words;
}

}  // namespace zlayer
