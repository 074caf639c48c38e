#include "base/parallel.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace zlayer {

absl::Status ForEachInParallel(
    size_t count, size_t threads, std::stop_token stop,
    const std::function<absl::Status(size_t index, std::stop_token stop)>& work) {
  std::stop_source stopped;
  const std::stop_callback forward(stop, [&stopped] { stopped.request_stop(); });
  Mutex mutex;
  size_t next = 0;
  absl::Status first;
  const auto run = [&] {
    while (true) {
      size_t index = 0;
      {
        MutexLock lock(&mutex);
        if (!first.ok() || next == count) {
          return;
        }
        index = next++;
      }
      if (absl::Status status = work(index, stopped.get_token()); !status.ok()) {
        MutexLock lock(&mutex);
        first.Update(status);
        stopped.request_stop();
      }
    }
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(count, threads); ++i) {
    others.emplace_back(run);
  }
  run();
  others.clear();
  return first;
}

}  // namespace zlayer
