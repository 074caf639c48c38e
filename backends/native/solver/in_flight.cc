#include "backends/native/solver/in_flight.h"

#include <absl/strings/cord.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "base/errors.h"

namespace zlayer {
namespace {

// Of what the work said, for who comes later.
constexpr size_t kReplayBytes = size_t{256} << 10;
// What the work may be ahead of the slowest who listens.
constexpr size_t kAheadBytes = size_t{4} << 20;
// Taken from the queue at a time.
constexpr size_t kBatch = 64;

// For a thread of its own: ThreadSanitizer cannot see how Abseil's library counts references.
absl::Status OwnStatus(const absl::Status& shared) {
  absl::Status own(shared.code(), shared.message());
  shared.ForEachPayload([&own](absl::string_view type, const absl::Cord& payload) {
    own.SetPayload(type, absl::Cord(std::string(payload)));
  });
  return own;
}

}  // namespace

// One piece of work, and the queue of what it says. Positions in the queue count from its
// beginning.
class InFlight::Flight {
 public:
  explicit Flight(std::string build) : build_(std::move(build)) {}

  const std::string& build() const { return build_; }
  std::stop_token stop_token() const { return stop_.get_token(); }
  void RequestStop() { stop_.request_stop(); }

  // The listeners are counted by InFlight, with its mutex held.
  size_t listeners = 0;

  void Say(v1::BuildEvent event) {
    MutexLock lock(&mutex_);
    bytes_ += SizeOf(event);
    queue_.push_back(std::move(event));
    said_.NotifyAll();
    heard_.Wait(&mutex_, stop_.get_token(),
                [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return bytes_ <= kAheadBytes; });
  }

  void End(absl::StatusOr<StepResult> result) {
    MutexLock lock(&mutex_);
    result_ = std::move(result);
    said_.NotifyAll();
  }

  void WaitForEnd() {
    MutexLock lock(&mutex_);
    said_.Wait(&mutex_, std::stop_token(),
               [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return result_.has_value(); });
  }

  // Repeats all to `sink` until the end. kCancelled where `stop` comes first.
  absl::StatusOr<StepResult> Follow(const StepSink& sink, const std::stop_token& stop) {
    const Place place = Sit();
    while (true) {
      std::vector<v1::BuildEvent> heard;
      {
        MutexLock lock(&mutex_);
        said_.Wait(&mutex_, stop, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return *place < End() || result_.has_value();
        });
        if (stop.stop_requested()) {
          Rise(place);
          return Cancelled("the build was canceled");
        }
        if (*place == End()) {
          Rise(place);
          return result_->ok() ? *result_ : OwnStatus(result_->status());
        }
        heard = Take(place);
      }
      for (v1::BuildEvent& event : heard) {
        sink(std::move(event));
      }
    }
  }

 private:
  // How far each listener is.
  using Place = std::list<uint64_t>::iterator;

  static size_t SizeOf(const v1::BuildEvent& event) {
    return sizeof(event) + event.output().data().size();
  }

  Place Sit() {
    MutexLock lock(&mutex_);
    return places_.insert(places_.end(), begin_);
  }

  void Rise(Place place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    places_.erase(place);
    Trim();
  }

  uint64_t End() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return begin_ + queue_.size(); }

  std::vector<v1::BuildEvent> Take(Place place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto from = queue_.begin() + static_cast<ptrdiff_t>(*place - begin_);
    const auto to = from + std::min<ptrdiff_t>(kBatch, queue_.end() - from);
    std::vector<v1::BuildEvent> taken(from, to);
    *place += taken.size();
    Trim();
    return taken;
  }

  // Drops what all have heard and nobody who comes later will.
  void Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto slowest = std::min_element(places_.begin(), places_.end());
    while (!queue_.empty() && bytes_ > kReplayBytes &&
           (slowest == places_.end() || begin_ < *slowest)) {
      bytes_ -= SizeOf(queue_.front());
      queue_.pop_front();
      ++begin_;
    }
    heard_.NotifyAll();
  }

  const std::string build_;
  std::stop_source stop_;

  Mutex mutex_;
  CondVar said_;
  CondVar heard_;
  std::deque<v1::BuildEvent> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t begin_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<uint64_t> places_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<StepResult>> result_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<InFlight::Flight> InFlight::Join(const Digest& key, std::string_view build,
                                                 const Work& work) {
  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(&mutex_);
    std::shared_ptr<Flight>& found = flights_[key];
    const bool begun = found != nullptr;
    if (!begun) {
      found = std::make_shared<Flight>(std::string(build));
    }
    ++found->listeners;
    flight = found;
    if (begun) {
      return flight;
    }
  }
  pool_->Submit([this, key, flight, held = Work(work)]() mutable {
    absl::StatusOr<StepResult> result = held(
        [&flight](v1::BuildEvent event) { flight->Say(std::move(event)); }, flight->stop_token());
    held = nullptr;  // with the files and mounts that it holds
    {
      MutexLock lock(&mutex_);
      Remove(key, flight.get());
    }
    flight->End(std::move(result));
  });
  return flight;
}

void InFlight::Remove(const Digest& key, const Flight* flight) {
  const auto found = flights_.find(key);
  if (found != flights_.end() && found->second.get() == flight) {
    flights_.erase(found);
  }
}

bool InFlight::Leave(const Digest& key, Flight* flight) {
  MutexLock lock(&mutex_);
  if (--flight->listeners > 0) {
    return false;
  }
  Remove(key, flight);  // who comes from now on begins anew
  return true;
}

absl::StatusOr<FlightResult> InFlight::Share(const Digest& key, std::string_view build,
                                             const Work& work, const StepSink& sink,
                                             std::stop_token stop) {
  const std::shared_ptr<Flight> flight = Join(key, build, work);
  FlightResult result;
  if (flight->build() != build) {
    result.shared_with = flight->build();
    v1::BuildEvent waiting;
    waiting.mutable_instruction_waiting()->set_reason(
        fmt::format("build {} runs the same step", flight->build()));
    waiting.mutable_instruction_waiting()->set_build_id(flight->build());
    sink(std::move(waiting));
  }
  absl::StatusOr<StepResult> followed = Internal("not followed");
  pool_->Outside([&] {
    followed = flight->Follow(sink, stop);
    if (Leave(key, flight.get())) {
      flight->RequestStop();
      flight->WaitForEnd();
    }
  });
  if (!followed.ok()) {
    return std::move(followed).status();
  }
  result.result = *std::move(followed);
  return result;
}

}  // namespace zlayer
