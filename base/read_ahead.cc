#include "base/read_ahead.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {

ReadAhead::ReadAhead(Writer writer)
    : writer_(std::move(writer)), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

ReadAhead::~ReadAhead() = default;

void ReadAhead::Run(const std::stop_token& stop) {
  absl::Status status = writer_([&](std::string_view data) { return Put(data, stop); }, stop);
  if (!filling_.empty()) {
    status.Update(HandOver(stop));
  }
  MutexLock lock(&mutex_);
  status_ = std::move(status);
  ended_ = true;
  changed_.NotifyAll();
}

absl::Status ReadAhead::Put(std::string_view data, const std::stop_token& stop) {
  while (!data.empty()) {
    if (filling_.empty()) {
      filling_.reserve(kPiece);
    }
    const size_t part = std::min(data.size(), kPiece - filling_.size());
    filling_.append(data.substr(0, part));
    data.remove_prefix(part);
    if (filling_.size() == kPiece) {
      RETURN_IF_ERROR(HandOver(stop));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAhead::HandOver(const std::stop_token& stop) {
  MutexLock lock(&mutex_);
  if (!changed_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return pieces_.size() < kPieces;
      })) {
    return Cancelled("nobody reads any more");
  }
  pieces_.push_back(std::exchange(filling_, {}));
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAhead::Next(size_t limit, std::stop_token stop) {
  MutexLock lock(&mutex_);
  if (!changed_.Wait(&mutex_, std::move(stop), [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !pieces_.empty() || ended_;
      })) {
    return Cancelled("reading was stopped");
  }
  if (pieces_.empty()) {
    return status_.ok() ? absl::StatusOr<std::string>(std::string()) : status_;
  }
  std::string next;
  if (taken_ == 0 && pieces_.front().size() <= limit) {
    next = std::move(pieces_.front());
  } else {
    next = pieces_.front().substr(taken_, limit);
  }
  taken_ += next.size();
  if (pieces_.front().size() <= taken_) {
    pieces_.pop_front();
    taken_ = 0;
    changed_.NotifyAll();
  }
  return next;
}

absl::Status CopyAhead(ReadAhead::Writer writer,
                       const std::function<absl::Status(std::string_view)>& sink,
                       const std::stop_token& stop) {
  ReadAhead ahead(std::move(writer));
  while (true) {
    ASSIGN_OR_RETURN(const std::string piece, ahead.Next(ReadAhead::kPiece, stop));
    if (piece.empty()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(sink(piece));
  }
}

}  // namespace zlayer
