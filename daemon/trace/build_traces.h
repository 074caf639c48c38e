// The spans of builds: in memory while a build runs, then in a file beside its events
// (`<builds>/<id>/trace`), which goes with them.
//
// Encoding: v1::Span messages, each after its length as a varint. The file is written once, at the
// end, and never synced: one that a crash tore is read as far as it goes.
#ifndef ZLAYER_DAEMON_TRACE_BUILD_TRACES_H_
#define ZLAYER_DAEMON_TRACE_BUILD_TRACES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backends/api/span_sink.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

class SpanRecorder;

// Thread-safe.
class BuildTraces {
 public:
  // Spans of one build that are kept; a last one named "dropped" says how many more there were.
  static constexpr size_t kMaxSpans = 100'000;

  // `directory` holds the builds' directories. `clock` outlives the object.
  BuildTraces(std::string directory, const Clock* clock);
  ~BuildTraces();

  // What the build reports from now on, until End. A build that runs again has the spans of its
  // last attempt.
  std::shared_ptr<SpanSink> Begin(const std::string& build_id);
  // Writes the file; where that fails the daemon's log says so, and there is no trace.
  void End(const std::string& build_id);

  // The encoded spans so far. kNotFound where there are none of this build, which must exist.
  absl::StatusOr<std::string> Read(const std::string& build_id);

 private:
  std::string File(const std::string& build_id) const;

  const std::string directory_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<SpanRecorder>> running_ ABSL_GUARDED_BY(mutex_);
};

// Decodes; ends with the first error of `sink`, which it returns.
absl::Status ForEachSpan(std::string_view encoded,
                         const std::function<absl::Status(v1::Span)>& sink);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_TRACE_BUILD_TRACES_H_
