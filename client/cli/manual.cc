#include "client/cli/manual.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/strings.h"

namespace zlayer {
namespace {

// Text that no line of which roff takes for a request.
std::string Escape(std::string_view text) {
  std::string escaped = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (char c : text) {
    escaped += c == '\\' ? "\\e" : c == '-' ? "\\-" : c == '~' ? "\\(ti" : std::string(1, c);
  }
  return escaped;
}

std::string Bold(std::string_view text) { return "\\fB" + Escape(text) + "\\fR"; }
std::string Italic(std::string_view text) { return "\\fI" + Escape(text) + "\\fR"; }

std::string Heading(const OptionSpec& option) {
  std::string text;
  for (const std::string& name : option.names) {
    text += (text.empty() ? "" : ", ") + Bold(name);
  }
  return text + (option.takes_value ? " " + Italic(option.placeholder) : "");
}

constexpr std::string_view kExitStatus = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
the request failed: a build, an unknown image, refused input
.TP
.B 2
wrong usage
.TP
.B 3
no daemon answers
.TP
.B 130
interrupted; a build that was followed is canceled
)";

constexpr std::string_view kEnvironment = R"(.SH ENVIRONMENT
.TP
.B ZLAYER_ADDRESS
where the daemon listens; \fB\-\-address\fR wins over it
.TP
.B ZLAYER_NAMESPACE
namespace of builds and images; \fB\-\-namespace\fR wins over it
.TP
.B XDG_CACHE_HOME
below it, or below \fI$HOME/.cache\fR, the digests of files of earlier builds are kept
)";

class Writer {
 public:
  std::string Write(const CommandSpec& program, std::string_view version) {
    page_ = fmt::format(
        ".\\\" Made by \"{0} __manual\" from the program's commands: do not edit.\n"
        ".TH {1} 1 \"\" \"{0} {2}\" \"User Commands\"\n"
        ".SH NAME\n{0} \\- {3}\n"
        ".SH SYNOPSIS\n{4} [{5}] {6} ...\n"
        ".SH DESCRIPTION\n{7}\n"
        "It asks a daemon, zlayerd, for everything that it does.\n"
        "What was asked for is printed on standard output, errors are one sentence on standard\n"
        "error.\n",
        program.name, ToUpper(program.name), version, Escape(NameLine(program.summary)),
        Bold(program.name), Italic("OPTIONS"), Italic("COMMAND"), Escape(program.summary));
    page_ += ".SH OPTIONS\nThese may stand anywhere.\n";
    Options(program);
    page_ +=
        fmt::format(".TP\n{}, {}\nPrint help, also of a command.\n", Bold("-h"), Bold("--help"));
    page_ += ".SH COMMANDS\n";
    for (const CommandSpec& command : program.subs) {
      Add({&program, &command});
    }
    page_ += kExitStatus;
    page_ += kEnvironment;
    return std::move(page_);
  }

 private:
  // "Builds images." as what follows the name: "builds images".
  static std::string NameLine(const std::string& summary) {
    std::string line = ToLower(summary.substr(0, 1)) + summary.substr(1);
    return line.ends_with('.') ? line.substr(0, line.size() - 1) : line;
  }

  void Add(const CommandPath& path) {
    const CommandSpec& command = *path.back();
    if (command.hidden) {
      return;
    }
    if (!command.subs.empty()) {
      for (const CommandSpec& sub : command.subs) {
        CommandPath inner = path;
        inner.push_back(&sub);
        Add(inner);
      }
      return;
    }
    page_ += ".SS " + Escape(UsageLine(path)) + "\n" + Escape(command.summary) + ".\n";
    for (const OptionSpec& argument : command.arguments) {
      page_ += ".TP\n" + Italic(argument.name()) + "\n" + Escape(OptionHelp(argument)) + ".\n";
    }
    Options(command);
    if (!command.example.empty()) {
      page_ += ".PP\n.EX\n" + Escape("    " + command.example) + "\n.EE\n";
    }
  }

  void Options(const CommandSpec& command) {
    for (const OptionSpec& option : command.options) {
      if (!option.hidden) {
        page_ += ".TP\n" + Heading(option) + "\n" + Escape(OptionHelp(option)) + ".\n";
      }
    }
  }

  std::string page_;
};

}  // namespace

std::string ManualPage(const CommandSpec& program, std::string_view version) {
  return Writer().Write(program, version);
}

}  // namespace zlayer
