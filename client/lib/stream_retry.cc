#include "client/lib/stream_retry.h"

#include <algorithm>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

bool IsBroken(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
      return true;
    default:
      return false;
  }
}

StreamRetry::StreamRetry(const FollowOptions& options, std::stop_token stop)
    : options_(options), stop_(std::move(stop)), delay_(options.first_delay) {}

void StreamRetry::News() {
  last_news_ = SteadyClock::now();
  delay_ = options_.first_delay;
}

bool StreamRetry::IsTooLate() const {
  return SteadyClock::now() - last_news_ + delay_ > options_.give_up_after;
}

void StreamRetry::Wait(const absl::Status& why) {
  if (options_.lost) {
    options_.lost(why);
  }
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, delay_, stop_, [] { return false; });
  delay_ = std::min(delay_ * 2, options_.longest_delay);
}

}  // namespace zlayer
