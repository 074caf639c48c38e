// Work that several threads want at once and that is done once.
#ifndef ZLAYER_REGISTRY_LAYER_SINGLE_FLIGHT_H_
#define ZLAYER_REGISTRY_LAYER_SINGLE_FLIGHT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <utility>

#include "base/digest.h"
#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"

namespace zlayer {

// Thread-safe. Results are not kept: a call that begins after the work ended does it again.
template <typename Value, typename Key = Digest>
class SingleFlight {
 public:
  // Calls from tasks of `pool`, which may be null, give their place in it to others while they wait
  // for another call; it must outlive the object.
  explicit SingleFlight(ThreadPool* pool = nullptr) : pool_(pool) {}

  // Runs `work` on this thread, or waits for a call of the same key that does so already and
  // returns its result. One that waits for work that was cancelled takes the work over. kCancelled
  // where `stop` ends the wait.
  absl::StatusOr<Value> Do(const Key& key, std::stop_token stop,
                           const std::function<absl::StatusOr<Value>()>& work) {
    while (true) {
      auto [flight, mine] = Join(key);
      if (mine) {
        absl::StatusOr<Value> result = work();
        Land(key, flight.get(), result);
        return result;
      }
      RETURN_IF_ERROR(Wait(*flight, stop));
      if (!absl::IsCancelled(flight->result.status())) {
        return flight->result;
      }
    }
  }

 private:
  struct Flight {
    bool done = false;
    absl::StatusOr<Value> result = absl::UnknownError("under way");
  };

  // The flight of `key` and whether the caller has to do the work.
  std::pair<std::shared_ptr<Flight>, bool> Join(const Key& key) {
    MutexLock lock(&mutex_);
    std::shared_ptr<Flight>& flight = flights_[key];
    bool mine = flight == nullptr;
    if (mine) {
      flight = std::make_shared<Flight>();
    }
    return {flight, mine};
  }

  // Until it has landed.
  absl::Status Wait(const Flight& flight, const std::stop_token& stop) {
    bool landed = false;
    const auto wait = [&] {
      MutexLock lock(&mutex_);
      landed = landed_.Wait(&mutex_, stop, [&] { return flight.done; });
    };
    if (pool_ == nullptr) {
      wait();
    } else {
      pool_->Outside(wait);
    }
    return landed ? absl::OkStatus()
                  : Cancelled("waiting for the same work of another build was stopped");
  }

  void Land(const Key& key, Flight* flight, const absl::StatusOr<Value>& result) {
    MutexLock lock(&mutex_);
    flight->result = result;
    flight->done = true;
    flights_.erase(key);
    landed_.NotifyAll();
  }

  ThreadPool* const pool_;
  Mutex mutex_;
  CondVar landed_;
  std::map<Key, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_SINGLE_FLIGHT_H_
