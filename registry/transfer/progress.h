// What transfers tell while they run.
#ifndef ZLAYER_REGISTRY_TRANSFER_PROGRESS_H_
#define ZLAYER_REGISTRY_TRANSFER_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <string>

namespace zlayer {

struct TransferUpdate {
  enum class State { kRunning, kDone, kPresent, kMounted };
  // "layer sha256:...", "manifest docker.io/library/app:v1"; with " to ghcr.io" behind it where
  // several registries are sent to.
  std::string item;
  State state = State::kRunning;
  uint64_t done = 0;   // bytes
  uint64_t total = 0;  // 0 while unknown
};

// Called by several threads, one at a time for each item; must not block for long. May be empty.
using ProgressSink = std::function<void(const TransferUpdate&)>;

inline void Report(const ProgressSink& sink, const TransferUpdate& progress) {
  if (sink) {
    sink(progress);
  }
}

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_PROGRESS_H_
