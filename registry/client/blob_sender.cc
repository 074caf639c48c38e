#include "registry/client/blob_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr uint64_t kAdvance = uint64_t{1} << 20;
constexpr std::string_view kOctets = "Content-Type: application/octet-stream";

// How many bytes "0-99" says that there are. "0-0" is what registries say of none, too.
std::optional<uint64_t> ParseUploadRange(std::string_view text) {
  if (text.starts_with("bytes=")) {
    text.remove_prefix(6);
  }
  if (!text.starts_with("0-")) {
    return std::nullopt;
  }
  const std::optional<uint64_t> last = ParseUint(text.substr(2));
  if (!last) {
    return std::nullopt;
  }
  return *last == 0 ? 0 : *last + 1;
}

bool IsRefusal(const HostReply& reply) {
  return reply.reply.status >= 400 && reply.reply.status < 500 && !reply.outcome.may_pass;
}

}  // namespace

Outcome HeadBlob(const Route& route, const Digest& digest, bool* there, std::stop_token stop) {
  const HostReply reply = route.host->Send(
      route.Request("HEAD", fmt::format("blobs/{}", digest.ToString()), "pull"), std::move(stop));
  *there = reply.outcome.ok();
  return absl::IsNotFound(reply.outcome.status) ? Outcome() : reply.outcome;
}

Outcome BlobSender::Attempt(std::stop_token stop) {
  if (interrupted_) {
    if (Outcome asked = Ask(stop); !asked.ok() || done_) {
      return asked;
    }
  }
  if (session_.empty()) {
    if (Outcome begun = Begin(stop); !begun.ok() || done_) {
      return begun;
    }
  }
  Outcome outcome = offset_ == 0 ? SendAll(stop) : SendRest(stop);
  outcome.advanced = offset_ >= furthest_ + kAdvance;
  furthest_ = std::max(furthest_, offset_);
  return outcome;
}

Outcome BlobSender::Begin(std::stop_token stop) {
  offset_ = 0;
  while (mounts_tried_ < mount_from_.size()) {
    Outcome mounted = Mount(mount_from_[mounts_tried_], stop);
    if (!mounted.ok() || done_) {
      return mounted;
    }
    ++mounts_tried_;
    if (!session_.empty() && mounts_tried_ < mount_from_.size()) {
      Drop(stop);
    }
  }
  if (!session_.empty()) {
    return {};
  }
  const HostReply reply =
      route_.host->Send(route_.Request("POST", "blobs/uploads/", "pull,push"), std::move(stop));
  return reply.outcome.ok() ? Outcome{.status = KeepSession(reply)} : reply.outcome;
}

Outcome BlobSender::Mount(const std::string& from, std::stop_token stop) {
  const std::string path = WithParameter(
      WithParameter("blobs/uploads/", "mount", blob_.digest.ToString()), "from", from);
  HostRequest request = route_.Request("POST", path, "pull,push");
  request.asker.scopes.push_back(fmt::format("repository:{}:pull", from));
  const HostReply reply = route_.host->Send(request, stop);
  if (reply.outcome.may_pass || absl::IsCancelled(reply.outcome.status)) {
    return reply.outcome;
  }
  if (reply.reply.status == 201) {
    done_ = true;
  } else if (reply.reply.status == 202) {
    return {.status = KeepSession(reply)};
  }
  return {};  // a refusal is no error: the bytes can be sent
}

// Frees what the registry keeps of an upload; whether it does is its own affair.
void BlobSender::Drop(std::stop_token stop) {
  (void)route_.host->Send(SessionRequest("DELETE", std::exchange(session_, "")), std::move(stop));
}

absl::Status BlobSender::KeepSession(const HostReply& reply) {
  ASSIGN_OR_RETURN(session_, route_.host->LocationOf(reply));
  return absl::OkStatus();
}

HostRequest BlobSender::SessionRequest(std::string_view method, std::string url) const {
  HostRequest request = route_.Request(method, "", "pull,push");
  request.http.url = std::move(url);
  return request;
}

Outcome BlobSender::Ask(std::stop_token stop) {
  interrupted_ = false;
  const HostReply reply = route_.host->Send(SessionRequest("GET", session_), stop);
  if (reply.outcome.may_pass || absl::IsCancelled(reply.outcome.status)) {
    interrupted_ = true;
    return reply.outcome;
  }
  const std::optional<uint64_t> has = ParseUploadRange(reply.reply.Header("range"));
  if (reply.outcome.ok() && has && *has <= blob_.size) {
    offset_ = *has;
    // The location may be left out where it stays the same.
    return reply.reply.Header("location").empty() ? Outcome()
                                                  : Outcome{.status = KeepSession(reply)};
  }
  session_.clear();
  // The upload may be gone because it was completed, and only the answer was lost.
  return HeadBlob(route_, blob_.digest, &done_, std::move(stop));
}

void BlobSender::StreamFrom(uint64_t offset, HostRequest* request) {
  sent_ = true;
  request->http.headers.emplace_back(kOctets);
  request->http.source_size = blob_.size - offset;
  request->http.source = [this, offset](const auto& sink) { return blob_.read(offset, sink); };
}

Outcome BlobSender::SendAll(std::stop_token stop) {
  HostRequest request =
      SessionRequest("PUT", WithParameter(session_, "digest", blob_.digest.ToString()));
  StreamFrom(0, &request);
  return Committed(route_.host->Send(request, std::move(stop)));
}

Outcome BlobSender::SendRest(std::stop_token stop) {
  if (offset_ < blob_.size) {
    HostRequest request = SessionRequest("PATCH", session_);
    request.http.headers.push_back(fmt::format("Content-Range: {}-{}", offset_, blob_.size - 1));
    StreamFrom(offset_, &request);
    const HostReply reply = route_.host->Send(request, stop);
    if (!reply.outcome.ok()) {
      return Broken(reply);
    }
    if (absl::Status kept = KeepSession(reply); !kept.ok()) {
      return {.status = std::move(kept)};
    }
    offset_ = blob_.size;
  }
  return Commit(std::move(stop));
}

Outcome BlobSender::Commit(std::stop_token stop) {
  HostRequest request =
      SessionRequest("PUT", WithParameter(session_, "digest", blob_.digest.ToString()));
  request.http.headers.emplace_back(kOctets);
  return Committed(route_.host->Send(request, std::move(stop)));
}

Outcome BlobSender::Committed(const HostReply& reply) {
  if (!reply.outcome.ok()) {
    return Broken(reply);
  }
  const std::string_view said = reply.reply.Header("docker-content-digest");
  if (said.starts_with("sha256:") && said != blob_.digest.ToString()) {
    return {.status = DataLoss("the registry says that it has another digest")};
  }
  done_ = true;
  return {};
}

// Decides how the next attempt goes on.
Outcome BlobSender::Broken(const HostReply& reply) {
  Outcome outcome = reply.outcome;
  interrupted_ = outcome.may_pass;
  if (IsRefusal(reply) && offset_ > 0 && !began_anew_) {
    began_anew_ = true;
    session_.clear();
    offset_ = 0;
    outcome.may_pass = true;
  }
  return outcome;
}

}  // namespace zlayer
