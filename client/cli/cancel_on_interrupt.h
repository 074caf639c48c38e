// The user's interrupt cancels what the daemon does for this program.
#ifndef ZLAYER_CLIENT_CLI_CANCEL_ON_INTERRUPT_H_
#define ZLAYER_CLIENT_CLI_CANCEL_ON_INTERRUPT_H_

#include <absl/status/status.h>

#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace zlayer {

// Cancels a build or a pipeline on the daemon once the user interrupts, or, where its id is not
// known by then, as soon as it is.
class CancelOnInterrupt {
 public:
  // `cancel` tells the daemon, on the thread that interrupts or that learns the id.
  CancelOnInterrupt(std::function<absl::Status(const std::string& id)> cancel,
                    std::stop_token interrupted)
      : cancel_(std::move(cancel)), callback_(std::move(interrupted), OnStop{this}) {}

  void Started(const std::string& id) {
    {
      MutexLock lock(&mutex_);
      if (!id_.empty()) {
        return;
      }
      id_ = id;
      if (!wanted_) {
        return;
      }
    }
    Send(id);
  }

  // Requested where the daemon could not be told: there is nothing to wait for.
  std::stop_token abandoned() const { return abandoned_.get_token(); }

 private:
  struct OnStop {
    CancelOnInterrupt* self;
    void operator()() const { self->Interrupt(); }
  };

  void Interrupt() {
    std::string id;
    {
      MutexLock lock(&mutex_);
      wanted_ = true;
      id = id_;
    }
    if (!id.empty()) {
      Send(id);
    }
  }

  void Send(const std::string& id) {
    if (!cancel_(id).ok()) {
      abandoned_.request_stop();
    }
  }

  const std::function<absl::Status(const std::string& id)> cancel_;
  std::stop_source abandoned_;
  Mutex mutex_;
  std::string id_ ABSL_GUARDED_BY(mutex_);
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;
  std::stop_callback<OnStop> callback_;  // last: it uses all of the above
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_CANCEL_ON_INTERRUPT_H_
