// What the command line reads of build files itself, before the daemon does.
#ifndef ZLAYER_CLIENT_CLI_BUILD_IMAGES_H_
#define ZLAYER_CLIENT_CLI_BUILD_IMAGES_H_

#include <optional>
#include <string>
#include <vector>

#include "daemon/frontend/zimagefile/zimagefile.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The ZImagefile that the request brings, with its variables; nullopt where it brings none, or one
// that does not read (the daemon says why).
std::optional<ZImagefile> ZImagefileOf(const v1::BuildSpec& spec);

// The images that a build may pull or push, as far as the request names them; names of stages are
// among them. Builds that are nested in its ZImagefile are read below `context`, the directory that
// is the build context; empty for none.
std::vector<std::string> ImagesOf(const v1::BuildSpec& spec, const std::string& context);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_IMAGES_H_
