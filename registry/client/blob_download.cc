#include "registry/client/blob_download.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr int kPartialContent = 206;
constexpr int kRangeNotSatisfiable = 416;
constexpr uint64_t kAdvance = uint64_t{1} << 20;
constexpr std::chrono::milliseconds kProgressInterval{200};

struct ContentRange {
  uint64_t first = 0;
  std::optional<uint64_t> total;
};

// "bytes 10-99/100" (RFC 9110, section 14.4), or with "*" for the total.
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  if (!ToLower(text).starts_with("bytes ")) {
    return std::nullopt;
  }
  text = Trim(text.substr(6));
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) {
    return std::nullopt;
  }
  const std::optional<uint64_t> first = ParseUint(text.substr(0, dash));
  const std::optional<uint64_t> total = ParseUint(text.substr(slash + 1));
  if (!first || (!total && text.substr(slash + 1) != "*")) {
    return std::nullopt;
  }
  return ContentRange{.first = *first, .total = total};
}

absl::Status WrongSize(uint64_t has, uint64_t should_have) {
  return DataLoss(fmt::format("it has {} bytes and should have {}", has, should_have));
}

}  // namespace

Outcome BlobDownload::Attempt(const Route& route, std::stop_token stop) {
  if (wrong_) {
    if (absl::Status restarted = Restart(); !restarted.ok()) {
      return {.status = std::move(restarted)};
    }
  }
  const uint64_t before = received_;
  source_ = received_ == 0 ? route.host : source_;
  mixed_ = mixed_ || source_ != route.host;
  body_begun_ = false;
  misplaced_ = false;
  skip_ = 0;
  HostRequest request =
      route.Request("GET", fmt::format("blobs/{}", blob_.digest.ToString()), "pull");
  if (received_ > 0 && ranges_) {
    request.http.headers.push_back(fmt::format("Range: bytes={}-", received_));
  }
  request.http.sink = [this](const TransportReply& head, std::string_view data) {
    return Take(head, data);
  };
  HostReply reply = route.host->Send(request, std::move(stop));
  Outcome outcome = reply.outcome.ok() ? End(reply.reply) : std::move(reply.outcome);
  if (misplaced_ || (reply.reply.status == kRangeNotSatisfiable && received_ > 0 && ranges_)) {
    ranges_ = false;
    outcome.may_pass = true;
  }
  outcome.advanced = received_ - before >= kAdvance;
  return outcome;
}

absl::Status BlobDownload::Restart() {
  wrong_ = false;
  mixed_ = false;
  received_ = 0;
  hash_ = Sha256();
  absl::Status restarted = sink_.restart();
  sink_failed_ = !restarted.ok();
  return restarted;
}

absl::Status BlobDownload::Take(const TransportReply& head, std::string_view data) {
  if (!body_begun_) {
    RETURN_IF_ERROR(Begin(head));
  }
  const size_t known = std::min<uint64_t>(skip_, data.size());
  skip_ -= known;
  data.remove_prefix(known);
  if (data.empty()) {
    return absl::OkStatus();
  }
  if (data.size() > blob_.size - received_) {
    wrong_ = received_ > 0;
    return DataLoss(fmt::format("it has more than the {} bytes that it should have", blob_.size));
  }
  if (absl::Status taken = sink_.append(data); !taken.ok()) {
    sink_failed_ = true;
    return taken;
  }
  hash_.Update(data);
  received_ += data.size();
  ReportProgress();
  return absl::OkStatus();
}

absl::Status BlobDownload::Begin(const TransportReply& head) {
  body_begun_ = true;
  const std::optional<uint64_t> length = ParseUint(head.Header("content-length"));
  if (head.status != kPartialContent) {
    skip_ = received_;
    return length && *length != blob_.size ? WrongSize(*length, blob_.size) : absl::OkStatus();
  }
  const std::optional<ContentRange> range = ParseContentRange(head.Header("content-range"));
  if (!range || range->first != received_) {
    misplaced_ = true;
    return FailedPrecondition("the server sent another part than it was asked for");
  }
  const uint64_t total = range->total.value_or(blob_.size);
  return total != blob_.size ? WrongSize(total, blob_.size) : absl::OkStatus();
}

Outcome BlobDownload::End(const TransportReply& head) {
  if (received_ < blob_.size) {
    // Without a length, or where less was sent than is there, what broke looks like an end.
    const bool unclear = head.Header("content-length").empty() || head.status == kPartialContent;
    const uint64_t has = skip_ > 0 ? received_ - skip_ : received_;
    return {.status = WrongSize(has, blob_.size), .may_pass = unclear};
  }
  if (const Digest digest = hash_.Finish(); digest != blob_.digest) {
    wrong_ = true;
    // Either host may be the one that was wrong.
    return {.status = DataLoss(fmt::format("what came has the digest {}", digest.ToString())),
            .may_pass = mixed_ && sink_.restart != nullptr};
  }
  return {};
}

void BlobDownload::ReportProgress() {
  if (sink_.progress == nullptr) {
    return;
  }
  if (const auto now = std::chrono::steady_clock::now(); now >= next_progress_) {
    next_progress_ = now + kProgressInterval;
    sink_.progress(received_, blob_.size);
  }
}

}  // namespace zlayer
