// Downloads one URL over HTTP or HTTPS.
//
// Only http and https are ever spoken, after redirects too; certificates are verified; proxies come
// from the daemon's environment. Where the RUN of a build may use the host's network, so may its
// downloads: there is no list of hosts that are out of bounds.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_HTTP_DOWNLOAD_H_
#define ZLAYER_BACKENDS_NATIVE_NET_HTTP_DOWNLOAD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "backends/native/net/remote_url.h"

namespace zlayer {

struct DownloadLimits {
  uint64_t max_bytes = uint64_t{16} << 30;  // of the body, uncompressed
  std::chrono::seconds connect{30};
  // The longest that nothing may arrive.
  std::chrono::seconds stall{60};
  // Attempts at an answer that does not come for now (429, 5xx) or breaks off.
  int attempts = 4;
  // Before the second attempt; doubles with each. A server's Retry-After counts up to `max_delay`.
  std::chrono::milliseconds delay{500};
  std::chrono::milliseconds max_delay{10'000};
};

// What is asked for. With validators of an answer that is there, an unchanged body is not sent.
struct DownloadRequest {
  RemoteUrl url;
  std::string etag;
  std::string last_modified;
};

struct HttpAnswer {
  bool not_modified = false;  // the body is the one that the validators belong to
  std::string etag;           // without the mark of a weak one
  std::string last_modified;
  uint64_t size = 0;
};

// Where the body goes. An error of `append` ends the download and is returned.
struct HttpBody {
  std::function<absl::Status(std::string_view data)> append;
  // The body begins anew: drop what was appended.
  std::function<void()> restart;
  // Called at most some times a second; `total` is 0 while unknown.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Errors begin with the URL. kNotFound: 404 or 410; kUnavailable: no connection, 429 or 5xx, or the
// answer broke off, each time; kResourceExhausted: larger than the limit; kCancelled as soon as
// `stop` is requested; kFailedPrecondition: anything else that the server or the network refuses.
absl::StatusOr<HttpAnswer> Download(const DownloadRequest& request, const DownloadLimits& limits,
                                    const HttpBody& body, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_HTTP_DOWNLOAD_H_
