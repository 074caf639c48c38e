// How builds are shown.
#ifndef ZLAYER_CLIENT_CLI_OUTCOME_H_
#define ZLAYER_CLIENT_CLI_OUTCOME_H_

#include <memory>
#include <stop_token>
#include <string>

#include "client/cli/command.h"
#include "client/progress/printer.h"
#include "client/progress/progress_state.h"

namespace zlayer {

// Adds `--progress`, which writes to `mode`: auto, tty, plain or json.
void AddProgressOption(Command& command, std::string* mode);

// A printer to stdout for a value of `--progress`: for auto and tty on a terminal that can be drawn
// on, what is live there (tty_printer.h), else plain. `read_source` and `interrupted` as there.
std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode, SourceReader read_source,
                                             std::stop_token interrupted);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_OUTCOME_H_
