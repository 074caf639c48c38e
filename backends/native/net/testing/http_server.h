// An HTTP server on loopback that answers as a test says, with a connection for each request.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_TESTING_HTTP_SERVER_H_
#define ZLAYER_BACKENDS_NATIVE_NET_TESTING_HTTP_SERVER_H_

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/loopback_listener.h"

namespace zlayer {

class FakeHttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case

    std::string Header(const std::string& name) const {
      auto found = headers.find(name);
      return found == headers.end() ? "" : found->second;
    }
  };

  // The client's end of a connection.
  class Peer {
   public:
    explicit Peer(int fd) : fd_(fd) {}
    // False where the client is gone.
    bool Send(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
          return false;
        }
        bytes.remove_prefix(static_cast<size_t>(sent));
      }
      return true;
    }
    // Until the client closes; 30 s at most.
    bool WaitUntilGone() {
      pollfd fd = {fd_, POLLIN | POLLRDHUP, 0};
      return poll(&fd, 1, 30'000) == 1;
    }

   private:
    const int fd_;
  };

  // Answers a request with all the bytes of a response; the connection is closed behind it.
  using Handler = std::function<void(const Request&, Peer&)>;

  explicit FakeHttpServer(Handler handler) : handler_(std::move(handler)) {
    acceptor_ = std::jthread([this] { Accept(); });
  }
  ~FakeHttpServer() {
    shutdown(listener_.fd.get(), SHUT_RDWR);
    acceptor_.join();
  }

  // "http://127.0.0.1:PORT/path".
  std::string Url(std::string_view path) const { return "http://" + Host() + std::string(path); }
  std::string Host() const { return "127.0.0.1:" + std::to_string(listener_.port); }
  void SetHandler(Handler handler) {
    MutexLock lock(&mutex_);
    handler_ = std::move(handler);
  }
  // What was asked so far.
  std::vector<Request> Requests() {
    MutexLock lock(&mutex_);
    return requests_;
  }

 private:
  void Accept() {
    std::vector<std::jthread> connections;
    while (true) {
      const int fd = accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      connections.emplace_back([this, fd] {
        const UniqueFd owned(fd);
        Serve(fd);
      });
    }
  }

  void Serve(int fd) {
    std::string head;
    char byte;
    while (!head.ends_with("\r\n\r\n")) {
      if (recv(fd, &byte, 1, 0) != 1) {
        return;
      }
      head += byte;
    }
    Request request;
    bool first = true;
    for (std::string_view line : Split(head, '\n')) {
      line = Trim(line);
      const size_t colon = line.find(':');
      if (first) {
        const std::vector<std::string_view> words = Split(line, ' ');
        request.method = words[0];
        request.target = words[1];
        first = false;
      } else if (colon != std::string_view::npos) {
        request.headers[ToLower(line.substr(0, colon))] = Trim(line.substr(colon + 1));
      }
    }
    Handler handler;
    {
      MutexLock lock(&mutex_);
      requests_.push_back(request);
      handler = handler_;
    }
    Peer peer(fd);
    handler(request, peer);
  }

  const LoopbackListener listener_ = ListenOnLoopback();
  Mutex mutex_;
  Handler handler_ ABSL_GUARDED_BY(mutex_);
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

// "HTTP/1.1 `status`", headers (each with its line end), the body.
inline std::string HttpResponse(std::string_view status, std::string_view body,
                                std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

// Always the same response.
inline FakeHttpServer::Handler Always(std::string response) {
  return [response = std::move(response)](const FakeHttpServer::Request&,
                                          FakeHttpServer::Peer& peer) { peer.Send(response); };
}

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_TESTING_HTTP_SERVER_H_
