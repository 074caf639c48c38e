#include "backends/graph/image_config.h"

#include <algorithm>

namespace zlayer {
namespace {

void SetEnvironment(const v1::Environment& variable, v1::ImageConfig* config) {
  const std::string prefix = variable.key() + "=";
  for (std::string& entry : *config->mutable_env()) {
    if (entry.starts_with(prefix)) {
      entry = prefix + variable.value();
      return;
    }
  }
  config->add_env(prefix + variable.value());
}

void Insert(const std::string& value, google::protobuf::RepeatedPtrField<std::string>* sorted) {
  const auto at = std::lower_bound(sorted->begin(), sorted->end(), value);
  if (at != sorted->end() && *at == value) {
    return;
  }
  const auto position = at - sorted->begin();
  *sorted->Add() = value;
  std::rotate(sorted->begin() + position, sorted->end() - 1, sorted->end());
}

}  // namespace

void ApplyConfigChange(const v1::ConfigChange& change, v1::ImageConfig* config,
                       bool* command_is_own) {
  switch (change.change_case()) {
    case v1::ConfigChange::kSetEnv:
      SetEnvironment(change.set_env(), config);
      break;
    case v1::ConfigChange::kSetCmd:
      *config->mutable_cmd() = change.set_cmd();
      config->set_args_escaped(true);
      *command_is_own = true;
      break;
    case v1::ConfigChange::kSetEntrypoint:
      *config->mutable_entrypoint() = change.set_entrypoint();
      if (!*command_is_own) {
        config->clear_cmd();
      }
      break;
    case v1::ConfigChange::kSetUser:
      config->set_user(change.set_user());
      break;
    case v1::ConfigChange::kSetWorkingDir:
      config->set_working_dir(change.set_working_dir());
      break;
    case v1::ConfigChange::kSetLabel:
      (*config->mutable_labels())[change.set_label().key()] = change.set_label().value();
      break;
    case v1::ConfigChange::kAddExposedPort:
      Insert(change.add_exposed_port(), config->mutable_exposed_ports());
      break;
    case v1::ConfigChange::kAddVolume:
      Insert(change.add_volume(), config->mutable_volumes());
      break;
    case v1::ConfigChange::kSetStopSignal:
      config->set_stop_signal(change.set_stop_signal());
      break;
    case v1::ConfigChange::kSetShell:
      *config->mutable_shell() = change.set_shell();
      break;
    case v1::ConfigChange::kSetHealthcheck:
      *config->mutable_healthcheck() = change.set_healthcheck();
      break;
    case v1::ConfigChange::kAddOnBuild:
      config->add_on_build(change.add_on_build());
      break;
    case v1::ConfigChange::kSetAuthor:
      config->set_author(change.set_author());
      break;
    case v1::ConfigChange::kClearOnBuild:
      config->clear_on_build();
      break;
    case v1::ConfigChange::CHANGE_NOT_SET:
      break;
  }
}

}  // namespace zlayer
