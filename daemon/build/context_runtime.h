// The runtime template that a request means.
#ifndef ZLAYER_DAEMON_BUILD_CONTEXT_RUNTIME_H_
#define ZLAYER_DAEMON_BUILD_CONTEXT_RUNTIME_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "daemon/frontend/template/template.h"
#include "registry/layer/layer_store.h"

namespace zlayer {

// By its name, or, for kDetectRuntime, by the files of `context` (kInvalidArgument where that is
// null). Errors as TemplateToBuild and DetectRuntime.
absl::StatusOr<const RuntimeTemplate*> ChooseTemplate(LayerStore& layers, const LayerRef& context,
                                                      std::string_view runtime);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_CONTEXT_RUNTIME_H_
