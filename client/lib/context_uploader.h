// Sends build contexts through BuildService.UploadContext.
#ifndef ZLAYER_CLIENT_LIB_CONTEXT_UPLOADER_H_
#define ZLAYER_CLIENT_LIB_CONTEXT_UPLOADER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>
#include <string>

#include "client/lib/connection.h"
#include "client/lib/digest_cache.h"
#include "client/lib/upload_counts.h"
#include "daemon/frontend/dockerfile/ignore.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct UploadOptions {
  std::string name_space;
  // The context's name in the spec, "" for the build context itself.
  std::string context_name;
  // All must outlive the call, and may be null.
  // What will be submitted: only the files that it selects travel.
  const v1::BuildSpec* spec = nullptr;
  const IgnoreRules* ignore = nullptr;
  // Known digests, and where those of the files that are sent go. Not saved here.
  DigestCache* digests = nullptr;
  // Called after each message, on the caller's thread; may be empty.
  std::function<void(const UploadCounts&)> progress;
};

// Walks the directory `root` (context_walker.h) and sends its index, then the files that the daemon
// wants. A small file (up to 1 MiB) that changes while it is read is read once more. kAborted, with
// the file's name: it keeps changing, or is not what the index said. kCancelled once `stop` is
// requested. Else the errors of the walk and of the daemon.
absl::StatusOr<v1::ContextReady> UploadDirectory(Connection& connection, int root,
                                                 const UploadOptions& options,
                                                 std::stop_token stop);

// Sends what `fd` yields as a tar archive. Of the options, the first two and `progress` are used.
absl::StatusOr<v1::ContextReady> UploadTar(Connection& connection, int fd,
                                           const UploadOptions& options, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CONTEXT_UPLOADER_H_
