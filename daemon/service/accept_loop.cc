#include "daemon/service/accept_loop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr int kPauseMs = 100;
constexpr int64_t kWarnEveryNs = int64_t{60} * 1'000'000'000;

int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// A TCP socket would let in whoever reaches it: there is no authentication on it.
absl::Status CheckSocket(const PassedSocket& socket) {
  const int fd = socket.fd.get();
  if (SocketOption(fd, SO_DOMAIN) != AF_UNIX || SocketOption(fd, SO_TYPE) != SOCK_STREAM ||
      SocketOption(fd, SO_ACCEPTCONN) != 1) {
    return InvalidArgument(
        fmt::format("socket \"{}\" of the service manager cannot be served: it must be a unix "
                    "stream socket that listens (ListenStream=/PATH with Accept=no)",
                    socket.name));
  }
  // Another process, or an older daemon, may take a connection between poll and accept.
  const int flags = fcntl(fd, F_GETFL);
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? absl::OkStatus() : ErrnoError(socket.name);
}

class PollingAcceptLoop : public AcceptLoop {
 public:
  PollingAcceptLoop(std::vector<PassedSocket> sockets, UniqueFd wake, Take take)
      : sockets_(std::move(sockets)), wake_(std::move(wake)), take_(std::move(take)) {
    events_.push_back({wake_.get(), POLLIN, 0});
    for (const PassedSocket& socket : sockets_) {
      events_.push_back({socket.fd.get(), POLLIN, 0});
    }
    thread_ = std::thread([this] { Run(); });
  }

  ~PollingAcceptLoop() override {
    eventfd_write(wake_.get(), 1);
    thread_.join();
  }

 private:
  void Run() {
    while (events_[0].revents == 0) {
      if (poll(events_.data(), events_.size(), -1) < 0) {
        continue;  // a signal
      }
      for (size_t i = 1; i < events_.size(); ++i) {
        const short seen = events_[i].revents;
        if ((seen & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
          LeaveOut(i, "it was shut down");  // accept would say EAGAIN, for ever
        } else if (seen != 0) {
          Accept(i);
        }
      }
    }
  }

  void Accept(size_t i) {
    UniqueFd connection(accept4(events_[i].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid()) {
      take_(std::move(connection));
      return;
    }
    switch (const int error = errno) {
      case EAGAIN:
      case EINTR:
      case ECONNABORTED:
        return;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        Pause(error);
        return;
      default:
        LeaveOut(i, std::strerror(error));
    }
  }

  void LeaveOut(size_t i, const char* why) {
    Log(LogModule::kService)
        .Error("a socket is served no more", {{"socket", sockets_[i - 1].name}, {"reason", why}});
    events_[i].fd = -1;  // poll passes over it
  }

  // The connection stays where it is, and poll would return at once.
  void Pause(int error) {
    const int64_t now = MonotonicNs();
    if (warned_ns_ == 0 || now - warned_ns_ > kWarnEveryNs) {
      Log(LogModule::kService)
          .Warn("no further connection can be accepted for now",
                {{"reason", std::strerror(error)}});
      warned_ns_ = now;
    }
    poll(events_.data(), 1, kPauseMs);
  }

  const std::vector<PassedSocket> sockets_;
  const UniqueFd wake_;
  const Take take_;
  // The loop's own from here on.
  std::vector<pollfd> events_;  // wake_, then the sockets
  int64_t warned_ns_ = 0;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AcceptLoop>> AcceptLoop::Start(std::vector<PassedSocket> sockets,
                                                              Take take) {
  for (const PassedSocket& socket : sockets) {
    RETURN_IF_ERROR(CheckSocket(socket));
  }
  UniqueFd wake(eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) {
    return ErrnoError("eventfd");
  }
  return std::make_unique<PollingAcceptLoop>(std::move(sockets), std::move(wake), std::move(take));
}

}  // namespace zlayer
