#include "base/clock.h"

#include <fmt/format.h>
#include <time.h>

namespace zlayer {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class RealClock : public Clock {
 public:
  int64_t NowNs() const override { return Now(CLOCK_REALTIME); }
};

}  // namespace

const Clock* SystemClock() {
  static const RealClock clock;
  return &clock;
}

int64_t MonotonicNs() { return Now(CLOCK_MONOTONIC); }

std::string FormatTime(int64_t unix_ns) {
  int64_t fraction = (unix_ns % kSecond + kSecond) % kSecond;
  time_t seconds = unix_ns / kSecond - (unix_ns % kSecond < 0 ? 1 : 0);
  tm parts;
  gmtime_r(&seconds, &parts);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (fraction != 0) {
    text += fmt::format(".{:09}", fraction);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "Z";
}

}  // namespace zlayer
