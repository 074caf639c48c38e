#include "daemon/frontend/dockerfile/stage_state.h"

#include "backends/graph/image_config.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {

void Variables::Set(std::string_view name, std::string_view value) {
  const auto at = index_.find(name);
  if (at != index_.end()) {
    entries_[at->second].value = value;
    return;
  }
  index_.emplace(name, entries_.size());
  entries_.push_back({std::string(name), std::string(value)});
}

std::optional<std::string> Variables::Get(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? std::nullopt : std::make_optional(entries_[at->second].value);
}

StageState StageState::FromConfig(const v1::ImageConfig& config) {
  StageState state;
  state.config = config;
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

std::string StageState::working_directory() const {
  return GoCleanPath("/" + config.working_dir());
}

std::vector<std::string> StageState::WithShell(const CommandLine& command) const {
  if (!command.shell) {
    return command.words;
  }
  std::vector<std::string> words(config.shell().words().begin(), config.shell().words().end());
  if (words.empty()) {
    words = {"/bin/sh", "-c"};
  }
  words.push_back(Join(command.words, " "));
  return words;
}

}  // namespace zlayer
