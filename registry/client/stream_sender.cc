#include "registry/client/stream_sender.h"

#include <utility>

#include "base/status_macros.h"
#include "registry/client/upload_session.h"

namespace zlayer {

Outcome SendStream(const Route& route, const BlobStream& blob, RemoteDescriptor* made,
                   std::stop_token stop) {
  UploadSession session(route);
  if (Outcome begun = session.Begin(stop); !begun.ok()) {
    return begun;
  }
  Outcome sent = session.Append(
      [&](const auto& sink) -> absl::Status {
        ASSIGN_OR_RETURN(*made, blob.make(sink, stop));
        return absl::OkStatus();
      },
      stop);
  if (!sent.ok()) {
    return sent;
  }
  return session.Complete(route.host->Send(session.CompleteRequest(made->digest), std::move(stop)),
                          made->digest);
}

}  // namespace zlayer
