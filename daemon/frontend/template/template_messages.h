// Templates as the API has them.
#ifndef ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_MESSAGES_H_
#define ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_MESSAGES_H_

#include <string_view>

#include "daemon/frontend/template/template.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/system.pb.h"

namespace zlayer {

// Name, for messages, and text (DockerfileOf). Without the ignore file, which counts where the
// context has none.
v1::InlineFile BuildFileOf(const RuntimeTemplate& runtime, std::string_view windows_ltsc);

v1::Runtime ToMessage(const RuntimeTemplate& runtime);

// Those that can be built.
v1::ListRuntimesResponse ListTemplates();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_MESSAGES_H_
