#include "client/cli/outcome.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "client/cli/interrupts.h"
#include "client/cli/session.h"
#include "client/lib/build_follower.h"
#include "client/progress/screen.h"
#include "client/progress/terminal.h"
#include "client/progress/tty_printer.h"

namespace zlayer {

void AddProgressOption(Command& command, std::string* mode) {
  command.Choice(
      {"--progress", "", "How to show what happens (auto: tty on a terminal, else plain)"}, mode,
      {"auto", "tty", "plain", "json"});
}

std::optional<View> LiveView(const std::string& mode) {
  if (mode == "plain" || mode == "json") {
    return std::nullopt;
  }
  std::optional<View> view = DrawableTerminal(STDOUT_FILENO, [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
  if (view.has_value()) {
    SayBeforeExit(kUsualTerminal);
  }
  return view;
}

std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode, std::stop_token interrupted) {
  if (mode == "json") {
    return MakeJsonPrinter(Print);
  }
  const std::optional<View> view = LiveView(mode);
  if (!view.has_value()) {
    return MakePlainPrinter(Print);
  }
  TtyOptions options;
  options.fd = STDOUT_FILENO;
  options.write = Print;
  options.view = *view;
  options.interrupted = std::move(interrupted);
  return MakeTtyPrinter(std::move(options));
}

absl::Status OutcomeFor(const ProgressPrinter& printer, v1::BuildEvent terminal) {
  if (printer.ShowsSource() && terminal.has_build_failed()) {
    terminal.mutable_build_failed()->mutable_detail()->clear_excerpt();
  }
  return OutcomeOf(terminal);
}

}  // namespace zlayer
