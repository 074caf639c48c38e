#include "client/cli/outcome.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "client/cli/session.h"
#include "proto/error_detail.h"

namespace zlayer {

void AddProgressOption(Command& command, std::string* mode) {
  command.Choice({"--progress", "", "How to show what happens (auto and tty: as plain)"}, mode,
                 {"auto", "tty", "plain", "json"});
}

std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode) {
  return mode == "json" ? MakeJsonPrinter(Print) : MakePlainPrinter(Print);
}

absl::Status OutcomeOf(const v1::BuildEvent& terminal) {
  if (terminal.has_build_complete()) {
    return absl::OkStatus();
  }
  if (terminal.has_build_canceled()) {
    const std::string& reason = terminal.build_canceled().reason();
    return Cancelled(fmt::format("build {} was canceled{}{}", terminal.build_id(),
                                 reason.empty() ? "" : ": ", reason));
  }
  return WithDetail(FailedPrecondition(terminal.build_failed().error()),
                    terminal.build_failed().detail());
}

}  // namespace zlayer
