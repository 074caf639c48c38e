// Shows a pipeline on a terminal, as it is now.
#ifndef ZLAYER_CLIENT_PROGRESS_TTY_PIPELINE_PRINTER_H_
#define ZLAYER_CLIENT_PROGRESS_TTY_PIPELINE_PRINTER_H_

#include <memory>

#include "client/progress/pipeline_printer.h"
#include "client/progress/tty_printer.h"

namespace zlayer {

// Images that ended scroll up, the others have a line each below (pipeline_model.h). Painted as by
// MakeTtyPrinter, and like that at most one at a time.
std::unique_ptr<PipelinePrinter> MakeTtyPipelinePrinter(TtyOptions options);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_TTY_PIPELINE_PRINTER_H_
