#include "daemon/build/context_runtime.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/build/context_files.h"
#include "daemon/frontend/template/detect.h"
#include "registry/layer/rootfs.h"

namespace zlayer {
namespace {

class StoredProject : public ProjectFiles {
 public:
  StoredProject(LayerStore& layers, const LayerRef& context)
      : layers_(layers), context_(context), view_({context}) {}

  absl::StatusOr<std::vector<std::string>> Names() override {
    std::vector<std::string> names;
    for (std::string& name : view_.List("")) {
      const std::optional<RootfsEntry> found = view_.Lookup(name);
      if (found.has_value() && found->entry.type != EntryType::kDirectory) {
        names.push_back(std::move(name));
      }
    }
    return names;
  }

  absl::StatusOr<std::string> Read(const std::string& path) override {
    return ReadContextFile(layers_, context_, path, kMaxBytes);
  }

 private:
  LayerStore& layers_;
  const LayerRef& context_;
  const Rootfs view_;
};

}  // namespace

absl::StatusOr<const RuntimeTemplate*> ChooseTemplate(LayerStore& layers, const LayerRef& context,
                                                      std::string_view runtime) {
  if (runtime != kDetectRuntime) {
    return TemplateToBuild(runtime);
  }
  if (context == nullptr) {
    return InvalidArgument("there is no build context whose files could tell the runtime");
  }
  StoredProject project(layers, context);
  ASSIGN_OR_RETURN(const DetectedRuntime found, DetectRuntime(project));
  return found.runtime;
}

}  // namespace zlayer
