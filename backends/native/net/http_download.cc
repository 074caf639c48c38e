#include "backends/native/net/http_download.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/http_proxy.h"
#include "base/libcurl.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/version.h"

namespace zlayer {
namespace {

constexpr long kMaxRedirects = 10;
constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr size_t kMaxValidator = 1024;
constexpr int kPollMs = 1000;
constexpr std::chrono::milliseconds kProgressInterval{200};

constexpr long kPartialContent = 206;
constexpr long kNotModified = 304;
constexpr long kNotFoundStatus = 404;
constexpr long kGone = 410;
constexpr long kTooManyRequests = 429;

struct Free {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, Free>;
using HeaderList = std::unique_ptr<curl_slist, Free>;

// The headers that matter, of the last response of an attempt.
struct Headers {
  std::string etag;  // as it came
  std::string last_modified;
  std::string retry_after;
  bool encoded = false;
  bool ranges = false;
};

std::string WithoutWeakMark(const std::string& etag) {
  return etag.starts_with("W/") ? etag.substr(2) : etag;
}

bool MayPass(long status) { return status == kTooManyRequests || status >= 500; }

bool MayPass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return true;
    default:
      return false;
  }
}

// One URL, in several attempts where need be.
class HttpDownload {
 public:
  HttpDownload(const DownloadRequest& request, const DownloadLimits& limits, const HttpBody& body,
               std::stop_token stop)
      : request_(request), limits_(limits), body_(body), stop_(std::move(stop)) {}

  absl::StatusOr<HttpAnswer> Run() {
    std::chrono::milliseconds delay = limits_.delay;
    for (int attempt = 1;; ++attempt) {
      ASSIGN_OR_RETURN(const CURLcode code, Attempt());
      absl::Status status = Outcome(code);
      if (status.ok()) {
        return Answer();
      }
      const bool again = code == CURLE_OK || refused_ ? MayPass(status_) : MayPass(code);
      if (!again || !sink_error_.ok() || attempt == limits_.attempts) {
        return Annotate(status, request_.url.text);
      }
      RETURN_IF_ERROR(Sleep(std::max(delay, RetryAfter())));
      delay = std::min(2 * delay, limits_.max_delay);
    }
  }

 private:
  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    return static_cast<HttpDownload*>(self)->TakeHeader({data, size * count}) ? size * count : 0;
  }
  static size_t OnBody(char* data, size_t size, size_t count, void* self) {
    return static_cast<HttpDownload*>(self)->TakeBody({data, size * count}) ? size * count : 0;
  }

  absl::StatusOr<CURLcode> Attempt();
  absl::Status SetUp(CURL* easy, HeaderList* headers);
  absl::StatusOr<CURLcode> Perform(CURL* easy);
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view data);
  bool BeginBody();
  void ReportProgress();
  bool Unchanged() const {
    return !request_.etag.empty() && WithoutWeakMark(headers_.etag) == request_.etag;
  }
  absl::Status Outcome(CURLcode code) const;
  absl::Status StatusError() const;
  HttpAnswer Answer() const;
  std::chrono::milliseconds RetryAfter() const;
  absl::Status Sleep(std::chrono::milliseconds time);

  const DownloadRequest& request_;
  const DownloadLimits& limits_;
  const HttpBody& body_;
  const std::stop_token stop_;

  // Of the attempt under way.
  CURL* easy_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  Headers headers_;
  size_t header_bytes_ = 0;
  long status_ = 0;
  bool body_begun_ = false;
  bool refused_ = false;  // its body is of no use, and was not read
  absl::Status sink_error_;

  // Of all attempts.
  uint64_t received_ = 0;
  uint64_t total_ = 0;
  std::string resume_etag_;  // of the body that was begun, where it can be gone on with
  std::chrono::steady_clock::time_point next_progress_ =
      std::chrono::steady_clock::now() + kProgressInterval;
};

