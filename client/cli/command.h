// The command line: a tree of commands with their options (command_spec.h), read with CLI11, whose
// types and exceptions stay behind this header.
#ifndef ZLAYER_CLIENT_CLI_COMMAND_H_
#define ZLAYER_CLIENT_CLI_COMMAND_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/command_spec.h"

namespace CLI {
class App;
}  // namespace CLI

namespace zlayer {

class Session;
struct CommandLineState;

// What a command does once its options are read.
using Action = std::function<absl::Status(Session&)>;

struct OptionText {
  std::string names;        // "-t,--tag"; of an argument, "CONTEXT"
  std::string placeholder;  // "REF"; empty for a flag or an argument
  std::string help;
  // Where nothing is said: files for FILE, directories for DIR, images for REF and SRC.
  Completes completes = Completes::kNothing;
  // Taken, but not shown: what every daemon of this version refuses.
  bool hidden = false;
};

// One command. What options write to must live until the action has run; its value before is the
// default, which the help names. An option with one value that is given twice keeps the last.
class Command {
 public:
  Command(CLI::App* app, CommandSpec* spec, CommandLineState* state)
      : app_(app), spec_(spec), state_(state) {}

  // A command below this one. `example` ends its help.
  Command Sub(const std::string& name, const std::string& description, const std::string& example);

  // The heading in the help of what is added to this object from here on.
  Command& Section(const std::string& title);
  // Leaves this command out of help, completion and the manual.
  Command& Hide();

  Command& Flag(const OptionText& text, bool* value);
  Command& Option(const OptionText& text, std::string* value);
  Command& Option(const OptionText& text, std::vector<std::string>* values);
  // Within a range, both ends included.
  Command& Option(const OptionText& text, int32_t* value, int32_t low, int32_t high);
  // One of a fixed set.
  Command& Choice(const OptionText& text, std::string* value, std::vector<std::string> allowed);
  Command& Choice(const OptionText& text, std::vector<std::string>* values,
                  std::vector<std::string> allowed);
  Command& Argument(const OptionText& text, std::string* value, bool required = true);
  Command& ChoiceArgument(const OptionText& text, std::string* value,
                          std::vector<std::string> allowed);
  // One or more; none, too, where it is not required.
  Command& Arguments(const OptionText& text, std::vector<std::string>* values,
                     bool required = true);
  // Everything behind the name of this command, which must be below the program itself, unread but
  // for a first "--".
  Command& Words(std::vector<std::string>* words);

  // One of the commands below this one must be given.
  void RequireSub();
  void Run(Action action);

 private:
  void Define(std::function<void(CLI::App&)> define);
  OptionSpec& AddOption(const OptionText& text);
  OptionSpec& AddArgument(const OptionText& text, bool required);

  CLI::App* const app_;
  CommandSpec* const spec_;
  CommandLineState* const state_;
  std::string section_;
};

// The program's command line. Not thread-safe.
class ArgumentParser {
 public:
  ArgumentParser(const std::string& name, const std::string& description);
  ~ArgumentParser();

  Command& root() { return root_; }
  // Complete once all commands are added.
  const CommandSpec& spec() const;

  struct Parsed {
    // What was asked for; empty where there is nothing to run.
    Action action;
    // Then: 0 with a text for stdout (help), or 2 with a sentence for stderr.
    int exit_code = 0;
    std::string text;
  };
  // Help is wrapped to `help_width` columns.
  Parsed Parse(int argc, const char* const* argv, size_t help_width = 80);

 private:
  const std::unique_ptr<CommandLineState> state_;
  Command root_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMMAND_H_
