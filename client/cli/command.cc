#include "client/cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"
#include "base/suggest.h"
#include "client/cli/help.h"

namespace zlayer {

struct CommandLineState {
  explicit CommandLineState(const std::string& name, const std::string& description)
      : app(description, name) {
    spec.name = name;
    spec.summary = description;
  }

  CLI::App app;
  CommandSpec spec;
  // What CLI11 is told of a command's options and arguments, once that command is given: it takes
  // more than half a millisecond for those of all.
  std::map<const CLI::App*, std::vector<std::function<void(CLI::App&)>>> definitions;
  std::vector<std::pair<CLI::App*, Action>> actions;
  // Commands that read the words behind their name themselves.
  std::map<std::string, std::pair<CLI::App*, std::vector<std::string>*>, std::less<>> words;
};

namespace {

constexpr int kManyArguments = 1 << 24;

// The commands that were named: "zlayer", "builds", "ls".
CommandPath PathOf(const CLI::App& app, const CommandSpec& spec) {
  CommandPath path = {&spec};
  const CLI::App* inner = &app;
  while (!inner->get_subcommands().empty()) {
    inner = inner->get_subcommands().front();
    path.push_back(path.back()->Find(inner->get_name()));
  }
  return path;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (text.ends_with(' ') || text.ends_with('.')) {
    text.pop_back();
  }
  return text;
}

std::vector<std::string> OptionNames(const CommandPath& path) {
  std::vector<std::string> names = {"--help"};
  for (const CommandSpec* command : path) {
    for (const OptionSpec& option : command->options) {
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
  }
  return names;
}

std::vector<std::string> SubNames(const CommandSpec& command) {
  std::vector<std::string> names;
  for (const CommandSpec& sub : command.subs) {
    if (!sub.hidden) {
      names.push_back(sub.name);
    }
  }
  return names;
}

// What is wrong with a word that nothing takes.
std::string Unexpected(const CommandPath& path, const std::string& word) {
  if (word.size() > 1 && word.starts_with('-')) {
    std::string name = word.substr(0, word.find('='));
    return fmt::format("unknown option {}{}", ToUtf8(name), Suggestion(name, OptionNames(path)));
  }
  if (!path.back()->subs.empty()) {
    return fmt::format("unknown command \"{}\"{}", ToUtf8(word),
                       Suggestion(word, SubNames(*path.back())));
  }
  return fmt::format("unexpected argument \"{}\"", ToUtf8(word));
}

// What completes a value, where that is not said, follows from what it is called.
Completes CompletesOf(const OptionText& text, std::string_view called) {
  if (text.completes != Completes::kNothing) {
    return text.completes;
  }
  return called.starts_with("FILE")           ? Completes::kFile
         : called == "DIR"                    ? Completes::kDirectory
         : called == "REF" || called == "SRC" ? Completes::kImage
                                              : Completes::kNothing;
}

// Why the words do not read.
std::string Mistake(const CommandPath& path, const CLI::App& app, const CLI::Error& error) {
  std::vector<std::string> left = app.remaining(/*recurse=*/true);
  std::erase(left, "--");
  if (!left.empty()) {
    return Unexpected(path, left.front());
  }
  const std::vector<std::string> subs = SubNames(*path.back());
  return subs.empty() || dynamic_cast<const CLI::RequiredError*>(&error) == nullptr
             ? OneLine(error.what())
             : "a command is missing: " + Join(subs, ", ");
}

// The API takes text; names of files may be anything.
CLI::Validator TextFor(const OptionSpec& option) {
  bool any = option.completes == Completes::kFile || option.completes == Completes::kDirectory ||
             option.completes == Completes::kNamedDirectory;
  return CLI::Validator(
      [any](std::string& given) {
        return any || IsUtf8(given) ? std::string()
                                    : fmt::format("\"{}\" is not UTF-8 text", ToUtf8(given));
      },
      "");
}

CLI::Validator OneOf(const OptionSpec& option) {
  return CLI::Validator(
      [&allowed = option.allowed](std::string& given) {
        return std::find(allowed.begin(), allowed.end(), given) != allowed.end()
                   ? std::string()
                   : fmt::format("\"{}\" is not one of {}{}", ToUtf8(given), Join(allowed, "|"),
                                 Suggestion(given, allowed));
      },
      "");
}

std::string NamesOf(const OptionSpec& option) { return Join(option.names, ","); }

template <typename Value>
void DefineOption(CLI::App& app, const OptionSpec& option, Value* value, CLI::Validator validator) {
  app.add_option(NamesOf(option), *value)
      ->type_name(option.placeholder)
      ->take_last()
      ->check(std::move(validator));
}

void DefineOption(CLI::App& app, const OptionSpec& option, std::vector<std::string>* values,
                  CLI::Validator validator) {
  app.add_option(NamesOf(option), *values)
      ->type_name(option.placeholder)
      ->type_size(1)
      ->allow_extra_args(false)
      ->check(std::move(validator));
}

}  // namespace

void Command::Define(std::function<void(CLI::App&)> define) {
  std::vector<std::function<void(CLI::App&)>>& definitions = state_->definitions[app_];
  if (definitions.empty()) {
    app_->preparse_callback([app = app_, &definitions](size_t) {
      for (const auto& define : std::exchange(definitions, {})) {
        define(*app);
      }
    });
  }
  definitions.push_back(std::move(define));
}

OptionSpec& Command::AddOption(const OptionText& text) {
  OptionSpec& option = spec_->options.emplace_back();
  for (std::string_view name : Split(text.names, ',')) {
    option.names.emplace_back(name);
  }
  option.placeholder = text.placeholder;
  option.help = text.help;
  option.completes = CompletesOf(text, text.placeholder);
  option.hidden = text.hidden;
  option.section = section_.empty() ? "Options" : section_;
  return option;
}

OptionSpec& Command::AddArgument(const OptionText& text, bool required) {
  OptionSpec& argument = spec_->arguments.emplace_back();
  argument.names = {text.names};
  argument.help = text.help;
  argument.completes = CompletesOf(text, text.names);
  argument.required = required;
  return argument;
}

Command Command::Sub(const std::string& name, const std::string& description,
                     const std::string& example) {
  CLI::App* sub = app_->add_subcommand(name, description);
  sub->fallthrough();  // global options may follow the command
  CommandSpec& spec = spec_->subs.emplace_back();
  spec.name = name;
  spec.summary = description;
  spec.example = example;
  spec.section = section_;
  return Command(sub, &spec, state_);
}

Command& Command::Section(const std::string& title) {
  section_ = title;
  return *this;
}

Command& Command::Hide() {
  spec_->hidden = true;
  return *this;
}

Command& Command::Flag(const OptionText& text, bool* value) {
  OptionSpec& option = AddOption(text);
  option.takes_value = false;
  Define([&option, value](CLI::App& app) { app.add_flag(NamesOf(option), *value); });
  return *this;
}

Command& Command::Option(const OptionText& text, std::string* value) {
  OptionSpec& option = AddOption(text);
  option.default_value = *value;
  Define([&option, value](CLI::App& app) { DefineOption(app, option, value, TextFor(option)); });
  return *this;
}

Command& Command::Option(const OptionText& text, std::vector<std::string>* values) {
  OptionSpec& option = AddOption(text);
  option.repeated = true;
  Define([&option, values](CLI::App& app) { DefineOption(app, option, values, TextFor(option)); });
  return *this;
}

Command& Command::Option(const OptionText& text, int32_t* value, int32_t low, int32_t high) {
  OptionSpec& option = AddOption(text);
  option.default_value = fmt::format("{}", *value);
  Define([&option, value, low, high](CLI::App& app) {
    DefineOption(app, option, value, CLI::Range(low, high));
  });
  return *this;
}

Command& Command::Choice(const OptionText& text, std::string* value,
                         std::vector<std::string> allowed) {
  OptionSpec& option = AddOption(text);
  option.placeholder = Join(allowed, "|");
  option.default_value = *value;
  option.allowed = std::move(allowed);
  Define([&option, value](CLI::App& app) { DefineOption(app, option, value, OneOf(option)); });
  return *this;
}

Command& Command::Choice(const OptionText& text, std::vector<std::string>* values,
                         std::vector<std::string> allowed) {
  OptionSpec& option = AddOption(text);
  option.repeated = true;
  option.allowed = std::move(allowed);
  Define([&option, values](CLI::App& app) { DefineOption(app, option, values, OneOf(option)); });
  return *this;
}

Command& Command::Argument(const OptionText& text, std::string* value, bool required) {
  OptionSpec& argument = AddArgument(text, required);
  argument.default_value = *value;
  Define([&argument, value](CLI::App& app) {
    app.add_option(argument.name(), *value)
        ->type_name("")
        ->required(argument.required)
        ->check(TextFor(argument));
  });
  return *this;
}

Command& Command::ChoiceArgument(const OptionText& text, std::string* value,
                                 std::vector<std::string> allowed) {
  OptionSpec& argument = AddArgument(text, /*required=*/true);
  argument.allowed = std::move(allowed);
  Define([&argument, value](CLI::App& app) {
    app.add_option(argument.name(), *value)->type_name("")->required()->check(OneOf(argument));
  });
  return *this;
}

Command& Command::Arguments(const OptionText& text, std::vector<std::string>* values,
                            bool required) {
  OptionSpec& argument = AddArgument(text, required);
  argument.repeated = true;
  // As they are: where CLI11 takes any number of values it takes "[a,b]" and "{}" for lists of
  // them. Here it expects more than there can be, and takes what there is.
  Define([&argument, values](CLI::App& app) {
    const auto take = [values](const CLI::results_t& results) {
      *values = results;
      return true;
    };
    app.add_option(argument.name(), take)
        ->expected(kManyArguments, kManyArguments)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("")
        ->required(argument.required)
        ->check(TextFor(argument));
  });
  return *this;
}

Command& Command::Words(std::vector<std::string>* words) {
  state_->words[spec_->name] = {app_, words};
  return *this;
}

void Command::RequireSub() { app_->require_subcommand(1); }

void Command::Run(Action action) { state_->actions.emplace_back(app_, std::move(action)); }

ArgumentParser::ArgumentParser(const std::string& name, const std::string& description)
    : state_(std::make_unique<CommandLineState>(name, description)),
      root_(&state_->app, &state_->spec, state_.get()) {
  state_->app.require_subcommand(1);
}

ArgumentParser::~ArgumentParser() = default;

const CommandSpec& ArgumentParser::spec() const { return state_->spec; }

ArgumentParser::Parsed ArgumentParser::Parse(int argc, const char* const* argv, size_t help_width) {
  Parsed parsed;
  CLI::App& app = state_->app;
  auto raw = argc > 1 ? state_->words.find(argv[1]) : state_->words.end();
  const CLI::App* chosen = nullptr;
  if (raw != state_->words.end()) {
    bool marked = argc > 2 && std::string_view(argv[2]) == "--";
    raw->second.second->assign(argv + (marked ? 3 : 2), argv + argc);
    chosen = raw->second.first;
  } else {
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success&) {  // help
      parsed.text = HelpText(PathOf(app, state_->spec), help_width);
      return parsed;
    } catch (const CLI::Error& error) {
      CommandPath path = PathOf(app, state_->spec);
      parsed.exit_code = 2;
      parsed.text = fmt::format("{}: {} (see {} --help)", FullName(path), Mistake(path, app, error),
                                FullName(path));
      return parsed;
    }
  }
  for (const auto& [command, action] : state_->actions) {
    if (command == chosen || (chosen == nullptr && command->parsed())) {
      parsed.action = action;
    }
  }
  return parsed;
}

}  // namespace zlayer
