#include "daemon/frontend/zimagefile/zimagefile.h"

#include <spdlog/fmt/fmt.h>

#include "base/errors.h"

namespace zlayer {

std::string NestedBuildBase(std::string_view name) {
  return name.empty() ? "build:" : fmt::format("build: {}", name);
}

absl::StatusOr<ZImagefile> ParseZImagefile(std::string_view text, std::string_view name) {
  return Unimplemented(
      fmt::format("{}: ZImagefiles are not read yet ({} bytes)", name, text.size()));
}

void ApplyToTemplate(const RuntimeUse& use, DockerfileInstructions* file) {
  file->stages.back().instructions.insert(file->stages.back().instructions.end(),
                                          use.instructions.begin(), use.instructions.end());
}

}  // namespace zlayer
