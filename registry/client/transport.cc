#include "registry/client/transport.h"

#include "base/libcurl.h"
#include "registry/client/curl_channel.h"

namespace zlayer {
namespace {

constexpr size_t kMaxIdle = 8;

}  // namespace

std::string_view TransportReply::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

Transport::Transport(TransportOptions options) : options_(std::move(options)) {}

Transport::~Transport() = default;

TransportResult Transport::Exchange(const TransportRequest& request, std::stop_token stop) {
  if (absl::Status loaded = LoadCurl(); !loaded.ok()) {
    return {.outcome = {.status = std::move(loaded)}};
  }
  std::unique_ptr<CurlChannel> channel = Take();
  TransportResult result = channel->Exchange(request, options_, std::move(stop));
  Give(std::move(channel));
  return result;
}

std::unique_ptr<CurlChannel> Transport::Take() {
  MutexLock lock(&mutex_);
  if (idle_.empty()) {
    return std::make_unique<CurlChannel>();
  }
  std::unique_ptr<CurlChannel> channel = std::move(idle_.back());
  idle_.pop_back();
  return channel;
}

void Transport::Give(std::unique_ptr<CurlChannel> channel) {
  MutexLock lock(&mutex_);
  if (idle_.size() < kMaxIdle) {
    idle_.push_back(std::move(channel));
  }
}

}  // namespace zlayer
