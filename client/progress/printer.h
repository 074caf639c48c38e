// Shows the events of a build to people and programs. On a terminal: tty_printer.h.
#ifndef ZLAYER_CLIENT_PROGRESS_PRINTER_H_
#define ZLAYER_CLIENT_PROGRESS_PRINTER_H_

#include <functional>
#include <memory>
#include <string_view>

#include "client/lib/upload_counts.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Not thread-safe.
class ProgressPrinter {
 public:
  // Shows what is left to show.
  virtual ~ProgressPrinter() = default;
  // The context `name` ("" for the build context) is on its way. Called often.
  virtual void Uploading(std::string_view, const UploadCounts&) {}
  // It has arrived.
  virtual void ContextSent(std::string_view name, const v1::ContextReady& ready) = 0;
  // Events come in order, each once.
  virtual void Event(const v1::BuildEvent& event) = 0;
  // Whether the lines of the build file that a failure is about are among what is shown.
  virtual bool ShowsSource() const { return false; }
  // The daemon does not answer, with a sentence; it is asked again until the next event.
  virtual void Lost(std::string_view) {}
};

// Takes whole lines with their newlines, to be shown at once.
using LineSink = std::function<void(std::string_view)>;

// A line for each thing that happens, those of a step behind its number:
//
//   #3 [build 2/5] RUN make
//   #3 0.124 cc -c main.c
//   #3 DONE 0.4s
//
// Steps that run at the same time mix line by line. Output is shown byte for byte; a line that
// comes in parts is joined (up to 1 MiB). At the end: what the build made. Why one failed is left
// to the caller. With `explain` the end of a step, also of one that failed, says why it ran, or did
// not:
//
//   #3 DONE 0.4s (miss: file main.c changed)
std::unique_ptr<ProgressPrinter> MakePlainPrinter(LineSink sink, bool explain = false);

// One BuildEvent a line as JSON, with the names of events.proto and every field, also those at
// their defaults.
std::unique_ptr<ProgressPrinter> MakeJsonPrinter(LineSink sink);

// Only the image's id, at the end of a build that succeeded.
std::unique_ptr<ProgressPrinter> MakeQuietPrinter(LineSink sink);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_PRINTER_H_
