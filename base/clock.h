// Time as an interface, so that tests decide what time it is.
#ifndef ZLAYER_BASE_CLOCK_H_
#define ZLAYER_BASE_CLOCK_H_

#include <cstdint>
#include <string>

namespace zlayer {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970-01-01 UTC.
  virtual int64_t NowNs() const = 0;
};

// The machine's clock. Lives for ever.
const Clock* SystemClock();

// Nanoseconds of CLOCK_MONOTONIC, for durations.
int64_t MonotonicNs();

// "2026-11-21T00:30:02.123456789Z" (RFC 3339, the form of OCI's `created`), without trailing zeros
// in the fraction.
std::string FormatTime(int64_t unix_ns);

}  // namespace zlayer

#endif  // ZLAYER_BASE_CLOCK_H_
