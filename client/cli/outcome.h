// How builds are shown and what their end means to the caller of the program.
#ifndef ZLAYER_CLIENT_CLI_OUTCOME_H_
#define ZLAYER_CLIENT_CLI_OUTCOME_H_

#include <absl/status/status.h>

#include <memory>
#include <string>

#include "client/cli/command.h"
#include "client/progress/printer.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Adds `--progress`, which writes to `mode`: auto, tty, plain or json.
void AddProgressOption(Command& command, std::string* mode);

// A printer to stdout for a value of `--progress`.
std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode);

// OK for BuildComplete, else why there is no image; never a status that means "no daemon".
absl::Status OutcomeOf(const v1::BuildEvent& terminal);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_OUTCOME_H_
