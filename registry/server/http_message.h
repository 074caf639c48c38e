// A request of HTTP and its answer (RFC 9110), apart from how they travel. Whoever answers requests
// implements HttpHandler; HttpServer does the rest.
#ifndef ZLAYER_REGISTRY_SERVER_HTTP_MESSAGE_H_
#define ZLAYER_REGISTRY_SERVER_HTTP_MESSAGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace zlayer {

struct HttpRequest {
  std::string method;                                        // "GET"
  std::string target;                                        // as it came: "/v2/app/tags/list?n=2"
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  // Of the body; 0 where there is none, nothing where only its end will tell (chunked).
  std::optional<uint64_t> content_length = 0;

  // The first header of this name (in lower case), "" where there is none.
  std::string_view Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) {
        return value;
      }
    }
    return {};
  }
};

// Bytes of an answer that are not in memory. Used by one thread at a time.
class HttpContent {
 public:
  virtual ~HttpContent() = default;
  virtual uint64_t size() const = 0;
  // Fills `buffer` with `length` bytes from `offset` on. Offsets only grow.
  virtual absl::Status Read(uint64_t offset, char* buffer, size_t length, std::stop_token stop) = 0;
};

struct HttpResponse {
  int status = 200;
  // Without Content-Length, Date and Connection, which the server adds.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::unique_ptr<HttpContent> content;  // in place of `body`
  // Why the server itself failed, for the log alone.
  absl::Status error;
};

// Takes the body of one request. Used by one thread at a time. Destroyed without Finish where the
// body did not arrive whole.
class HttpBodySink {
 public:
  virtual ~HttpBodySink() = default;
  // The next bytes. An answer ends it: no more of the body is read.
  virtual std::optional<HttpResponse> Append(std::string_view data) = 0;
  // The body is complete.
  virtual HttpResponse Finish() = 0;
};

// An answer for which something has to come from elsewhere first. It is called once, must not
// block, and calls `ready` once, from any thread. `stop` is requested when the server ends, after
// which the answer reaches nobody but must still come.
using HttpLater =
    std::function<void(std::stop_token stop, std::function<void(HttpResponse)> ready)>;

using HttpOutcome = std::variant<HttpResponse, std::unique_ptr<HttpBodySink>, HttpLater>;

// Thread-safe. All calls come on threads of the server's pool and may block.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Called when the head of a request has arrived. An answer at once means that its body, if there
  // is one, is of no interest. To HEAD the answer is as to GET: what is sent is the head alone.
  virtual HttpOutcome Handle(const HttpRequest& request) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HTTP_MESSAGE_H_
