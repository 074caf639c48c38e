// One blob on its way to a registry (distribution-spec, "Pushing a blob monolithically", "Pushing a
// blob in chunks", "Mounting a blob from another repository").
#ifndef ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_
#define ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"
#include "registry/client/upload_session.h"

namespace zlayer {

// Whether the registry has a blob.
Outcome HeadBlob(const Route& route, const Digest& digest, bool* there, std::stop_token stop);

// Whether the registry takes a blob from another repository of its own. A refusal is no error: the
// bytes can be sent.
Outcome MountBlob(const Route& route, const Digest& digest, const std::string& from, bool* mounted,
                  std::stop_token stop);

// Not thread-safe. All arguments must outlive it.
//
// A blob goes in one PUT, a large one in one PATCH before it, since that can be ended early and
// then be cancelled. Where it breaks off, the registry is asked how much it has, and gets the rest
// as one chunk, which as the last one may be shorter than OCI-Chunk-Min-Length. Where it does not
// know, it may have all of it, or else the upload begins anew, as it does once where the registry
// does not like what it has.
class BlobSender {
 public:
  BlobSender(const Route& route, const BlobSource& blob)
      : route_(route), blob_(blob), session_(route) {}
  // Goes on with an upload of the blob of which a part may have been sent.
  BlobSender(const Route& route, const BlobSource& blob, UploadSession begun, bool interrupted)
      : route_(route), blob_(blob), session_(std::move(begun)), interrupted_(interrupted) {}

  // One attempt, which goes on from where the last one ended.
  Outcome Attempt(std::stop_token stop);

 private:
  Outcome Ask(std::stop_token stop);
  Outcome SendAll(std::stop_token stop);
  Outcome SendRest(std::stop_token stop);
  Outcome Commit(std::stop_token stop);
  Outcome Committed(const HostReply& reply);
  Outcome Broken(const HostReply& reply);
  void StreamFrom(uint64_t offset, HostRequest* request);

  const Route& route_;
  const BlobSource& blob_;

  UploadSession session_;
  uint64_t offset_ = 0;       // what the registry has of it
  uint64_t furthest_ = 0;     // that it ever had
  bool interrupted_ = false;  // the registry has to say how much it has
  bool began_anew_ = false;   // because it refused what was gone on with
  bool done_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_BLOB_SENDER_H_
