// How builds are shown.
#ifndef ZLAYER_CLIENT_CLI_OUTCOME_H_
#define ZLAYER_CLIENT_CLI_OUTCOME_H_

#include <memory>
#include <string>

#include "client/cli/command.h"
#include "client/progress/printer.h"

namespace zlayer {

// Adds `--progress`, which writes to `mode`: auto, tty, plain or json.
void AddProgressOption(Command& command, std::string* mode);

// A printer to stdout for a value of `--progress`.
std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_OUTCOME_H_
