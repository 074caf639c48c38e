// Brings single layers here that somebody asks /v2/ for: those of images that were pulled without
// layers, and those that a push compressed, whose bytes are only where it sent them.
#ifndef ZLAYER_REGISTRY_TRANSFER_BLOB_PULL_H_
#define ZLAYER_REGISTRY_TRANSFER_BLOB_PULL_H_

#include <absl/status/status.h>

#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "registry/image/image_store.h"
#include "registry/transfer/puller.h"

namespace zlayer {

// Thread-safe. The arguments must outlive it.
class BlobPull {
 public:
  BlobPull(ImageStore* images, Puller* puller) : images_(images), puller_(puller) {}

  // From one of the repositories that the namespace's images say have it, with the credentials of
  // the configuration: those of requests are not kept. What several want at once is fetched once.
  // kNotFound: none is known, or none has it for who asks.
  absl::Status Fetch(const std::string& name_space, const Digest& blob, std::stop_token stop);

  // Where this daemon serves its own store ("127.0.0.1:5000"): that is not asked for what the store
  // lacks. Under a name that does not say so it is, and the question ends as one that nobody
  // answers.
  void ServesOn(std::vector<std::string> addresses);

 private:
  bool IsOwn(const std::string& source);

  ImageStore* const images_;
  Puller* const puller_;
  Mutex mutex_;
  std::vector<std::string> own_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_BLOB_PULL_H_
