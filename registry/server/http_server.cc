#include "registry/server/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/server/http_connection.h"

namespace zlayer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr Log kLog(LogModule::kService);
constexpr int kIoThreads = 2;
// Until the next try where there is no room for a connection.
constexpr std::chrono::milliseconds kRetryAccept{50};
constexpr int64_t kLogIntervalNs = 1'000'000'000;

absl::StatusOr<Tcp::endpoint> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const auto port = ParseUint(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || !port || *port > 65535) {
    return InvalidArgument(
        fmt::format("\"{}\" is not an address to serve on: it must be like \"127.0.0.1:5000\" or "
                    "\"[::1]:5000\"",
                    ToUtf8(text)));
  }
  return Tcp::endpoint(address, static_cast<uint16_t>(*port));
}

// Errors, a line a second at most, however many there are.
class ErrorLog {
 public:
  void Write(const HttpRequest& request, const absl::Status& error) {
    uint64_t others = 0;
    {
      MutexLock lock(&mutex_);
      const int64_t now = MonotonicNs();
      if (now < next_ns_) {
        ++skipped_;
        return;
      }
      next_ns_ = now + kLogIntervalNs;
      others = std::exchange(skipped_, 0);
    }
    kLog.Error("a request over HTTP failed", {{"method", request.method},
                                              {"target", request.target},
                                              {"error", error},
                                              {"not_shown", others}});
  }

 private:
  Mutex mutex_;
  int64_t next_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t skipped_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The connections that are open.
class ConnectionTable {
 public:
  explicit ConnectionTable(size_t limit) : limit_(limit) {}

  // False where there is no room, and once it was closed.
  bool Reserve() {
    MutexLock lock(&mutex_);
    if (closed_ || open_ >= limit_) {
      return false;
    }
    ++open_;
    return true;
  }
  // What was reserved is not needed (any more).
  void Release() {
    MutexLock lock(&mutex_);
    --open_;
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
    changed_.NotifyAll();
  }
  // False once it was closed.
  bool Add(const std::shared_ptr<HttpConnection>& connection) {
    MutexLock lock(&mutex_);
    connections_.push_back(connection);
    return !closed_;
  }
  void Close() {
    MutexLock lock(&mutex_);
    closed_ = true;
  }
  std::vector<std::shared_ptr<HttpConnection>> All() {
    MutexLock lock(&mutex_);
    std::vector<std::shared_ptr<HttpConnection>> all;
    for (const auto& weak : connections_) {
      if (auto connection = weak.lock()) {
        all.push_back(std::move(connection));
      }
    }
    return all;
  }
  // Whether all went in time.
  bool WaitUntilEmpty(std::chrono::milliseconds limit) {
    MutexLock lock(&mutex_);
    return changed_.WaitFor(&mutex_, limit, std::stop_token(),
                            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return open_ == 0; });
  }

 private:
  const size_t limit_;
  Mutex mutex_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::weak_ptr<HttpConnection>> connections_ ABSL_GUARDED_BY(mutex_);
};

// Takes connections on one address.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  using Take = std::function<void(Tcp::socket)>;

  Listener(asio::io_context* io, ConnectionTable* table, Take take)
      : io_(io),
        table_(table),
        take_(std::move(take)),
        acceptor_(asio::make_strand(*io)),
        timer_(acceptor_.get_executor()) {}

  absl::StatusOr<std::string> Listen(const std::string& text) {
    ASSIGN_OR_RETURN(const Tcp::endpoint endpoint, ParseAddress(text));
    error_code error;
    const auto check = [&] {
      return error
                 ? FailedPrecondition(fmt::format("cannot serve on {}: {}", text, error.message()))
                 : absl::OkStatus();
    };
    acceptor_.open(endpoint.protocol(), error);
    RETURN_IF_ERROR(check());
    acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    RETURN_IF_ERROR(check());
    if (endpoint.address().is_v6()) {
      acceptor_.set_option(asio::ip::v6_only(true), error);
      RETURN_IF_ERROR(check());
    }
    acceptor_.bind(endpoint, error);
    RETURN_IF_ERROR(check());
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    RETURN_IF_ERROR(check());
    const Tcp::endpoint bound = acceptor_.local_endpoint(error);
    RETURN_IF_ERROR(check());
    return fmt::format("{}:{}", text.substr(0, text.rfind(':')), bound.port());
  }

  void Accept() {
    if (!table_->Reserve()) {
      Retry();
      return;
    }
    acceptor_.async_accept(
        asio::make_strand(*io_),
        [self = shared_from_this()](const error_code& error, Tcp::socket socket) {
          if (!error) {
            self->take_(std::move(socket));
            self->Accept();
            return;
          }
          self->table_->Release();
          if (error != asio::error::operation_aborted) {
            self->Retry();
          }
        });
  }

  // From any thread.
  void Close() {
    asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
      self->timer_.cancel();
    });
  }

 private:
  void Retry() {
    timer_.expires_after(kRetryAccept);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->acceptor_.is_open()) {
        self->Accept();
      }
    });
  }

  asio::io_context* const io_;
  ConnectionTable* const table_;
  const Take take_;
  Tcp::acceptor acceptor_;
  asio::steady_timer timer_;
};

