// How builds are shown.
#ifndef ZLAYER_CLIENT_CLI_OUTCOME_H_
#define ZLAYER_CLIENT_CLI_OUTCOME_H_

#include <absl/status/status.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "client/cli/command.h"
#include "client/progress/printer.h"
#include "client/progress/row.h"

namespace zlayer {

// Adds `--progress`, which writes to `mode`: auto, tty, plain or json.
void AddProgressOption(Command& command, std::string* mode);

// The terminal that stdout is, for a value of `--progress`: nullopt for plain and json, and where
// it cannot be drawn on. An interrupted program leaves it as usual.
std::optional<View> LiveView(const std::string& mode);

// A printer to stdout for a value of `--progress`: for auto and tty on a terminal that can be drawn
// on, what is live there (tty_printer.h), else plain. `interrupted` as there.
std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode, std::stop_token interrupted);

// OutcomeOf (client/lib/build_follower.h), without what `printer` has shown of a failure.
absl::Status OutcomeFor(const ProgressPrinter& printer, v1::BuildEvent terminal);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_OUTCOME_H_
