// Reads what is made by writing, while more of it is being made: the tar of a layer, what is behind
// a file's compression.
#ifndef ZLAYER_BASE_READ_AHEAD_H_
#define ZLAYER_BASE_READ_AHEAD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"

namespace zlayer {

// One reader at a time. A thread writes ahead by about a MiB, and ends with the object.
class ReadAhead {
 public:
  // Writes all bytes to the sink, whose first error ends it and is returned. The token is the
  // thread's, for what blocks elsewhere.
  using Writer = std::function<absl::Status(const std::function<absl::Status(std::string_view)>&,
                                            std::stop_token)>;
  // What a piece has at most; only the last one is smaller.
  static constexpr size_t kPiece = size_t{256} << 10;

  explicit ReadAhead(Writer writer);
  ~ReadAhead();

  // The next bytes, at most `limit`; none at the end. An error is the writer's, or kCancelled once
  // `stop` is requested. What was written before an error comes before it.
  absl::StatusOr<std::string> Next(size_t limit, std::stop_token stop);

 private:
  static constexpr size_t kPieces = 4;

  void Run(const std::stop_token& stop);
  absl::Status Put(std::string_view data, const std::stop_token& stop);
  absl::Status HandOver(const std::stop_token& stop);

  const Writer writer_;
  std::string filling_;  // the thread's
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> pieces_ ABSL_GUARDED_BY(mutex_);
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;  // of the first piece
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: ends before what it uses
};

// What `writer` writes goes to `sink`, whose calls stay on this thread while a thread writes ahead.
// An error of either ends it and is returned.
absl::Status CopyAhead(ReadAhead::Writer writer,
                       const std::function<absl::Status(std::string_view)>& sink,
                       const std::stop_token& stop);

}  // namespace zlayer

#endif  // ZLAYER_BASE_READ_AHEAD_H_
