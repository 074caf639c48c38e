#include "client/lib/upload_stream.h"

#include <utility>

#include "base/errors.h"

namespace zlayer {

UploadStream::UploadStream(Connection& connection, std::stop_token stop)
    : connection_(connection),
      cancel_(std::move(stop), &context_),
      stream_(connection.builds().UploadContext(&context_)),
      reader_([this] { ReadAll(); }) {}

UploadStream::~UploadStream() {
  if (!finished_) {
    context_.TryCancel();
    reader_.join();
    stream_->Finish();
  }
}

void UploadStream::ReadAll() {
  v1::UploadContextResponse response;
  while (stream_->Read(&response)) {
    MutexLock lock(&mutex_);
    if (response.has_ready()) {
      ready_ = response.ready();
    } else {
      wanted_.insert(wanted_.end(), response.wanted().entries().begin(),
                     response.wanted().entries().end());
      all_wanted_ = all_wanted_ || response.wanted().last();
    }
    changed_.NotifyAll();
  }
  MutexLock lock(&mutex_);
  all_wanted_ = true;
  changed_.NotifyAll();
}

bool UploadStream::Write(const v1::UploadContextRequest& request) {
  return stream_->Write(request);
}

std::optional<uint64_t> UploadStream::NextWanted() {
  MutexLock lock(&mutex_);
  // A stop cancels the call, which ends the reader and with it this wait.
  changed_.Wait(&mutex_, std::stop_token(), [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return !wanted_.empty() || all_wanted_ || ready_.has_value();
  });
  if (wanted_.empty()) {
    return std::nullopt;
  }
  uint64_t entry = wanted_.front();
  wanted_.pop_front();
  return entry;
}

absl::StatusOr<v1::ContextReady> UploadStream::Finish() {
  stream_->WritesDone();
  reader_.join();
  finished_ = true;
  grpc::Status status = stream_->Finish();
  if (!status.ok()) {
    return connection_.Explain(status);
  }
  MutexLock lock(&mutex_);
  if (!ready_.has_value()) {
    return Internal("the daemon ended the upload of the build context without an answer");
  }
  return *ready_;
}

}  // namespace zlayer
