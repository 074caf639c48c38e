// The service manager that started this process, where one did: systemd, or whatever else speaks
// its protocols. They are a few variables of the environment and datagrams, described in
// sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3).
#ifndef ZLAYER_BASE_SERVICE_MANAGER_H_
#define ZLAYER_BASE_SERVICE_MANAGER_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace zlayer {

// A descriptor that was open when the process started, now close-on-exec.
struct PassedSocket {
  UniqueFd fd;
  std::string name;  // FileDescriptorName= of the socket unit; "unknown" where none was given
};

// Movable; Notify is thread-safe.
class ServiceManager {
 public:
  // Takes what the manager passed out of the environment, where a child would take it for its own:
  // call it before there are threads or children. What is meant for another process (LISTEN_PID,
  // WATCHDOG_PID) counts as not passed. kInvalidArgument where a variable cannot be true. Passed
  // descriptors begin at `first_descriptor`, which is 3 but in tests.
  static absl::StatusOr<ServiceManager> FromEnvironment(int first_descriptor = 3);

  // The passed descriptors, once; they belong to the caller.
  std::vector<PassedSocket> TakeSockets() { return std::move(sockets_); }

  // Tells the manager lines such as "READY=1" or "STATUS=...". Does nothing without a manager that
  // listens. A manager that does not read for seconds, or is gone, misses the message: the daemon
  // goes on without it.
  void Notify(std::string_view lines) const;

  // The manager ends a process that has not sent "WATCHDOG=1" for so long; zero: it does not watch.
  std::chrono::microseconds watchdog_timeout() const { return watchdog_timeout_; }

 private:
  std::vector<PassedSocket> sockets_;
  std::string notify_socket_;
  std::chrono::microseconds watchdog_timeout_{0};
};

// Sends "WATCHDOG=1" at half of the manager's timeout, on a thread of its own, each time that
// `alive` returned true. `alive` may take as long as it likes: a daemon that hangs is one that
// sends nothing. It returns soon after `stop` is requested. No thread where the manager does not
// watch. Both arguments' targets outlive this object.
class Watchdog {
 public:
  using Alive = std::function<bool(std::stop_token stop)>;
  Watchdog(const ServiceManager* manager, Alive alive);

 private:
  void Run(std::stop_token stop);

  const ServiceManager* const manager_;
  const Alive alive_;
  Mutex mutex_;
  CondVar stopped_;
  std::jthread thread_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_SERVICE_MANAGER_H_
