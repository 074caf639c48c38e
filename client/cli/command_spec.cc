#include "client/cli/command_spec.h"

#include <algorithm>

#include "base/strings.h"

namespace zlayer {

const CommandSpec* CommandSpec::Find(std::string_view sub) const {
  for (const CommandSpec& command : subs) {
    if (command.name == sub) {
      return &command;
    }
  }
  return nullptr;
}

std::string FullName(const CommandPath& path) {
  std::string name;
  for (const CommandSpec* command : path) {
    name += (name.empty() ? "" : " ") + command->name;
  }
  return name;
}

const OptionSpec* FindOption(const CommandPath& path, std::string_view name) {
  for (auto command = path.rbegin(); command != path.rend(); ++command) {
    for (const OptionSpec& option : (*command)->options) {
      if (std::find(option.names.begin(), option.names.end(), name) != option.names.end()) {
        return &option;
      }
    }
  }
  return nullptr;
}

std::string UsageLine(const CommandPath& path) {
  const CommandSpec& command = *path.back();
  std::string line = FullName(path);
  line += command.subs.empty() ? " [OPTIONS]" : " COMMAND";
  for (const OptionSpec& argument : command.arguments) {
    std::string text = argument.name() + (argument.repeated ? "..." : "");
    line += argument.required ? " " + text : " [" + text + "]";
  }
  return line;
}

std::string OptionForm(const OptionSpec& option) {
  return Join(option.names, ", ") + (option.takes_value ? " " + option.placeholder : "");
}

std::string OptionHelp(const OptionSpec& option) {
  return option.help +
         (option.default_value.empty() ? "" : " (default: " + option.default_value + ")");
}

}  // namespace zlayer
