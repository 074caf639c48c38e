#include "registry/client/stream_sender.h"

#include <memory>
#include <utility>

#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {

Outcome StreamSender::Attempt(std::stop_token stop) {
  if (rest_.has_value()) {
    return rest_->Attempt(std::move(stop));
  }
  if (begun_) {
    return GoOn(/*interrupted=*/true, std::move(stop));
  }
  if (Outcome begun = session_.Begin(stop); !begun.ok()) {
    return begun;
  }
  begun_ = true;
  return session_.AtRegistry() ? SendAll(std::move(stop))
                               : GoOn(/*interrupted=*/false, std::move(stop));
}

Outcome StreamSender::SendAll(std::stop_token stop) {
  Outcome sent = session_.Append(
      [&](const auto& sink) -> absl::Status {
        ASSIGN_OR_RETURN(made_, blob_.make(Told(0, sink), stop));
        return absl::OkStatus();
      },
      stop);
  if (!sent.ok()) {
    return sent;
  }
  return session_.Complete(session_.Send(session_.CompleteRequest(made_->digest), std::move(stop)),
                           made_->digest);
}

Outcome StreamSender::GoOn(bool interrupted, std::stop_token stop) {
  // Where all of it was sent, the registry may have all of it, and it need not be made again.
  if (!made_.has_value()) {
    if (absl::Status kept = Keep(stop); !kept.ok()) {
      return {.status = std::move(kept)};
    }
  }
  source_ = {.digest = made_->digest,
             .size = made_->size,
             .read = [this, stop](uint64_t offset, const auto& sink) -> absl::Status {
               if (kept_.fd == nullptr) {
                 RETURN_IF_ERROR(Keep(stop));
               }
               return ReadKept(offset, sink);
             }};
  rest_.emplace(route_, source_, std::move(session_), interrupted);
  return rest_->Attempt(std::move(stop));
}

absl::Status StreamSender::Keep(std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd file, OpenUnnamedFile(tmp_directory_));
  uint64_t size = 0;
  ASSIGN_OR_RETURN(made_, blob_.make(
                              [&](std::string_view piece) {
                                const uint64_t at = size;
                                size += piece.size();
                                return PwriteFully(file.get(), piece, at);
                              },
                              std::move(stop)));
  kept_ = {std::make_shared<const UniqueFd>(std::move(file)), 0, size};
  return absl::OkStatus();
}

absl::Status StreamSender::ReadKept(uint64_t offset, const Sink& sink) const {
  return ReadContent({kept_.fd, offset, kept_.size - offset}, Digest(), Told(offset, sink));
}

StreamSender::Sink StreamSender::Told(uint64_t done, const Sink& sink) const {
  return [this, done, sink](std::string_view piece) mutable {
    RETURN_IF_ERROR(sink(piece));
    done += piece.size();
    if (blob_.progress) {
      blob_.progress(done);
    }
    return absl::OkStatus();
  };
}

}  // namespace zlayer
