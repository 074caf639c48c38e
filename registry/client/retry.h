// When something is tried again, and after how long.
#ifndef ZLAYER_REGISTRY_CLIENT_RETRY_H_
#define ZLAYER_REGISTRY_CLIENT_RETRY_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <stop_token>
#include <string_view>

#include "base/mutex.h"
#include "registry/client/outcome.h"

namespace zlayer {

struct RetryLimits {
  int attempts = 5;
  int64_t delay_ms = 500;  // before the second attempt; doubles with each
  int64_t max_delay_ms = 30'000;
  // That a server may ask for. Where it asks for more it is not asked again.
  int64_t max_asked_ms = 300'000;
};

// Whether a server that answers so may answer otherwise soon: 429, 500, 502, 503, 504.
bool MayPass(int http_status);

// The milliseconds that a Retry-After asks for (RFC 9110, section 10.2.3): seconds, or a date in
// the form of RFC 5322 ("Fri, 27 Nov 2026 10:00:00 GMT"), past ones being 0. Nothing where it is
// neither.
std::optional<int64_t> ParseRetryAfter(std::string_view text, int64_t now_ns);

// Thread-safe.
class Retry {
 public:
  // The seed of the jitter; 0: one from the system.
  Retry(RetryLimits limits, uint64_t seed);

  const RetryLimits& limits() const { return limits_; }

  // The pause behind attempt `attempt` (from 1 on): between half of the delay and all of it, and at
  // least what the server asks for.
  int64_t DelayMs(int attempt, int64_t retry_after_ms);

  // Calls `attempt` until it succeeds, fails for good, or has failed as often as the limits say.
  // The status of the last one, with when the server wants to be asked again if that is too late;
  // kCancelled soon after `stop` is requested. The log says of long pauses that `who`, a
  // repository, asked for them.
  absl::Status Run(std::string_view who, const std::function<Outcome()>& attempt,
                   std::stop_token stop);

 private:
  const RetryLimits limits_;

  Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
};

// kCancelled, with the sentence that all of this module says then.
absl::Status TransferCancelled();

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_RETRY_H_