class BeastHttpServer : public HttpServer {
 public:
  BeastHttpServer(const HttpServerOptions& options, HttpHandler* handler)
      : limits_(options.limits),
        table_(options.limits.connections),
        host_{.handler = handler,
              .pool = &pool_,
              .limits = options.limits,
              .stop = stop_.get_token(),
              .log = [this](const HttpRequest& request,
                            const absl::Status& error) { errors_.Write(request, error); },
              .closed = [this] { table_.Release(); }},
        io_(kIoThreads),
        pool_(options.threads) {}

  ~BeastHttpServer() override {
    table_.Close();
    for (const auto& listener : listeners_) {
      listener->Close();
    }
    for (const auto& connection : table_.All()) {
      connection->Drain();
    }
    if (!table_.WaitUntilEmpty(limits_.drain)) {
      stop_.request_stop();
      do {
        for (const auto& connection : table_.All()) {
          connection->Abort();
        }
      } while (!table_.WaitUntilEmpty(std::chrono::milliseconds(200)));
    }
    work_.reset();
  }

  absl::Status Listen(const HttpServerOptions& options) {
    if (options.certificate_file.empty() != options.key_file.empty()) {
      return InvalidArgument("TLS needs a certificate file and a key file, and only one is given");
    }
    if (!options.certificate_file.empty()) {
      ASSIGN_OR_RETURN(tls_, NewTlsContext(options.certificate_file, options.key_file));
    }
    for (const std::string& address : options.addresses) {
      listeners_.push_back(std::make_shared<Listener>(
          &io_, &table_, [this](Tcp::socket socket) { Take(std::move(socket)); }));
      ASSIGN_OR_RETURN(std::string bound, listeners_.back()->Listen(address));
      addresses_.push_back(std::move(bound));
    }
    for (const auto& listener : listeners_) {
      listener->Accept();
    }
    for (int i = 0; i < kIoThreads; ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& addresses() const override { return addresses_; }

 private:
  void Take(Tcp::socket socket) {
    auto transport = tls_ != nullptr ? NewTlsTransport(std::move(socket), tls_.get())
                                     : NewPlainTransport(std::move(socket));
    auto connection = std::make_shared<HttpConnection>(std::move(transport), &host_);
    if (table_.Add(connection)) {
      connection->Start();
    }
  }

  const HttpLimits limits_;
  std::stop_source stop_;
  ErrorLog errors_;
  ConnectionTable table_;
  const HttpConnectionHost host_;
  std::unique_ptr<asio::ssl::context> tls_;
  std::vector<std::string> addresses_;
  asio::io_context io_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{
      asio::make_work_guard(io_)};
  std::vector<std::shared_ptr<Listener>> listeners_;
  ThreadPool pool_;
  std::vector<std::jthread> threads_;  // of io_, which has nothing to do when they are joined
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              HttpHandler* handler) {
  auto server = std::make_unique<BeastHttpServer>(options, handler);
  RETURN_IF_ERROR(server->Listen(options));
  return server;
}

}  // namespace zlayer
