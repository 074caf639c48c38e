// One connection of an HTTP/1.1 server, from its first byte to its last. Internal to HttpServer.
#ifndef ZLAYER_REGISTRY_SERVER_HTTP_CONNECTION_H_
#define ZLAYER_REGISTRY_SERVER_HTTP_CONNECTION_H_

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "registry/server/http_head.h"
#include "registry/server/http_message.h"
#include "registry/server/http_server.h"
#include "registry/server/http_transport.h"

namespace zlayer {

// What the connections of one server share; outlives them.
struct HttpConnectionHost {
  HttpHandler* handler;
  ThreadPool* pool;
  HttpLimits limits;
  std::stop_token stop;
  // Thread-safe.
  std::function<void(const HttpRequest& request, const absl::Status& error)> log;
  // The connection is gone; any thread.
  std::function<void()> closed;
};

// It holds itself while something is under way. Socket and timer are used on the socket's executor
// alone. The handler, body sinks and contents are used on the pool alone, by one task at a time,
// while the executor does nothing but wait for it; so no member needs a lock.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::unique_ptr<HttpTransport> transport, const HttpConnectionHost* host);
  ~HttpConnection();

  void Start();
  // Both from any thread. Drain ends it after the request under way, Abort at once.
  void Drain();
  void Abort();

 private:
  using Continuation = void (HttpConnection::*)();

  // Hanging up when nothing happens until then.
  void Arm(std::chrono::nanoseconds limit);
  void Disarm();
  // A body or an answer begins, something of it has moved, a wait for more has ended.
  void BePatient() { patience_ = host_->limits.stall; }
  void Moved(uint64_t bytes);
  void Waited();
  void ShutDown();
  // Runs `task` on the pool, then `then` on the executor.
  void OnPool(Continuation task, Continuation then);
  void ReadMore(std::chrono::nanoseconds limit, Continuation then);
  void WriteAll(std::string_view data, Continuation then);

  void Compact();
  void NextRequest();
  void ParseHead();
  void OnHead();
  void CallHandler();
  void AfterHandler();
  void AnswerLater();
  void ParseBody();
  void TakeBody();
  void AfterBody();
  void OnReadError();
  void DropSink();

  void Answer(HttpResponse response);
  void Respond();
  void SendContent();
  void SendPlain();
  void AfterSendPlain();
  void ReadContent();
  void AfterReadContent();
  void EndContent();
  void EndResponse();
  void DropContent();
  void Linger();
  void Discard();

  bool IsHead() const { return request_.method == "HEAD"; }

  const std::unique_ptr<HttpTransport> transport_;
  const HttpConnectionHost* const host_;
  const int fd_;
  boost::asio::steady_timer timer_;
  bool idle_ = false;      // waits for the first byte of a request
  bool draining_ = false;  // this request is the last
  bool broken_ = false;    // the peer sends no more
  // How much longer the peer may keep the connection waiting: what moves earns more, up to
  // `limits.stall`, so that a byte now and then does not hold it for ever.
  std::chrono::nanoseconds patience_{};
  std::chrono::steady_clock::time_point armed_;

  // What came and was not used yet: in_[begin_, end_). Pieces of the parser's body lie before it.
  std::unique_ptr<char[]> in_;
  size_t begin_ = 0;
  size_t end_ = 0;

  // Of the request under way.
  std::optional<RequestParser> parser_;
  HttpRequest request_;
  std::unique_ptr<HttpBodySink> sink_;
  HttpLater later_;
  std::optional<HttpResponse> response_;
  bool keep_alive_ = false;

  // Of its answer.
  std::string head_;
  std::unique_ptr<char[]> out_;
  size_t out_size_ = 0;
  size_t out_sent_ = 0;
  uint64_t sent_ = 0;      // of the content
  uint64_t credited_ = 0;  // of that, what patience was earned with
  bool would_block_ = false;
  absl::Status read_error_;
  absl::Status send_error_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HTTP_CONNECTION_H_
