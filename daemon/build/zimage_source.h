// A ZImagefile as a request means it.
#ifndef ZLAYER_DAEMON_BUILD_ZIMAGE_SOURCE_H_
#define ZLAYER_DAEMON_BUILD_ZIMAGE_SOURCE_H_

#include <absl/status/statusor.h>

#include "daemon/build/file_to_build.h"
#include "daemon/frontend/zimagefile/zimagefile.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Puts the request's `pipeline_vars` into the text of the file, which is what its lines are counted
// in from then on, and parses it; `file` gets what it says of the image's system. `image` is set in
// the result: of a file that names a runtime, the template with what the file adds. Errors as
// ParseZImagefile and TemplateToBuild, with the lines that they are about; kUnimplemented (reason
// UNSUPPORTED_OPTION) for a file that is to become a WebAssembly module.
absl::StatusOr<ZImagefile> ReadZImagefile(const v1::BuildSpec& spec, FileToBuild* file);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_ZIMAGE_SOURCE_H_
