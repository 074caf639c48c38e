// A small HTTP/1.1 server (RFC 9110, 9112) for peers that may be hostile: keep-alive, pipelining,
// Expect: 100-continue, chunked requests; answers from memory, or from what makes them on the way.
#ifndef ZLAYER_REGISTRY_SERVER_HTTP_SERVER_H_
#define ZLAYER_REGISTRY_SERVER_HTTP_SERVER_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "registry/server/http_message.h"

namespace zlayer {

struct HttpLimits {
  // Who comes when there are so many waits.
  size_t connections = 512;
  // Of request line and headers. What has more is answered with 431.
  size_t head_bytes = size_t{16} << 10;
  // A peer that neither sends nor takes a byte for so long is hung up on, or that keeps the server
  // waiting so much longer than one does that moves 1 KiB/s; so is one that takes longer for the
  // head of a request, for TLS, or between two requests.
  std::chrono::milliseconds stall{60'000};
  // What requests under way get to end when the server stops.
  std::chrono::milliseconds drain{5'000};
};

struct HttpServerOptions {
  // "127.0.0.1:5000", "[::1]:0"; port 0 is any that is free.
  std::vector<std::string> addresses;
  // PEM files; both or none. Without them it is plain HTTP.
  std::string certificate_file;
  std::string key_file;
  // Of the pool that handlers run on. A peer that is slow holds none of them.
  size_t threads = 8;
  HttpLimits limits;
};

// A connection holds a buffer of 256 KiB, and another one while it sends a blob.
// Errors of the server itself are logged, a line a second at most.
class HttpServer {
 public:
  // Serves from then on. The error names the address that could not be had and why. `handler` must
  // outlive the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           HttpHandler* handler);

  // Takes no further requests, gives those under way `limits.drain`, then ends them.
  virtual ~HttpServer() = default;

  // Those of the options, with the ports that were given.
  virtual const std::vector<std::string>& addresses() const = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HTTP_SERVER_H_
