#include "base/service_manager.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr uint64_t kMaxDescriptors = 64;
constexpr timeval kSendTimeout = {.tv_sec = 5, .tv_usec = 0};

// The variable, no longer in the environment; empty where it was not set.
std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);
  return taken;
}

absl::StatusOr<std::optional<uint64_t>> TakeNumber(const char* name) {
  const std::string text = TakeVariable(name);
  if (text.empty()) {
    return std::nullopt;
  }
  std::optional<uint64_t> number = ParseUint(text);
  if (!number.has_value()) {
    return InvalidArgument(fmt::format(
        "{}=\"{}\" in the environment is not a number; a service manager sets it, nobody else",
        name, text));
  }
  return number;
}

absl::StatusOr<std::vector<PassedSocket>> TakePassed(uint64_t count, const std::string& names,
                                                     int first) {
  if (count > kMaxDescriptors) {
    return InvalidArgument(
        fmt::format("LISTEN_FDS={}: more than {} descriptors were passed", count, kMaxDescriptors));
  }
  const std::vector<std::string_view> each = Split(names, ':');
  std::vector<PassedSocket> sockets;
  for (size_t i = 0; i < count; ++i) {
    const int fd = first + static_cast<int>(i);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return InvalidArgument(
          fmt::format("LISTEN_FDS={}, but descriptor {} is not open", count, fd));
    }
    const bool named = i < each.size() && !each[i].empty();
    sockets.push_back({UniqueFd(fd), named ? std::string(each[i]) : "unknown"});
  }
  return sockets;
}

}  // namespace

absl::StatusOr<ServiceManager> ServiceManager::FromEnvironment(int first_descriptor) {
  // All are taken before the first error is looked at.
  const absl::StatusOr<std::optional<uint64_t>> listen_pid = TakeNumber("LISTEN_PID");
  const absl::StatusOr<std::optional<uint64_t>> count = TakeNumber("LISTEN_FDS");
  const absl::StatusOr<std::optional<uint64_t>> watchdog_pid = TakeNumber("WATCHDOG_PID");
  const absl::StatusOr<std::optional<uint64_t>> timeout = TakeNumber("WATCHDOG_USEC");
  const std::string names = TakeVariable("LISTEN_FDNAMES");
  ServiceManager manager;
  manager.notify_socket_ = TakeVariable("NOTIFY_SOCKET");
  for (const auto* number : {&listen_pid, &count, &watchdog_pid, &timeout}) {
    RETURN_IF_ERROR(number->status());
  }
  const uint64_t self = static_cast<uint64_t>(getpid());
  if (*listen_pid == self && count->has_value()) {
    ASSIGN_OR_RETURN(manager.sockets_, TakePassed(**count, names, first_descriptor));
  }
  if (timeout->has_value() && watchdog_pid->value_or(self) == self) {
    manager.watchdog_timeout_ = std::chrono::microseconds(**timeout);
  }
  return manager;
}

void ServiceManager::Notify(std::string_view lines) const {
  sockaddr_un name{};
  if (notify_socket_.empty() || notify_socket_.size() >= sizeof(name.sun_path)) {
    return;
  }
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, notify_socket_.data(), notify_socket_.size());
  if (name.sun_path[0] == '@') {  // in the abstract namespace
    name.sun_path[0] = '\0';
  }
  const size_t size = offsetof(sockaddr_un, sun_path) + notify_socket_.size();
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof(kSendTimeout));
  sendto(fd.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&name), static_cast<socklen_t>(size));
}

Watchdog::Watchdog(const ServiceManager* manager, Alive alive)
    : manager_(manager), alive_(std::move(alive)) {
  if (manager_->watchdog_timeout().count() > 0) {
    thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
  }
}

void Watchdog::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (alive_(stop)) {
      manager_->Notify("WATCHDOG=1");
    }
    MutexLock lock(&mutex_);
    stopped_.WaitFor(&mutex_, manager_->watchdog_timeout() / 2, stop, [] { return false; });
  }
}

}  // namespace zlayer
