// How a pull, a push or a copy is shown.
#ifndef ZLAYER_CLIENT_CLI_TRANSFER_PRINTER_H_
#define ZLAYER_CLIENT_CLI_TRANSFER_PRINTER_H_

#include <memory>
#include <string>

#include "zlayer/v1/registry.pb.h"

namespace zlayer {

// Not thread-safe. What is left to show is shown at its end.
class TransferPrinter {
 public:
  virtual ~TransferPrinter() = default;
  // Events come in order, each once.
  virtual void Event(const v1::TransferEvent& event) = 0;
};

// For a value of `--progress`: for auto and tty on a terminal what is live there
// (client/progress/transfer_state.h), else a line on stderr for each blob that ended, or JSON. What
// the image is called is printed in the end; with `quiet` nothing else is.
std::unique_ptr<TransferPrinter> MakeTransferPrinter(const std::string& mode, bool quiet);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_TRANSFER_PRINTER_H_