absl::StatusOr<CURLcode> HttpDownload::Attempt() {
  RETURN_IF_ERROR(LoadCurl());
  const Easy easy(curl_easy_init());
  if (easy == nullptr) {
    return ResourceExhausted("no memory is left for a download");
  }
  easy_ = easy.get();
  headers_ = Headers();
  header_bytes_ = 0;
  status_ = 0;
  body_begun_ = false;
  refused_ = false;
  error_[0] = '\0';
  HeaderList headers;
  RETURN_IF_ERROR(SetUp(easy_, &headers));
  ASSIGN_OR_RETURN(const CURLcode code, Perform(easy_));
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status_);
  if (code == CURLE_OK && !body_begun_ && status_ >= 200 && status_ < 300) {
    (void)BeginBody();  // of an empty file
  }
  return code;
}

absl::Status HttpDownload::SetUp(CURL* easy, HeaderList* headers) {
  const std::string agent = fmt::format("zlayerd/{}", kVersion);
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.text.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // As BuildKit asks, so that servers choose the same answer; what comes so is unpacked.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits_.connect.count()));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits_.stall.count()));
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PROXY, UpperCaseHttpProxy(request_.url.text));
  // Never sent to the host of a redirect.
  if (!request_.url.user.empty() || !request_.url.password.empty()) {
    curl_easy_setopt(easy, CURLOPT_USERNAME, request_.url.user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, request_.url.password.c_str());
  }
  const auto add = [&](const std::string& line) {
    headers->reset(curl_slist_append(headers->release(), line.c_str()));
  };
  if (!resume_etag_.empty() && received_ > 0) {
    curl_easy_setopt(easy, CURLOPT_RANGE, fmt::format("{}-", received_).c_str());
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, nullptr);
    add("If-Range: " + resume_etag_);
  } else {
    if (!request_.etag.empty()) {
      add("If-None-Match: " + request_.etag);
    }
    if (!request_.last_modified.empty()) {
      add("If-Modified-Since: " + request_.last_modified);
    }
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers->get());
  return absl::OkStatus();
}

absl::StatusOr<CURLcode> HttpDownload::Perform(CURL* easy) {
  const std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi(curl_multi_init(), curl_multi_cleanup);
  if (multi == nullptr || curl_multi_add_handle(multi.get(), easy) != CURLM_OK) {
    return ResourceExhausted("no memory is left for a download");
  }
  int running = 1;
  {
    const std::stop_callback wake(stop_, [&] { curl_multi_wakeup(multi.get()); });
    while (running > 0 && !stop_.stop_requested()) {
      CURLMcode code = curl_multi_perform(multi.get(), &running);
      if (code == CURLM_OK && running > 0) {
        code = curl_multi_poll(multi.get(), nullptr, 0, kPollMs, nullptr);
      }
      if (code != CURLM_OK) {
        curl_multi_remove_handle(multi.get(), easy);
        return Internal(fmt::format("downloading failed: {}", curl_multi_strerror(code)));
      }
    }
  }
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg == CURLMSG_DONE) {
      result = message->data.result;
    }
  }
  curl_multi_remove_handle(multi.get(), easy);
  if (stop_.stop_requested()) {
    return Cancelled("the build was canceled");
  }
  return result;
}

bool HttpDownload::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    sink_error_ = FailedPrecondition(fmt::format(
        "the headers of the server's answer are larger than {} KiB", kMaxHeaderBytes >> 10));
    return false;
  }
  if (line.starts_with("HTTP/")) {
    headers_ = Headers();
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return true;
  }
  const std::string name = ToLower(line.substr(0, colon));
  const std::string value(Trim(line.substr(colon + 1)));
  if (name == "etag" && value.size() <= kMaxValidator) {
    headers_.etag = value;
  } else if (name == "last-modified" && value.size() <= kMaxValidator) {
    headers_.last_modified = value;
  } else if (name == "retry-after") {
    headers_.retry_after = value;
  } else if (name == "content-encoding") {
    headers_.encoded = value != "identity";
  } else if (name == "accept-ranges") {
    headers_.ranges = value == "bytes";
  }
  return true;
}

