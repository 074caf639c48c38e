// The same work for several things at once.
#ifndef ZLAYER_BASE_PARALLEL_H_
#define ZLAYER_BASE_PARALLEL_H_

#include <absl/status/status.h>

#include <cstddef>
#include <functional>
#include <stop_token>

namespace zlayer {

// Calls `work` for 0 to `count` - 1, on at most `threads` threads, of which the caller's is one,
// and returns once all have returned. The first error stops the others, through the token that they
// get, and is returned.
absl::Status ForEachInParallel(
    size_t count, size_t threads, std::stop_token stop,
    const std::function<absl::Status(size_t index, std::stop_token stop)>& work);

}  // namespace zlayer

#endif  // ZLAYER_BASE_PARALLEL_H_
