// Reads a pipe, terminal or file until a stop is requested.
#ifndef ZLAYER_CLIENT_LIB_STOPPABLE_READER_H_
#define ZLAYER_CLIENT_LIB_STOPPABLE_READER_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <stop_token>
#include <string>

#include "base/unique_fd.h"

namespace zlayer {

// Not thread-safe.
class StoppableReader {
 public:
  // `fd` is not owned and must outlive the reader.
  StoppableReader(int fd, std::stop_token stop);

  // Waits for bytes and reads up to `size` of them; 0 at the end. kCancelled once a stop is
  // requested, even while it waits.
  absl::StatusOr<size_t> Read(char* buffer, size_t size);

  // Everything to the end. kResourceExhausted where that is more than `limit` bytes.
  absl::StatusOr<std::string> ReadAll(size_t limit);

 private:
  struct Wake {
    int fd;
    void operator()() const;
  };

  const int fd_;
  const std::stop_token stop_;
  const UniqueFd wake_;  // readable once a stop is requested
  std::stop_callback<Wake> callback_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_STOPPABLE_READER_H_
