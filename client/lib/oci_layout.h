// OCI layout folders (image-spec 1.1, image-layout.md) as archives and back.
#ifndef ZLAYER_CLIENT_LIB_OCI_LAYOUT_H_
#define ZLAYER_CLIENT_LIB_OCI_LAYOUT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

namespace zlayer {

// Gives the folder's `oci-layout`, `index.json` and blobs to `sink` as one tar archive. What else
// is in the folder stays out. kInvalidArgument: the folder is no OCI layout. kCancelled once `stop`
// is requested.
absl::Status ArchiveLayout(const std::string& folder,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop);

// Unpacks an OCI archive into `folder`, which must not exist or be empty, and gets all files or is
// left as it was. `next` gives the archive piece by piece, empty at its end; its errors are
// returned. kInvalidArgument: not an OCI archive, or one with other files in it. kAlreadyExists:
// `folder` is not empty.
absl::Status UnpackLayout(const std::function<absl::StatusOr<std::string_view>()>& next,
                          const std::string& folder);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_OCI_LAYOUT_H_
