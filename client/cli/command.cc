#include "client/cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>

namespace zlayer {
namespace {

// The innermost command that was named: "zlayer builds ls".
std::string NameOf(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* sub : app.get_subcommands()) {
    name += " " + NameOf(*sub);
  }
  return name;
}

std::string OneLine(std::string text) {
  for (char& c : text) {
    c = c == '\n' ? ' ' : c;
  }
  while (text.ends_with(' ') || text.ends_with('.')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

Command Command::Sub(const std::string& name, const std::string& description,
                     const std::string& example) {
  CLI::App* sub = app_->add_subcommand(name, description);
  sub->fallthrough();  // global options may follow the command
  if (!example.empty()) {
    sub->footer("Example:\n  " + example);
  }
  return Command(sub, actions_);
}

Command& Command::Flag(const OptionText& text, bool* value) {
  app_->add_flag(text.names, *value, text.help);
  return *this;
}

Command& Command::Option(const OptionText& text, std::string* value) {
  app_->add_option(text.names, *value, text.help)->type_name(text.placeholder)->take_last();
  return *this;
}

Command& Command::Option(const OptionText& text, std::vector<std::string>* values) {
  app_->add_option(text.names, *values, text.help)
      ->type_name(text.placeholder)
      ->type_size(1)
      ->allow_extra_args(false);
  return *this;
}

Command& Command::Option(const OptionText& text, int32_t* value, int32_t low, int32_t high) {
  app_->add_option(text.names, *value, text.help)
      ->type_name(text.placeholder)
      ->take_last()
      ->check(CLI::Range(low, high));
  return *this;
}

Command& Command::Choice(const OptionText& text, std::string* value,
                         std::vector<std::string> allowed) {
  std::string names;
  for (const std::string& name : allowed) {
    names += (names.empty() ? "" : "|") + name;
  }
  app_->add_option(text.names, *value, text.help)
      ->type_name(names)
      ->take_last()
      ->check(CLI::Validator(
          [allowed = std::move(allowed), names](std::string& given) {
            for (const std::string& name : allowed) {
              if (given == name) {
                return std::string();
              }
            }
            return fmt::format("\"{}\" is not one of {}", given, names);
          },
          ""));
  return *this;
}

Command& Command::Argument(const OptionText& text, std::string* value, bool required) {
  app_->add_option(text.names, *value, text.help)->type_name("")->required(required);
  return *this;
}

Command& Command::Arguments(const OptionText& text, std::vector<std::string>* values) {
  app_->add_option(text.names, *values, text.help)->type_name("")->required();
  return *this;
}

void Command::RequireSub() { app_->require_subcommand(1); }

void Command::Run(Action action) { actions_->emplace_back(app_, std::move(action)); }

CommandLine::CommandLine(const std::string& name, const std::string& description)
    : app_(std::make_unique<CLI::App>(description, name)), root_(app_.get(), &actions_) {
  app_->require_subcommand(1);
}

CommandLine::~CommandLine() = default;

CommandLine::Parsed CommandLine::Parse(int argc, const char* const* argv) {
  Parsed parsed;
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& wish) {  // help
    std::ostringstream out;
    app_->exit(wish, out, out);
    parsed.text = out.str();
    return parsed;
  } catch (const CLI::Error& error) {
    std::string name = NameOf(*app_);
    parsed.exit_code = 2;
    parsed.text = fmt::format("{}: {} (see {} --help)", name, OneLine(error.what()), name);
    return parsed;
  }
  for (const auto& [app, action] : actions_) {
    if (app->parsed()) {
      parsed.action = action;
    }
  }
  return parsed;
}

}  // namespace zlayer
