// What a damaged gzip file begins with: libarchive gives nothing of a file that breaks off early.
#ifndef ZLAYER_REGISTRY_LAYER_GZIP_START_H_
#define ZLAYER_REGISTRY_LAYER_GZIP_START_H_

#include <string>

#include "registry/content/content_store.h"

namespace zlayer {

// The first bytes behind the gzip compression of `file`, 64 KiB at most and as many of them as the
// first 64 KiB of the file tell; whether it ends well does not matter. Empty for what is not gzip,
// and for what cannot be read. Reads with pread only; hostile bytes are harmless.
std::string GzipStart(const ContentFile& file);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_GZIP_START_H_
