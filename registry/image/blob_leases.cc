#include "registry/image/blob_leases.h"

#include "base/status_macros.h"
#include "registry/image/image_rows.h"

namespace zlayer {

void BlobLeases::Lease::Add(const Digest& blob) {
  if (!blobs_.insert(blob).second) {
    return;
  }
  MutexLock lock(&leases_->mutex_);
  // One unlink() long.
  leases_->unlinked_.Wait(&leases_->mutex_, std::stop_token(),
                          [this, &blob]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(leases_->mutex_) {
                            return !leases_->unlinking_.contains(blob);
                          });
  ++leases_->leased_[blob];
}

void BlobLeases::Lease::AddNew(const Digest& blob) {
  Add(blob);
  if (!leases_->blobs_->Has(blob)) {
    new_.push_back(blob);
  }
}

void BlobLeases::Lease::Release() {
  leases_->Return(blobs_);
  blobs_.clear();
  // What stays because of an error is garbage that the collector finds.
  leases_->DropUnused(new_).IgnoreError();
  new_.clear();
}

void BlobLeases::Return(const std::set<Digest>& blobs) {
  MutexLock lock(&mutex_);
  for (const Digest& blob : blobs) {
    auto leased = leased_.find(blob);
    if (--leased->second == 0) {
      leased_.erase(leased);
    }
  }
}

bool BlobLeases::StartUnlinking(const Digest& blob) {
  MutexLock lock(&mutex_);
  return !leased_.contains(blob) && unlinking_.insert(blob).second;
}

void BlobLeases::EndUnlinking(const Digest& blob) {
  {
    MutexLock lock(&mutex_);
    unlinking_.erase(blob);
  }
  unlinked_.NotifyAll();
}

// The rows are asked once a new lease would wait: whoever had one before has written them by now.
absl::Status BlobLeases::DropIfUnused(const Digest& blob) {
  if (!StartUnlinking(blob)) {
    return absl::OkStatus();
  }
  bool used = true;
  absl::Status status = database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(used, IsBlobUsed(connection, blob));
    return absl::OkStatus();
  });
  if (status.ok() && !used) {
    status = blobs_->Remove(blob);
  }
  EndUnlinking(blob);
  return status;
}

absl::Status BlobLeases::DropUnused(const std::vector<Digest>& blobs) {
  absl::Status first;
  for (const Digest& blob : blobs) {
    first.Update(DropIfUnused(blob));
  }
  return first;
}

}  // namespace zlayer
