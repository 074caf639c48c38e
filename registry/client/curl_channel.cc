#include "registry/client/curl_channel.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "base/errors.h"
#include "base/http_proxy.h"
#include "base/strings.h"
#include "base/version.h"
#include "registry/client/curl_failure.h"
#include "registry/client/retry.h"
#include "registry/client/urls.h"

namespace zlayer {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMaxHeaderBytes = size_t{64} << 10;
constexpr size_t kMaxErrorBody = size_t{64} << 10;
constexpr long kConnectionsPerChannel = 4;
constexpr long kBufferBytes = 256 << 10;
constexpr long kUploadBufferBytes = 1 << 20;
constexpr int64_t kPollMs = 1000;
constexpr int kStallsForAnAnswer = 10;
constexpr int64_t kLeastRate = 1024;  // bytes a second
constexpr size_t kMostGaining = size_t{1} << 30;
constexpr std::string_view kUserAgent = "zlayerd/";

void SetProxy(CURL* easy, const std::string& url) {
  if (IsLoopback(HostOf(OriginOf(url).value_or("://")))) {
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");  // no proxy reaches it
    return;
  }
  curl_easy_setopt(easy, CURLOPT_PROXY, UpperCaseHttpProxy(url));
}

// curl's own option would take the place of the system's certificates.
CURLcode AddCaFile(CURL*, void* context, void* file) {
  return SSL_CTX_load_verify_locations(static_cast<SSL_CTX*>(context),
                                       static_cast<const char*>(file), nullptr) == 1
             ? CURLE_OK
             : CURLE_SSL_CACERT_BADFILE;
}

}  // namespace

CurlChannel::CurlChannel() : multi_(curl_multi_init()), easy_(curl_easy_init()) {
  if (multi_ != nullptr) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kConnectionsPerChannel);
  }
}

TransportResult CurlChannel::Exchange(const TransportRequest& request,
                                      const TransportOptions& options, std::stop_token stop) {
  if (multi_ == nullptr || easy_ == nullptr) {
    return {.outcome = {.status = ResourceExhausted("no memory is left for a transfer")}};
  }
  request_ = &request;
  options_ = &options;
  stop_ = std::move(stop);
  error_[0] = '\0';
  reply_ = TransportReply();
  header_bytes_ = 0;
  status_ = absl::OkStatus();
  code_.reset();
  stalled_ = false;
  piece_ = {};
  given_ = 0;
  all_given_ = false;
  paused_ = false;
  curl_easy_reset(easy_.get());
  SetUp();
  HeaderList headers;
  SetUpBody(&headers);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers.get());
  Run();
  return Result();
}

void CurlChannel::SetUp() {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_URL, request_->url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, fmt::format("{}{}", kUserAgent, kVersion).c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A cancelled exchange does not wait for the thread that looks up the host.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_->connect_ms));
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  SetProxy(easy, request_->url);
  SetUpTls();
}

void CurlChannel::SetUpTls() {
  CURL* easy = easy_.get();
  if (options_->insecure || request_->any_certificate) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!options_->ca_file.empty() && !request_->any_certificate) {
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, &AddCaFile);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, options_->ca_file.c_str());
  }
  if (request_->client_certificate && !options_->client_cert.empty()) {
    const std::string& key =
        options_->client_key.empty() ? options_->client_cert : options_->client_key;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options_->client_cert.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, key.c_str());
  }
}

void CurlChannel::SetUpBody(HeaderList* headers) {
  CURL* easy = easy_.get();
  const auto add = [&](const std::string& line) {
    headers->reset(curl_slist_append(headers->release(), line.c_str()));
  };
  bool typed = false;
  for (const std::string& line : request_->headers) {
    typed = typed || ToLower(line).starts_with("content-type:");
    add(line);
  }
  // libcurl 7.88 spins while HTTP/2's flow control holds an upload back.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   static_cast<long>(request_->source != nullptr ? CURL_HTTP_VERSION_1_1
                                                                 : CURL_HTTP_VERSION_2TLS));
  if (request_->source != nullptr) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                     request_->source_size ? static_cast<curl_off_t>(*request_->source_size) : -1);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &OnRead);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_->method.c_str());
    add("Expect:");  // not every server answers it, and curl would wait
  } else if (request_->method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request_->method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_->body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_->body.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_->method.c_str());
    add("Expect:");
    if (!typed) {
      add("Content-Type:");
    }
  }
}

void CurlChannel::Run() {
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) {
    Abort(ResourceExhausted("no memory is left for a transfer"));
    return;
  }
  {
    const std::stop_callback wake(stop_, [this] { curl_multi_wakeup(multi_.get()); });
    Moved();
    if (request_->source != nullptr) {
      Stream();
    }
    while (!Over()) {
      Step();
    }
  }
  curl_multi_remove_handle(multi_.get(), easy_.get());
}

