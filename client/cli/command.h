// The command line: a tree of commands with their options, read with CLI11, whose types and
// exceptions stay behind this header.
#ifndef ZLAYER_CLIENT_CLI_COMMAND_H_
#define ZLAYER_CLIENT_CLI_COMMAND_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace zlayer {

class Session;

// What a command does once its options are read.
using Action = std::function<absl::Status(Session&)>;

struct OptionText {
  std::string names;        // "-t,--tag"; of an argument, "CONTEXT"
  std::string placeholder;  // "REF"; empty for a flag or an argument
  std::string help;
};

// One command. What options write to must live until the action has run; its value before is the
// default. An option with one value that is given twice keeps the last.
class Command {
 public:
  explicit Command(CLI::App* app, std::vector<std::pair<CLI::App*, Action>>* actions)
      : app_(app), actions_(actions) {}

  // A command below this one. `example` ends its help.
  Command Sub(const std::string& name, const std::string& description, const std::string& example);

  Command& Flag(const OptionText& text, bool* value);
  Command& Option(const OptionText& text, std::string* value);
  Command& Option(const OptionText& text, std::vector<std::string>* values);
  // Within a range, both ends included.
  Command& Option(const OptionText& text, int32_t* value, int32_t low, int32_t high);
  Command& Choice(const OptionText& text, std::string* value, std::vector<std::string> allowed);
  Command& Argument(const OptionText& text, std::string* value, bool required = true);
  // One or more.
  Command& Arguments(const OptionText& text, std::vector<std::string>* values);

  // One of the commands below this one must be given.
  void RequireSub();
  void Run(Action action);

 private:
  CLI::App* const app_;
  std::vector<std::pair<CLI::App*, Action>>* const actions_;
};

// The program's command line. Not thread-safe.
class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description);
  ~CommandLine();

  Command& root() { return root_; }

  struct Parsed {
    // What was asked for; empty where there is nothing to run.
    Action action;
    // Then: 0 with a text for stdout (help), or 2 with a sentence for stderr.
    int exit_code = 0;
    std::string text;
  };
  Parsed Parse(int argc, const char* const* argv);

 private:
  const std::unique_ptr<CLI::App> app_;
  std::vector<std::pair<CLI::App*, Action>> actions_;
  Command root_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMMAND_H_
