// HTTP exchanges with the hosts of one registry, over connections that are kept (libcurl).
//
// Only http and https are spoken, HTTP/2 where https offers it and no body is streamed to the
// server. Redirects are not followed, nothing is tried again, and no header is added that is not
// asked for, but User-Agent. Proxies come from the environment, but
// for loopback.
#ifndef ZLAYER_REGISTRY_CLIENT_TRANSPORT_H_
#define ZLAYER_REGISTRY_CLIENT_TRANSPORT_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "registry/client/outcome.h"

namespace zlayer {

struct TransportOptions {
  bool insecure = false;  // certificates are not checked
  std::string ca_file;    // PEM; besides those of the system
  std::string client_cert;
  std::string client_key;  // empty: it is in client_cert
  int64_t connect_ms = 30'000;
  // The longest that nothing may move. A server that has all of a streamed body may take ten times
  // as long to answer, as it looks at all of it first.
  int64_t stall_ms = 60'000;
};

struct TransportReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // unless a sink took it

  // The first of that name; empty where there is none.
  std::string_view Header(std::string_view name) const;
  bool ok() const { return status >= 200 && status < 300; }
};

struct TransportRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  bool client_certificate = false;   // may be shown to this host
  // Whoever answers will do: nothing secret is sent, and what comes is not believed.
  bool any_certificate = false;

  std::string body;
  // A body that is streamed instead: `source` writes `source_size` bytes (as many as it has, where
  // that is not given: they go in chunks, RFC 9112, section 7.1) to its argument, which
  // fails once the server wants no more. An error of it ends the exchange and is its status.
  std::function<absl::Status(const std::function<absl::Status(std::string_view)>&)> source;
  std::optional<uint64_t> source_size;

  // Gets the body of an answer of 2xx in pieces. An error of it ends the exchange and is its
  // status. Without one the body is kept up to `max_body`, as that of any other answer is up to 64
  // KiB.
  std::function<absl::Status(const TransportReply& head, std::string_view data)> sink;
  size_t max_body = size_t{64} << 10;
};

// OK with any answer, whatever its status.
struct TransportResult {
  Outcome outcome;
  TransportReply reply;
  // The TLS handshake failed, but not for a certificate: the server may not speak TLS.
  bool no_tls = false;
};

class CurlChannel;

// Thread-safe: exchanges of several threads have a connection each.
class Transport {
 public:
  explicit Transport(TransportOptions options);
  ~Transport();

  // kUnavailable: no connection, or it broke or stalled; kFailedPrecondition: anything else that
  // the server or the network refuses; kResourceExhausted: headers or body are larger than allowed;
  // kCancelled soon after `stop` is requested.
  TransportResult Exchange(const TransportRequest& request, std::stop_token stop);

 private:
  std::unique_ptr<CurlChannel> Take();
  void Give(std::unique_ptr<CurlChannel> channel);

  const TransportOptions options_;

  Mutex mutex_;
  std::vector<std::unique_ptr<CurlChannel>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TRANSPORT_H_
