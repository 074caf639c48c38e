// Reads what is made by writing: the tar of a layer, piece by piece.
#ifndef ZLAYER_REGISTRY_IMAGE_TAR_STREAM_H_
#define ZLAYER_REGISTRY_IMAGE_TAR_STREAM_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"

namespace zlayer {

// One reader at a time. A thread writes ahead by at most some pieces, and ends with the object.
class TarStream {
 public:
  // Writes all bytes to the sink, whose first error ends it and is returned.
  using Writer = std::function<absl::Status(const std::function<absl::Status(std::string_view)>&,
                                            std::stop_token)>;
  explicit TarStream(Writer writer);
  ~TarStream();

  // The next bytes, at most `limit`; none at the end. An error is the writer's, or kCancelled once
  // `stop` is requested.
  absl::StatusOr<std::string> Next(size_t limit, std::stop_token stop);

 private:
  static constexpr size_t kAhead = size_t{1} << 20;

  absl::Status Put(std::string_view piece, const std::stop_token& stop);
  void Run(std::stop_token stop);

  const Writer writer_;
  Mutex mutex_;
  CondVar changed_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_TAR_STREAM_H_
