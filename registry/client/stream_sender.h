// One blob on its way to a registry that is made meanwhile (distribution-spec, "Pushing a blob in
// chunks").
#ifndef ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_
#define ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "registry/client/blob_sender.h"
#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"
#include "registry/client/upload_session.h"
#include "registry/content/content_file.h"

namespace zlayer {

// Not thread-safe. All arguments must outlive it.
//
// POST, all bytes in one PATCH while they are made, and PUT with the digest that they came to have.
// Where that breaks off, the blob is made once more, into a file, and goes on as one that was known
// before: what the registry has is not sent again. So does one that goes to a storage of another
// host, which takes it all at once alone.
class StreamSender {
 public:
  StreamSender(const Route& route, const BlobStream& blob, const std::string& tmp_directory)
      : route_(route), blob_(blob), tmp_directory_(tmp_directory), session_(route) {}

  // One attempt, which goes on from where the last one ended.
  Outcome Attempt(std::stop_token stop);
  // Once one succeeded: what the blob is.
  const RemoteDescriptor& made() const { return *made_; }

 private:
  using Sink = std::function<absl::Status(std::string_view)>;

  Outcome SendAll(std::stop_token stop);
  // `interrupted`: something of it may have been sent.
  Outcome GoOn(bool interrupted, std::stop_token stop);
  // Makes the blob into the file, so that it is known.
  absl::Status Keep(std::stop_token stop);
  absl::Status ReadKept(uint64_t offset, const Sink& sink) const;
  // The sink, and who watches is told of what it gets.
  Sink Told(uint64_t done, const Sink& sink) const;

  const Route& route_;
  const BlobStream& blob_;
  const std::string& tmp_directory_;

  UploadSession session_;  // until `rest_` has it
  bool begun_ = false;
  std::optional<RemoteDescriptor> made_;  // once all of it was made
  ContentFile kept_;
  BlobSource source_;               // of `rest_`
  std::optional<BlobSender> rest_;  // since the first break
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_STREAM_SENDER_H_
