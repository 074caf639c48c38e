// One libcurl handle, with its connections.
#ifndef ZLAYER_REGISTRY_CLIENT_CURL_CHANNEL_H_
#define ZLAYER_REGISTRY_CLIENT_CURL_CHANNEL_H_

#include <absl/status/status.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include "base/libcurl.h"
#include "registry/client/transport.h"

namespace zlayer {

struct FreeCurl {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeCurlMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeCurlList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Not thread-safe. One exchange after the other, as Transport says. LoadCurl comes first.
class CurlChannel {
 public:
  CurlChannel();

  TransportResult Exchange(const TransportRequest& request, const TransportOptions& options,
                           std::stop_token stop);

 private:
  using HeaderList = std::unique_ptr<curl_slist, FreeCurlList>;

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    return static_cast<CurlChannel*>(self)->TakeHeader({data, size * count}) ? size * count : 0;
  }
  static size_t OnBody(char* data, size_t size, size_t count, void* self) {
    return static_cast<CurlChannel*>(self)->TakeBody({data, size * count}) ? size * count : 0;
  }
  static size_t OnRead(char* buffer, size_t size, size_t count, void* self) {
    return static_cast<CurlChannel*>(self)->GiveBody(buffer, size * count);
  }

  void SetUp();
  void SetUpTls();
  void SetUpBody(HeaderList* headers);
  void Run();
  void Stream();
  absl::Status Feed(std::string_view data);
  void Step();
  void Abort(absl::Status why) {
    if (status_.ok()) {
      status_ = std::move(why);
    }
  }
  bool Over() const { return code_.has_value() || !status_.ok(); }
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view data);
  size_t GiveBody(char* buffer, size_t size);
  void Moved() { moved_ = std::chrono::steady_clock::now(); }
  // A peer that sends or takes a byte now and then stalls, too: each gains a 1024th of a second.
  void Moved(size_t bytes);
  TransportResult Result();

  const std::unique_ptr<CURLM, FreeCurlMulti> multi_;
  const std::unique_ptr<CURL, FreeCurl> easy_;

  // Of the exchange under way.
  const TransportRequest* request_ = nullptr;
  const TransportOptions* options_ = nullptr;
  std::stop_token stop_;
  char error_[CURL_ERROR_SIZE] = {};
  TransportReply reply_;
  size_t header_bytes_ = 0;
  absl::Status status_;           // why it was ended from here
  std::optional<CURLcode> code_;  // how it ended of itself
  bool stalled_ = false;
  std::chrono::steady_clock::time_point moved_;
  std::string_view piece_;  // of a streamed body, what is left
  uint64_t given_ = 0;      // by the source
  bool all_given_ = false;  // the source has ended
  bool paused_ = false;     // the source has to give more
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_CURL_CHANNEL_H_
