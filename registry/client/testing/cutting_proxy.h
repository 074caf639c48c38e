// Passes on what comes over a port of loopback to another one, and cuts connections.
#ifndef ZLAYER_REGISTRY_CLIENT_TESTING_CUTTING_PROXY_H_
#define ZLAYER_REGISTRY_CLIENT_TESTING_CUTTING_PROXY_H_

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/loopback_listener.h"

namespace zlayer {

class CuttingProxy {
 public:
  explicit CuttingProxy(int to) : to_(to) {
    acceptor_ = std::jthread([this] { Accept(); });
  }
  ~CuttingProxy() {
    shutdown(listener_.fd.get(), SHUT_RDWR);
    ending_ = true;
    acceptor_.join();
  }

  std::string Host() const { return "127.0.0.1:" + std::to_string(listener_.port); }
  // The next connection over which `bytes` have passed ends there; once.
  void CutAfter(int64_t bytes) { cut_after_ = bytes; }
  int cuts() const { return cuts_; }

 private:
  void Accept() {
    std::vector<std::jthread> threads;
    while (true) {
      const int fd = accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      threads.emplace_back([this, fd] { Pass(fd); });
    }
  }

  void Pass(int from) {
    const UniqueFd client(from);
    const UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = LoopbackAddress(to_);
    if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return;
    }
    pollfd ends[] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    int64_t passed = 0;
    while (!ending_) {
      if (poll(ends, 2, 50) == 0) {
        continue;
      }
      for (int i = 0; i < 2; ++i) {
        if (ends[i].revents != 0 && !Move(ends[i].fd, ends[1 - i].fd, &passed)) {
          return;
        }
      }
    }
  }

  bool Move(int from, int to, int64_t* passed) {
    char data[65536];
    const ssize_t size = recv(from, data, sizeof(data), 0);
    if (size <= 0) {
      return false;
    }
    *passed += size;
    if (int64_t limit = cut_after_; limit > 0 && *passed >= limit) {
      if (cut_after_.compare_exchange_strong(limit, 0)) {
        ++cuts_;
        return false;
      }
    }
    for (ssize_t done = 0; done < size;) {
      const ssize_t sent = send(to, data + done, static_cast<size_t>(size - done), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      done += sent;
    }
    return true;
  }

  const int to_;
  const LoopbackListener listener_ = ListenOnLoopback();
  std::atomic<int64_t> cut_after_ = 0;
  std::atomic<int> cuts_ = 0;
  std::atomic<bool> ending_ = false;
  std::jthread acceptor_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TESTING_CUTTING_PROXY_H_
