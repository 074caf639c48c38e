// Lists a directory as a build context: the index that UploadContext takes.
#ifndef ZLAYER_CLIENT_LIB_CONTEXT_WALKER_H_
#define ZLAYER_CLIENT_LIB_CONTEXT_WALKER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>
#include <string>

#include "base/unique_fd.h"
#include "client/lib/digest_cache.h"
#include "daemon/frontend/dockerfile/ignore.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// A context's root directory, opened by the name that the user gave. kNotFound, kInvalidArgument
// (not a directory): one sentence with that name.
absl::StatusOr<UniqueFd> OpenContext(const std::string& path);

struct WalkOptions {
  // Both must outlive the walk. Null: nothing is ignored.
  const IgnoreRules* ignore = nullptr;
  // Where digests of files that are settled at `now_ns` come from; null for nowhere.
  const DigestCache* digests = nullptr;
  int64_t now_ns = 0;
};

// Takes one entry. The identity is that of a FILE's inode.
using ContextSink = std::function<absl::Status(v1::ContextEntry entry, const FileIdentity& file)>;

// Gives every file, directory and link below `root` that the rules keep to `sink`, sorted by path
// with '/' lowest, each directory before what is in it; an ignored directory comes where something
// below it is kept. Owners are left out, sockets too, and of extended attributes all but user.* and
// security.capability. No link is followed and no mount of /proc can lead elsewhere (openat2).
//
// Errors name the path: kPermissionDenied where something kept cannot be read, kAborted where a
// directory became something else meanwhile. kCancelled once `stop` is requested. The first error
// of `sink` ends the walk.
absl::Status WalkContext(int root, const WalkOptions& options, const ContextSink& sink,
                         std::stop_token stop);

// Opens the file at `path` of the context for reading, under the same rules.
absl::StatusOr<UniqueFd> OpenContextFile(int root, const std::string& path);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CONTEXT_WALKER_H_
