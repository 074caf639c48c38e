#include "client/cli/outcome.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "client/cli/interrupts.h"
#include "client/cli/session.h"
#include "client/progress/screen.h"
#include "client/progress/terminal.h"
#include "client/progress/tty_printer.h"

namespace zlayer {

void AddProgressOption(Command& command, std::string* mode) {
  command.Choice(
      {"--progress", "", "How to show what happens (auto: tty on a terminal, else plain)"}, mode,
      {"auto", "tty", "plain", "json"});
}

std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode, SourceReader read_source,
                                             std::stop_token interrupted) {
  if (mode == "json") {
    return MakeJsonPrinter(Print);
  }
  const std::optional<View> view =
      mode == "plain" ? std::nullopt : DrawableTerminal(STDOUT_FILENO, [](const std::string& name) {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      });
  if (!view.has_value()) {
    return MakePlainPrinter(Print);
  }
  SayBeforeExit(kUsualTerminal);
  TtyOptions options;
  options.fd = STDOUT_FILENO;
  options.write = Print;
  options.view = *view;
  options.read_source = std::move(read_source);
  options.interrupted = std::move(interrupted);
  return MakeTtyPrinter(std::move(options));
}

}  // namespace zlayer
