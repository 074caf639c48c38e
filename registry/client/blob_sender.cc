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
constexpr uint64_t kWhole = uint64_t{1} << 20;

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

Outcome MountBlob(const Route& route, const Digest& digest, const std::string& from, bool* mounted,
                  std::stop_token stop) {
  const std::string path =
      WithParameter(WithParameter("blobs/uploads/", "mount", digest.ToString()), "from", from);
  HostRequest request = route.Request("POST", path, "pull,push");
  request.asker.scopes.push_back(fmt::format("repository:{}:pull", from));
  const HostReply reply = route.host->Send(request, std::move(stop));
  *mounted = reply.reply.status == 201;
  if (reply.outcome.may_pass || absl::IsCancelled(reply.outcome.status)) {
    return reply.outcome;
  }
  if (reply.reply.status == 202) {
    // The registry began an upload instead, which goes with the session.
    (void)UploadSession(route).Follow(reply);
  }
  return {};
}

Outcome BlobSender::Attempt(std::stop_token stop) {
  if (interrupted_) {
    if (Outcome asked = Ask(stop); !asked.ok() || done_) {
      return asked;
    }
  }
  if (!session_.open()) {
    offset_ = 0;
    if (Outcome begun = session_.Begin(stop); !begun.ok()) {
      return begun;
    }
  }
  Outcome outcome = offset_ == 0 ? SendAll(stop) : SendRest(stop);
  outcome.advanced = offset_ >= furthest_ + kAdvance;
  furthest_ = std::max(furthest_, offset_);
  return outcome;
}

Outcome BlobSender::Ask(std::stop_token stop) {
  if (session_.open()) {
    const HostReply reply = session_.Send(session_.Request("GET"), stop);
    if (session_.open() && (reply.outcome.may_pass || absl::IsCancelled(reply.outcome.status))) {
      return reply.outcome;
    }
    const std::optional<uint64_t> has = ParseUploadRange(reply.reply.Header("range"));
    if (reply.outcome.ok() && has && *has <= blob_.size) {
      interrupted_ = false;
      offset_ = *has;
      // The location may be left out where it stays the same.
      return reply.reply.Header("location").empty() ? Outcome() : session_.Follow(reply);
    }
    session_.Cancel();
  }
  // The upload may be gone because it was completed, and only the answer was lost.
  Outcome outcome = HeadBlob(route_, blob_.digest, &done_, std::move(stop));
  interrupted_ = !outcome.ok();
  return outcome;
}

void BlobSender::StreamFrom(uint64_t offset, HostRequest* request) {
  request->http.source_size = blob_.size - offset;
  request->http.source = [this, offset](const auto& sink) { return blob_.read(offset, sink); };
}

Outcome BlobSender::SendAll(std::stop_token stop) {
  if (blob_.size <= kWhole || !session_.AtRegistry()) {
    HostRequest request = session_.CompleteRequest(blob_.digest);
    StreamFrom(0, &request);
    return Committed(session_.Send(request, std::move(stop)));
  }
  Outcome sent = session_.Append(
      [&](const auto& sink) -> absl::Status {
        uint64_t size = 0;  // the body is written again where a token was refused
        RETURN_IF_ERROR(blob_.read(0, [&](std::string_view piece) {
          size += piece.size();
          return sink(piece);
        }));
        return size == blob_.size
                   ? absl::OkStatus()
                   : DataLoss(fmt::format("what is to be sent has {} bytes and should have {}",
                                          size, blob_.size));
      },
      stop);
  if (!sent.ok()) {
    interrupted_ = sent.may_pass;
    return sent;
  }
  offset_ = blob_.size;
  return Commit(std::move(stop));
}

Outcome BlobSender::SendRest(std::stop_token stop) {
  if (offset_ < blob_.size) {
    HostRequest request = session_.Request("PATCH");
    request.http.headers.push_back(fmt::format("Content-Range: {}-{}", offset_, blob_.size - 1));
    StreamFrom(offset_, &request);
    const HostReply reply = session_.Send(request, stop);
    if (!reply.outcome.ok()) {
      return Broken(reply);
    }
    if (Outcome followed = session_.Follow(reply); !followed.ok()) {
      return followed;
    }
    offset_ = blob_.size;
  }
  return Commit(std::move(stop));
}

Outcome BlobSender::Commit(std::stop_token stop) {
  return Committed(session_.Send(session_.CompleteRequest(blob_.digest), std::move(stop)));
}

Outcome BlobSender::Committed(const HostReply& reply) {
  if (!reply.outcome.ok()) {
    return Broken(reply);
  }
  Outcome outcome = session_.Complete(reply, blob_.digest);
  done_ = outcome.ok();
  return outcome;
}

// Decides how the next attempt goes on.
Outcome BlobSender::Broken(const HostReply& reply) {
  Outcome outcome = reply.outcome;
  interrupted_ = outcome.may_pass;
  if (IsRefusal(reply) && offset_ > 0 && !began_anew_) {
    began_anew_ = true;
    session_.Cancel();
    outcome.may_pass = true;
  }
  return outcome;
}

}  // namespace zlayer
