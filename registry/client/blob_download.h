// One blob on its way here, perhaps in several attempts and from several hosts.
#ifndef ZLAYER_REGISTRY_CLIENT_BLOB_DOWNLOAD_H_
#define ZLAYER_REGISTRY_CLIENT_BLOB_DOWNLOAD_H_

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include "base/digest.h"
#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"

namespace zlayer {

// Not thread-safe. Blob and sink must outlive it.
class BlobDownload {
 public:
  BlobDownload(const RemoteDescriptor& blob, const BlobSink& sink) : blob_(blob), sink_(sink) {}

  // Goes on from where the last attempt ended. OK once all is here, with the right digest.
  Outcome Attempt(const Route& route, std::stop_token stop);

  // Whether no other host can help: the sink failed, or got bytes that are wrong and keeps them.
  bool IsFinal() const { return sink_failed_ || (wrong_ && !sink_.restart); }

 private:
  absl::Status Take(const TransportReply& head, std::string_view data);
  absl::Status Restart();
  absl::Status Begin(const TransportReply& head);
  Outcome End(const TransportReply& head);
  void ReportProgress();

  const RemoteDescriptor& blob_;
  const BlobSink& sink_;

  uint64_t received_ = 0;  // by the sink
  Sha256 hash_;            // of that
  bool ranges_ = true;     // the host can go on in the middle, as far as is known
  bool sink_failed_ = false;
  bool wrong_ = false;                    // what the sink has
  const RegistryHost* source_ = nullptr;  // of its first bytes
  bool mixed_ = false;                    // others are of another host
  std::chrono::steady_clock::time_point next_progress_;

  // Of the attempt under way.
  bool body_begun_ = false;
  bool misplaced_ = false;  // not the part that was asked for came
  uint64_t skip_ = 0;       // bytes to come that the sink has
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_BLOB_DOWNLOAD_H_
