// A client of HTTP that sends what it is told, right or wrong.
#ifndef ZLAYER_REGISTRY_SERVER_TESTING_RAW_CLIENT_H_
#define ZLAYER_REGISTRY_SERVER_TESTING_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace zlayer {

class RawClient {
 public:
  // To "127.0.0.1:<port>".
  explicit RawClient(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<uint16_t>(atoi(address.substr(address.rfind(':') + 1).c_str())));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{.tv_sec = 60, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
      fd_.Reset();
    }
  }

  int fd() const { return fd_.get(); }

  // False where the server does not take it.
  bool Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t size = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (size <= 0) {
        return false;
      }
      data.remove_prefix(static_cast<size_t>(size));
    }
    return true;
  }

  // The head of the next answer; what follows stays. "" where the connection ends.
  std::string ReadHead() {
    size_t end;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) {
        return "";
      }
    }
    return Take(end + 4);
  }
  // That many bytes, fewer where the connection ends.
  std::string ReadBytes(size_t size) {
    while (unread_.size() < size && Fill()) {
    }
    return Take(std::min(size, unread_.size()));
  }
  // The next answer with a body as long as its head says.
  std::string ReadAnswer() {
    std::string answer = ReadHead();
    return answer + ReadBytes(ContentLength(answer));
  }
  // Until the server closes the connection, in whatever way.
  std::string ReadToEnd() {
    while (Fill()) {
    }
    return Take(unread_.size());
  }
  void FinishSending() { shutdown(fd_.get(), SHUT_WR); }
  // With a reset.
  void Drop() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.Reset();
  }

  static size_t ContentLength(const std::string& head) {
    const std::string lower = ToLower(head);
    const size_t at = lower.find("\r\ncontent-length: ");
    return at == std::string::npos ? 0 : strtoull(lower.c_str() + at + 18, nullptr, 10);
  }

 private:
  bool Fill() {
    char buffer[65536];
    const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (size > 0) {
      unread_.append(buffer, static_cast<size_t>(size));
    }
    return size > 0;
  }
  std::string Take(size_t size) {
    std::string taken = unread_.substr(0, size);
    unread_.erase(0, size);
    return taken;
  }

  UniqueFd fd_;
  std::string unread_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_TESTING_RAW_CLIENT_H_
