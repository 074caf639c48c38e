// How far the upload of a build context is.
#ifndef ZLAYER_CLIENT_LIB_UPLOAD_COUNTS_H_
#define ZLAYER_CLIENT_LIB_UPLOAD_COUNTS_H_

#include <cstdint>

namespace zlayer {

struct UploadCounts {
  uint64_t entries = 0;  // names that were sent; 0 for a tar
  uint64_t files = 0;    // whose contents the daemon wanted and has been sent
  uint64_t bytes = 0;    // of contents, or of the tar
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_UPLOAD_COUNTS_H_