// The source runs on this thread, and each piece that it gives drives the connection on.
void CurlChannel::Stream() {
  const absl::Status read = request_->source([this](std::string_view data) { return Feed(data); });
  if (Over()) {
    return;
  }
  if (!read.ok()) {
    Abort(read);
  } else if (request_->source_size && given_ != *request_->source_size) {
    Abort(DataLoss(fmt::format("what is to be sent has {} bytes and should have {}", given_,
                               *request_->source_size)));
  } else {
    all_given_ = true;
    if (paused_) {
      paused_ = false;
      curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
    }
  }
}

absl::Status CurlChannel::Feed(std::string_view data) {
  given_ += data.size();
  if (request_->source_size && given_ > *request_->source_size) {
    Abort(DataLoss(fmt::format("what is to be sent has more than the {} bytes that it should have",
                               *request_->source_size)));
    return status_;
  }
  piece_ = data;
  Moved();
  if (paused_ && !piece_.empty()) {
    paused_ = false;
    curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
  }
  while (!piece_.empty() && !Over()) {
    Step();
  }
  return Over() ? Unavailable("the server wants no more of what is sent") : absl::OkStatus();
}

// Moves what can be moved, else waits until something can.
void CurlChannel::Step() {
  if (stop_.stop_requested()) {
    Abort(TransferCancelled());
    return;
  }
  int running = 0;
  const bool wanted = !piece_.empty();
  CURLMcode code = curl_multi_perform(multi_.get(), &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE) {
      code_ = message->data.result;
    }
  }
  if (Over() || (wanted && piece_.empty())) {
    return;
  }
  const bool sent = request_->source != nullptr && (all_given_ || given_ == request_->source_size);
  const int64_t limit = options_->stall_ms * (sent && piece_.empty() ? kStallsForAnAnswer : 1);
  const int64_t idle =
      std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - moved_).count();
  if (idle >= limit) {
    stalled_ = true;
    code_ = CURLE_OPERATION_TIMEDOUT;
    return;
  }
  if (code == CURLM_OK) {
    code = curl_multi_poll(multi_.get(), nullptr, 0,
                           static_cast<int>(std::min(kPollMs, limit - idle)), nullptr);
  }
  if (code != CURLM_OK) {
    Abort(Internal(fmt::format("a transfer failed: {}", curl_multi_strerror(code))));
  }
}

void CurlChannel::Moved(size_t bytes) {
  const auto most = std::chrono::milliseconds(options_->stall_ms);
  const auto gained =
      std::min<std::chrono::nanoseconds>(most, std::chrono::nanoseconds(std::chrono::seconds(1)) *
                                                   std::min(bytes, kMostGaining) / kLeastRate);
  moved_ = std::min(SteadyClock::now(), moved_ + gained);
}

bool CurlChannel::TakeHeader(std::string_view line) {
  Moved(line.size());
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    Abort(ResourceExhausted(fmt::format("the headers of the server's answer are larger than {} KiB",
                                        kMaxHeaderBytes >> 10)));
    return false;
  }
  if (line.starts_with("HTTP/")) {
    reply_.headers.clear();
    return true;
  }
  if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    reply_.headers.emplace_back(ToLower(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  }
  return true;
}

bool CurlChannel::TakeBody(std::string_view data) {
  if (reply_.status == 0) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    reply_.status = static_cast<int>(status);
  }
  if (!reply_.ok()) {
    reply_.body += data.substr(0, kMaxErrorBody - reply_.body.size());
  } else if (request_->sink != nullptr) {
    if (absl::Status taken = request_->sink(reply_, data); !taken.ok()) {
      Abort(std::move(taken));
    }
  } else if (reply_.body.size() + data.size() > request_->max_body) {
    Abort(ResourceExhausted(
        fmt::format("the server's answer is larger than {} KiB", request_->max_body >> 10)));
  } else {
    reply_.body += data;
  }
  Moved(data.size());
  return status_.ok();
}

size_t CurlChannel::GiveBody(char* buffer, size_t size) {
  Moved(size);
  if (piece_.empty()) {
    if (all_given_ || given_ == request_->source_size) {
      return 0;
    }
    paused_ = true;
    return CURL_READFUNC_PAUSE;
  }
  const size_t taken = std::min(size, piece_.size());
  memcpy(buffer, piece_.data(), taken);
  piece_.remove_prefix(taken);
  return taken;
}

TransportResult CurlChannel::Result() {
  if (!status_.ok()) {
    return {.outcome = {.status = status_}, .reply = std::move(reply_)};
  }
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  reply_.status = static_cast<int>(status);
  if (stalled_) {
    return {.outcome = {.status = Unavailable(
                            fmt::format("next to nothing moved for {} ms", options_->stall_ms)),
                        .may_pass = true},
            .reply = std::move(reply_)};
  }
  if (*code_ == CURLE_OK) {
    return {.reply = std::move(reply_)};
  }
  return {.outcome = CurlFailure(*code_, error_, *options_),
          .reply = std::move(reply_),
          .no_tls = *code_ == CURLE_SSL_CONNECT_ERROR};
}

}  // namespace zlayer
