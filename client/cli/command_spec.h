// The command line as data: what help, completion, the manual and messages are made from.
#ifndef ZLAYER_CLIENT_CLI_COMMAND_SPEC_H_
#define ZLAYER_CLIENT_CLI_COMMAND_SPEC_H_

#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// What a value names, so that a shell can complete it.
enum class Completes {
  kNothing,
  kFile,
  kDirectory,
  kNamedDirectory,  // NAME=DIR
  kImage,           // an image of the daemon
  kBuild,           // a build of the daemon
  kStage,           // a stage of the Dockerfile on the command line
  kBuildArg,        // an ARG that it declares
  kRuntime,         // a runtime template, or "auto"
};

// An option, or an argument.
struct OptionSpec {
  std::vector<std::string> names;  // "-t" and "--tag"; of an argument, "CONTEXT"
  std::string placeholder;         // "REF"; empty for a flag or an argument
  std::string help;
  std::string default_value;         // empty: none to be named
  std::vector<std::string> allowed;  // if not empty: the only values
  Completes completes = Completes::kNothing;
  std::string section;  // heading in the help; empty for arguments
  bool takes_value = true;
  bool repeated = false;
  bool required = false;  // arguments only
  bool hidden = false;

  // The longest name.
  const std::string& name() const { return names.back(); }
};

struct CommandSpec {
  std::string name;
  std::string summary;
  std::string example;
  std::string section;  // heading in the help of the command above
  bool hidden = false;
  std::list<OptionSpec> options;
  std::list<OptionSpec> arguments;
  std::list<CommandSpec> subs;

  // The command below this one with that name, or null.
  const CommandSpec* Find(std::string_view sub) const;
};

// A command with all that are above it, the program first.
using CommandPath = std::vector<const CommandSpec*>;

// "zlayer builds ls".
std::string FullName(const CommandPath& path);

// The option with that name ("-t", "--tag") of the command or one above it, or null.
const OptionSpec* FindOption(const CommandPath& path, std::string_view name);

// "zlayer build [OPTIONS] [CONTEXT]".
std::string UsageLine(const CommandPath& path);

// "--label KEY=VALUE", or with all names "-t, --tag REF".
std::string OptionForm(const OptionSpec& option);

// What it is for, and its default.
std::string OptionHelp(const OptionSpec& option);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMMAND_SPEC_H_