// False where the body is not wanted.
bool HttpDownload::BeginBody() {
  body_begun_ = true;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status_);
  const bool resumed = status_ == kPartialContent && received_ > 0 && !resume_etag_.empty() &&
                       headers_.etag == resume_etag_;
  if (status_ < 200 || status_ >= 300 || (status_ == kPartialContent && !resumed) || Unchanged()) {
    refused_ = true;
    return false;
  }
  curl_off_t length = -1;
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (!resumed) {
    body_.restart();
    received_ = 0;
    resume_etag_ =
        headers_.ranges && !headers_.encoded && headers_.etag.starts_with('"') ? headers_.etag : "";
  }
  total_ = length > 0 && !headers_.encoded ? received_ + static_cast<uint64_t>(length) : 0;
  return true;
}

bool HttpDownload::TakeBody(std::string_view data) {
  if (!body_begun_ && !BeginBody()) {
    return false;
  }
  if (received_ + data.size() > limits_.max_bytes || total_ > limits_.max_bytes) {
    sink_error_ = ResourceExhausted(
        fmt::format("the file is larger than {} MiB, which is the most that this daemon downloads",
                    limits_.max_bytes >> 20));
    return false;
  }
  sink_error_ = body_.append(data);
  received_ += data.size();
  ReportProgress();
  return sink_error_.ok();
}

void HttpDownload::ReportProgress() {
  if (const auto now = std::chrono::steady_clock::now(); now >= next_progress_) {
    next_progress_ = now + kProgressInterval;
    body_.progress(received_, total_);
  }
}

absl::Status HttpDownload::StatusError() const {
  const std::string message = fmt::format("the server answered with status {}", status_);
  if (status_ == kNotFoundStatus || status_ == kGone) {
    return NotFound(message);
  }
  return MayPass(status_) ? Unavailable(message) : FailedPrecondition(message);
}

absl::Status HttpDownload::Outcome(CURLcode code) const {
  if (!sink_error_.ok()) {
    return sink_error_;
  }
  if (code == CURLE_OK || refused_) {
    const bool good =
        (status_ >= 200 && status_ < 300 && (status_ != kPartialContent || !refused_)) ||
        (status_ == kNotModified && !(request_.etag + request_.last_modified).empty());
    return good ? absl::OkStatus() : StatusError();
  }
  const std::string reason = ToUtf8(error_[0] != '\0' ? error_ : curl_easy_strerror(code));
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
      return status_ >= 300 && status_ < 400
                 ? FailedPrecondition(
                       "the server redirects to something that is neither http nor https")
                 : FailedPrecondition("the server does not answer in HTTP");
    case CURLE_TOO_MANY_REDIRECTS:
      return FailedPrecondition(fmt::format("there are more than {} redirects", kMaxRedirects));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return FailedPrecondition(fmt::format("the server's certificate is not trusted: {}", reason));
    case CURLE_OPERATION_TIMEDOUT:
      return Unavailable(fmt::format("the server is too slow: {}", reason));
    default:
      return Unavailable(fmt::format("the download failed: {}", reason));
  }
}

HttpAnswer HttpDownload::Answer() const {
  if (status_ == kNotModified || Unchanged()) {
    return {.not_modified = true, .etag = request_.etag, .last_modified = request_.last_modified};
  }
  return {.etag = WithoutWeakMark(headers_.etag),
          .last_modified = headers_.last_modified,
          .size = received_};
}

std::chrono::milliseconds HttpDownload::RetryAfter() const {
  const uint64_t seconds = ParseUint(headers_.retry_after).value_or(0);
  const auto most = static_cast<uint64_t>(limits_.max_delay.count());
  return std::chrono::milliseconds(std::min(most, std::min(seconds, most) * 1000));
}

absl::Status HttpDownload::Sleep(std::chrono::milliseconds time) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, time, stop_, [] { return false; });
  return stop_.stop_requested() ? Cancelled("the build was canceled") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<HttpAnswer> Download(const DownloadRequest& request, const DownloadLimits& limits,
                                    const HttpBody& body, std::stop_token stop) {
  return HttpDownload(request, limits, body, std::move(stop)).Run();
}

}  // namespace zlayer
