// Where a build reports what took its time (BuildService.GetTrace).
#ifndef ZLAYER_BACKENDS_API_SPAN_SINK_H_
#define ZLAYER_BACKENDS_API_SPAN_SINK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace zlayer {

// Takes pieces of a build's time, each when it has ended, from the thread that spent it.
// Thread-safe and cheap: less than a microsecond. Beyond a limit pieces are counted and dropped.
// Work that outlives its build may go on reporting; nobody sees it.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  // `name` is one of those that Span (build.proto) lists; of `subject` the first 100 bytes count.
  // Times are MonotonicNs().
  virtual void Add(std::string_view name, std::string_view subject, int64_t begin_ns,
                   int64_t end_ns) = 0;
};

// The time from its construction to its end. Those of one thread nest. Does nothing where `sink` is
// null; the sink must outlive it.
class ScopedSpan {
 public:
  // `name` is a literal.
  ScopedSpan(SpanSink* sink, std::string_view name, std::string_view subject = "")
      : sink_(sink), name_(name) {
    if (sink_ != nullptr) {
      subject_ = std::string(subject);
      begin_ns_ = MonotonicNs();
    }
  }
  ScopedSpan(const ScopedSpan&) = delete;
  ScopedSpan& operator=(const ScopedSpan&) = delete;
  ~ScopedSpan() {
    if (sink_ != nullptr) {
      sink_->Add(name_, subject_, begin_ns_, MonotonicNs());
    }
  }

 private:
  SpanSink* const sink_;
  const std::string_view name_;
  std::string subject_;
  int64_t begin_ns_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_API_SPAN_SINK_H_
