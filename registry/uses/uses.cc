#include "registry/uses/uses.h"

namespace zlayer {

Uses::Work Uses::Begin() {
  MutexLock lock(&mutex_);
  under_way_.insert(++now_);
  return {this, now_};
}

Uses::Work Uses::BeginCollection() {
  MutexLock lock(&mutex_);
  const Stamp since = OldestLocked();
  ++now_;
  under_way_.insert(since);
  return {this, since};
}

Uses::Stamp Uses::Now() const {
  MutexLock lock(&mutex_);
  return now_;
}

Uses::Stamp Uses::Oldest() const {
  MutexLock lock(&mutex_);
  return OldestLocked();
}

// Without any work: nothing that was handed out so far.
Uses::Stamp Uses::OldestLocked() const {
  return under_way_.empty() ? now_ + 1 : *under_way_.begin();
}

void Uses::End(Stamp since) {
  MutexLock lock(&mutex_);
  under_way_.erase(under_way_.find(since));
}

}  // namespace zlayer
