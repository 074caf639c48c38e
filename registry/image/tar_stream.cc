#include "registry/image/tar_stream.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"

namespace zlayer {

TarStream::TarStream(Writer writer)
    : writer_(std::move(writer)), thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

TarStream::~TarStream() = default;

void TarStream::Run(std::stop_token stop) {
  absl::Status status = writer_([&](std::string_view piece) { return Put(piece, stop); }, stop);
  MutexLock lock(&mutex_);
  status_ = std::move(status);
  ended_ = true;
  changed_.NotifyAll();
}

absl::Status TarStream::Put(std::string_view piece, const std::stop_token& stop) {
  MutexLock lock(&mutex_);
  if (!changed_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return waiting_.size() < kAhead;
      })) {
    return Cancelled("nobody reads the layer any more");
  }
  waiting_ += piece;
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::StatusOr<std::string> TarStream::Next(size_t limit, std::stop_token stop) {
  MutexLock lock(&mutex_);
  if (!changed_.Wait(&mutex_, std::move(stop), [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !waiting_.empty() || ended_;
      })) {
    return Cancelled("reading a blob was stopped");
  }
  if (waiting_.empty() && !status_.ok()) {
    return status_;
  }
  std::string next = waiting_.substr(0, limit);
  waiting_.erase(0, next.size());
  changed_.NotifyAll();
  return next;
}

}  // namespace zlayer
