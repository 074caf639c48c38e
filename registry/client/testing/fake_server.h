// An HTTP server on loopback that answers as a test says. Connections are kept.
#ifndef ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_SERVER_H_
#define ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_SERVER_H_

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "tests/loopback_listener.h"

namespace zlayer {

class FakeServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // "/v2/?n=1"
    std::map<std::string, std::string> headers;  // names in lower case
    int connection = 0;                          // counted from 1

    std::string Header(const std::string& name) const {
      const auto found = headers.find(name);
      return found == headers.end() ? "" : found->second;
    }
    std::string Path() const { return target.substr(0, target.find('?')); }
    // A parameter of the query, decoded.
    std::string Parameter(std::string_view name) const {
      const size_t question = target.find('?');
      if (question == std::string::npos) {
        return "";
      }
      for (std::string_view part : Split(std::string_view(target).substr(question + 1), '&')) {
        if (part.starts_with(std::string(name) + "=")) {
          return Decoded(part.substr(name.size() + 1));
        }
      }
      return "";
    }
    std::string Line() const { return method + " " + target; }

    static std::string Decoded(std::string_view text) {
      std::string decoded;
      for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
          decoded += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
          i += 2;
        } else {
          decoded += text[i];
        }
      }
      return decoded;
    }
  };

  // The client's end of a connection.
  class Peer {
   public:
    // A body of `body` bytes, or in chunks (RFC 9112, section 7.1).
    Peer(int fd, std::string buffered, uint64_t body, bool chunked = false)
        : fd_(fd), buffered_(std::move(buffered)), body_(body), chunked_(chunked) {}

    // The next bytes of the request's body, all of them at most.
    std::string Body(uint64_t limit = UINT64_MAX) {
      std::string body;
      while (body.size() < limit && (body_ > 0 || NextChunk())) {
        if (buffered_.empty() && !Receive()) {
          break;
        }
        const size_t size = std::min<uint64_t>({buffered_.size(), body_, limit - body.size()});
        body += buffered_.substr(0, size);
        buffered_.erase(0, size);
        body_ -= size;
      }
      return body;
    }
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
    void WaitUntilGone() {
      pollfd fd = {fd_, POLLRDHUP, 0};
      poll(&fd, 1, 30'000);
    }
    bool body_left() const { return body_ > 0 || chunked_; }
    std::string TakeBuffered() { return std::move(buffered_); }

   private:
    bool Receive() {
      char data[65536];
      const ssize_t size = recv(fd_, data, sizeof(data), 0);
      buffered_.append(data, static_cast<size_t>(std::max<ssize_t>(size, 0)));
      return size > 0;
    }

    // The next line, without its end; nothing once the client is gone.
    std::optional<std::string> Line() {
      size_t end;
      while ((end = buffered_.find("\r\n")) == std::string::npos) {
        if (!Receive()) {
          return std::nullopt;
        }
      }
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 2);
      return line;
    }
    bool NextChunk() {
      if (!chunked_) {
        return false;
      }
      std::optional<std::string> line = Line();
      if (line == "") {  // the end of the chunk before
        line = Line();
      }
      if (!line) {
        return false;
      }
      body_ = std::strtoull(line->c_str(), nullptr, 16);
      chunked_ = body_ > 0 || !Line();
      return body_ > 0;
    }

    const int fd_;
    std::string buffered_;
    uint64_t body_;  // left of it, or of the chunk
    bool chunked_;   // more chunks follow
  };

  // Returns a whole response; with an empty one the connection is closed.
  using Handler = std::function<std::string(const Request&, Peer&)>;

  explicit FakeServer(Handler handler) : handler_(std::move(handler)) {
    acceptor_ = std::jthread([this] { Accept(); });
  }
  ~FakeServer() {
    shutdown(listener_.fd.get(), SHUT_RDWR);
    acceptor_.join();
  }

  std::string Host() const { return "127.0.0.1:" + std::to_string(listener_.port); }
  std::string Url(std::string_view path) const { return "http://" + Host() + std::string(path); }
  void SetHandler(Handler handler) {
    MutexLock lock(&mutex_);
    handler_ = std::move(handler);
  }
  // What was asked so far.
  std::vector<Request> Requests() {
    MutexLock lock(&mutex_);
    return requests_;
  }
  // The same as "GET /v2/".
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    for (const Request& request : Requests()) {
      lines.push_back(request.Line());
    }
    return lines;
  }

 private:
  void Accept() {
    std::vector<std::jthread> threads;
    for (int count = 1;; ++count) {
      const int fd = accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        break;
      }
      {
        MutexLock lock(&mutex_);
        open_.insert(fd);
      }
      threads.emplace_back([this, fd, count] {
        std::string buffered;
        while (Serve(fd, count, &buffered)) {
        }
        MutexLock lock(&mutex_);
        open_.erase(fd);
        close(fd);
      });
    }
    MutexLock lock(&mutex_);
    for (const int fd : open_) {
      shutdown(fd, SHUT_RDWR);
    }
  }

  bool Serve(int fd, int connection, std::string* buffered) {
    while (buffered->find("\r\n\r\n") == std::string::npos) {
      char data[65536];
      const ssize_t size = recv(fd, data, sizeof(data), 0);
      if (size > 0 && buffered->empty() && data[0] == 0x16) {  // TLS is not spoken
        Peer(fd, "", 0).Send("HTTP/1.0 400 Bad Request\r\n\r\n");
        return false;
      }
      if (size <= 0) {
        return false;
      }
      buffered->append(data, static_cast<size_t>(size));
    }
    const size_t end = buffered->find("\r\n\r\n") + 4;
    const Request request = Parse(buffered->substr(0, end), connection);
    Peer peer(fd, buffered->substr(end), ParseUint(request.Header("content-length")).value_or(0),
              request.Header("transfer-encoding") == "chunked");
    Handler handler;
    {
      MutexLock lock(&mutex_);
      requests_.push_back(request);
      handler = handler_;
    }
    const std::string response = handler(request, peer);
    *buffered = peer.TakeBuffered();
    return !response.empty() && peer.Send(response) && !peer.body_left();
  }

  static Request Parse(std::string_view head, int connection) {
    Request request{.connection = connection};
    for (std::string_view line : Split(head, '\n')) {
      line = Trim(line);
      const size_t colon = line.find(':');
      if (request.method.empty()) {
        const std::vector<std::string_view> words = Split(line, ' ');
        request.method = words[0];
        request.target = words[1];
      } else if (colon != std::string_view::npos) {
        request.headers[ToLower(line.substr(0, colon))] = Trim(line.substr(colon + 1));
      }
    }
    return request;
  }

  const LoopbackListener listener_ = ListenOnLoopback();
  Mutex mutex_;
  Handler handler_ ABSL_GUARDED_BY(mutex_);
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::set<int> open_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

// "HTTP/1.1 `status`", the headers (each with its line end), the body.
inline std::string Reply(std::string_view status, std::string_view headers = "",
                         std::string_view body = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_SERVER_H_
