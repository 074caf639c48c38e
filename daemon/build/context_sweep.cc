#include "daemon/build/context_sweep.h"

#include <vector>

#include "base/clock.h"

namespace zlayer {
namespace {

constexpr int64_t kLongNs = 2'000'000;

}  // namespace

void ContextSweep::Run() {
  const int64_t begin = MonotonicNs();
  if (begin < next_ns_) {
    return;
  }
  Sweep();
  const int64_t end = MonotonicNs();
  next_ns_ = end - begin > kLongNs ? end + 50 * (end - begin) : end;
}

void ContextSweep::Sweep() {
  // In this order: the row of a build is older than its contexts are kept.
  absl::StatusOr<std::vector<std::string>> kept = contexts_->Kept();
  if (!kept.ok() || kept->empty()) {
    return;
  }
  absl::StatusOr<std::set<std::string>> used = queue_->ContextsInUse();
  if (!used.ok()) {
    return;
  }
  if (others_) {
    absl::StatusOr<std::set<std::string>> others = others_();
    if (!others.ok()) {
      return;
    }
    used->merge(*others);
  }
  for (const std::string& id : *kept) {
    if (!used->contains(id) && !IsHeld(id)) {
      contexts_->Remove(id).IgnoreError();
    }
  }
}

void ContextSweep::Hold(const std::string& id) {
  MutexLock lock(&mutex_);
  held_.insert(id);
}

void ContextSweep::Drop(const std::string& id) {
  contexts_->Remove(id).IgnoreError();
  MutexLock lock(&mutex_);
  held_.erase(id);
}

bool ContextSweep::IsHeld(const std::string& id) {
  MutexLock lock(&mutex_);
  return held_.contains(id);
}

}  // namespace zlayer
