// When a stream of events that broke is opened again.
#ifndef ZLAYER_CLIENT_LIB_STREAM_RETRY_H_
#define ZLAYER_CLIENT_LIB_STREAM_RETRY_H_

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <stop_token>

namespace zlayer {

struct FollowOptions {
  // How long a broken stream is tried again without any new event.
  std::chrono::milliseconds give_up_after{60'000};
  // The wait before the first new try; doubled up to `longest_delay`.
  std::chrono::milliseconds first_delay{50};
  std::chrono::milliseconds longest_delay{1'000};
  // Told why, before each wait for a new try; may be empty.
  std::function<void(const absl::Status&)> lost;
};

// Whether a stream ended so because its connection broke, or the daemon shut down.
bool IsBroken(const grpc::Status& status);

// Not thread-safe.
class StreamRetry {
 public:
  // `options` must outlive the object.
  StreamRetry(const FollowOptions& options, std::stop_token stop);

  // An event came: the time to give up, and the pauses, begin anew.
  void News();
  bool IsTooLate() const;
  // Tells why, and waits until the next try is due, or `stop` is requested.
  void Wait(const absl::Status& why);

 private:
  using SteadyClock = std::chrono::steady_clock;

  const FollowOptions& options_;
  const std::stop_token stop_;
  SteadyClock::time_point last_news_ = SteadyClock::now();
  std::chrono::milliseconds delay_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_STREAM_RETRY_H_
