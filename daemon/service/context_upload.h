// UploadContext (build.proto) without gRPC: takes a build context, stores what is new of it, and
// answers with its id.
#ifndef ZLAYER_DAEMON_SERVICE_CONTEXT_UPLOAD_H_
#define ZLAYER_DAEMON_SERVICE_CONTEXT_UPLOAD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "daemon/service/context_entries.h"
#include "daemon/service/upload_handler.h"
#include "registry/store.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct ContextUploadOptions {
  Store* store = nullptr;  // outlives the upload
  // The graph that says what of the context is selected. Null where that cannot be known before the
  // context is there: then everything is.
  std::function<absl::StatusOr<std::shared_ptr<const v1::Graph>>(
      const std::string& name_space, const v1::BuildSpec& spec, std::stop_token stop)>
      plan;
  ContextEntries::Limits limits;
  // Of an archive, and of the selected files that come one by one.
  uint64_t max_bytes = uint64_t{64} << 30;
};

using ContextUpload = UploadHandler<v1::UploadContextRequest, v1::UploadContextResponse>;

// An upload that ends before ContextReady leaves nothing behind. kInvalidArgument: the client broke
// the protocol, sent a context that cannot be, or a file changed while it was sent (the message
// names it); else what planning and the store say.
std::unique_ptr<ContextUpload> MakeContextUpload(const ContextUploadOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_CONTEXT_UPLOAD_H_
