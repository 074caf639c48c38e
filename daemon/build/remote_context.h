// The build context of a request, where the daemon fetches it itself: from a git repository or a
// URL.
#ifndef ZLAYER_DAEMON_BUILD_REMOTE_CONTEXT_H_
#define ZLAYER_DAEMON_BUILD_REMOTE_CONTEXT_H_

#include <absl/status/statusor.h>

#include "backends/native/net/remote_sources.h"
#include "registry/store.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// What a file that a URL led to is called in the context.
inline constexpr char kFetchedFile[] = "context";

struct RemoteContext {
  LayerRef layer;
  // It holds the file above alone, which is then the build file, as in BuildKit.
  bool is_one_file = false;
};

// Whether the request's main context must be fetched.
bool HasRemoteContext(const v1::BuildSpec& spec);

// Fetches it: the tree of a commit, what is in the archive at the URL, or the one file there.
// Errors as RemoteSources; kInvalidArgument where the archive is damaged.
absl::StatusOr<RemoteContext> FetchContext(Store& store, RemoteSources& remote,
                                           const v1::ContextSource& source,
                                           const FetchScope& scope);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_REMOTE_CONTEXT_H_
