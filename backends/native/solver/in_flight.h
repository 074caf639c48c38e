// Work that several builds want at the same time, done once.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_IN_FLIGHT_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_IN_FLIGHT_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "backends/native/solver/step.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/thread_pool.h"

namespace zlayer {

struct FlightResult {
  StepResult result;
  // The build that the work was begun for, where that is another one.
  std::string shared_with;
};

// Thread-safe. Work belongs to nobody: it runs on a thread of the pool, and who wants it waits for
// it, without a place in the pool. It is stopped when the last who waits has gone.
class InFlight {
 public:
  // Tells `sink` what happens; it may block while nobody takes it.
  using Work =
      std::function<absl::StatusOr<StepResult>(const StepSink& sink, std::stop_token stop)>;

  // The pool outlives the object and runs what was submitted to its end before.
  explicit InFlight(ThreadPool* pool) : pool_(pool) {}

  // The result of the work under `key`, begun now or before. `sink` gets all that the work says,
  // from this thread, what it said before (the last 256 KiB of it) included. Must be called from a
  // task of the pool. kCancelled once `stop` is requested: at once where others wait for the work,
  // else when it has ended.
  absl::StatusOr<FlightResult> Share(const Digest& key, std::string_view build, const Work& work,
                                     const StepSink& sink, std::stop_token stop);

 private:
  class Flight;

  std::shared_ptr<Flight> Join(const Digest& key, std::string_view build, const Work& work);
  // Whether the last one left.
  bool Leave(const Digest& key, Flight* flight);
  void Remove(const Digest& key, const Flight* flight) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ThreadPool* const pool_;
  Mutex mutex_;
  std::map<Digest, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_IN_FLIGHT_H_
