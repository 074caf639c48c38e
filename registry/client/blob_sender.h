// One blob on its way to a registry (distribution-spec, "Pushing a blob monolithically", "Pushing a
// blob in chunks", "Mounting a blob from another repository").
#ifndef ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_
#define ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"

namespace zlayer {

// Whether the registry has a blob.
Outcome HeadBlob(const Route& route, const Digest& digest, bool* there, std::stop_token stop);

// Not thread-safe. All arguments must outlive it.
//
// A blob goes in one PUT. Where that breaks off, the registry is asked how much it has, and gets
// the rest as one chunk, which as the last one may be shorter than OCI-Chunk-Min-Length. Where it
// does not know, or does not like what it has, the upload begins anew.
class BlobSender {
 public:
  BlobSender(const Route& route, const BlobSource& blob, const std::vector<std::string>& mount_from)
      : route_(route), blob_(blob), mount_from_(mount_from) {}

  // One attempt, which goes on from where the last one ended.
  Outcome Attempt(std::stop_token stop);

  // How the blob came there, after an attempt that succeeded.
  BlobPut result() const { return sent_ ? BlobPut::kSent : BlobPut::kMounted; }

 private:
  Outcome Begin(std::stop_token stop);
  // From one repository. Leaves a session where the registry begins an upload instead.
  Outcome Mount(const std::string& from, std::stop_token stop);
  Outcome Ask(std::stop_token stop);
  Outcome SendAll(std::stop_token stop);
  Outcome SendRest(std::stop_token stop);
  Outcome Commit(std::stop_token stop);
  Outcome Committed(const HostReply& reply);
  Outcome Broken(const HostReply& reply);
  void Drop(std::stop_token stop);
  absl::Status KeepSession(const HostReply& reply);
  HostRequest SessionRequest(std::string_view method, std::string url) const;
  void StreamFrom(uint64_t offset, HostRequest* request);

  const Route& route_;
  const BlobSource& blob_;
  const std::vector<std::string>& mount_from_;

  size_t mounts_tried_ = 0;
  std::string session_;       // the URL of the upload; empty: none is under way
  uint64_t offset_ = 0;       // what the registry has of it
  uint64_t furthest_ = 0;     // that it ever had
  bool interrupted_ = false;  // the registry has to say how much it has
  bool began_anew_ = false;   // because it refused what was gone on with
  bool sent_ = false;
  bool done_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_
