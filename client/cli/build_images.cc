#include "client/cli/build_images.h"

#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "client/cli/build_file.h"
#include "client/cli/registry_logins.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/expand_variables.h"
#include "daemon/frontend/zimagefile/file_name.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;
constexpr size_t kMaxNested = 100;

std::optional<ZImagefile> Parse(std::string_view text, const v1::BuildSpec& spec) {
  const auto expanded = ExpandVariables(
      text, {spec.pipeline_vars().begin(), spec.pipeline_vars().end()}, "ZImagefile");
  if (!expanded.ok()) {
    return std::nullopt;
  }
  auto parsed = ParseZImagefile(*expanded, "ZImagefile");
  return parsed.ok() ? std::make_optional(*std::move(parsed)) : std::nullopt;
}

class ImageCollector {
 public:
  ImageCollector(const v1::BuildSpec& spec, std::string context)
      : spec_(spec), context_(std::move(context)) {}

  void AddDockerfile(std::string_view text) {
    for (std::string& image : ImagesIn(text)) {
      images_.push_back(std::move(image));
    }
  }

  void AddRuntime(std::string_view name) {
    if (const RuntimeTemplate* runtime = FindTemplate(name); runtime != nullptr) {
      AddDockerfile(runtime->dockerfile);
    }
  }

  // `directory` is that of the file in the context.
  void AddZImagefile(const ZImagefile& file, const std::filesystem::path& directory) {
    if (file.runtime) {
      AddRuntime(file.runtime->name);
    }
    for (const DockerfileStage& stage :
         file.image ? file.image->stages : std::vector<DockerfileStage>()) {
      if (!file.builds.contains(stage.base().base)) {
        AddLiteral(stage.base().base);
      }
      for (const Instruction& instruction : stage.instructions) {
        AddSources(instruction);
      }
    }
    for (const auto& [base, build] : file.builds) {
      AddNested(build, (directory / build.directory).lexically_normal());
    }
  }

  std::vector<std::string> images() && { return std::move(images_); }

 private:
  void AddLiteral(const std::string& image) {
    if (!image.empty() && image.find('$') == std::string::npos) {
      images_.push_back(image);
    }
  }

  void AddSources(const Instruction& instruction) {
    if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body)) {
      AddLiteral(copy->from);
    } else if (const auto* run = std::get_if<RunInstruction>(&instruction.body)) {
      for (const RunMountText& mount : run->mounts) {
        AddLiteral(mount.from);
      }
    }
  }

  void AddNested(const NestedBuild& build, const std::filesystem::path& directory) {
    if (context_.empty() || directory.is_absolute() || *directory.begin() == "..") {
      return;
    }
    const std::string path = context_ + "/" + directory.string();
    std::string name = build.file;
    if (name.empty()) {
      name = FindBuildFile(path).value_or("Dockerfile");
    }
    if (seen_.size() == kMaxNested || !seen_.insert(path + "/" + name).second) {
      return;
    }
    const auto text = ReadFile(path + "/" + name, kMaxFile);
    if (!text.ok()) {
      return;
    }
    if (!IsZImagefilePath(name)) {
      AddDockerfile(*text);
    } else if (const std::optional<ZImagefile> file = Parse(*text, spec_)) {
      AddZImagefile(*file, directory);
    }
  }

  const v1::BuildSpec& spec_;
  const std::string context_;
  std::set<std::string> seen_;
  std::vector<std::string> images_;
};

}  // namespace

std::optional<ZImagefile> ZImagefileOf(const v1::BuildSpec& spec) {
  return spec.has_zimagefile_inline() ? Parse(spec.zimagefile_inline().content(), spec)
                                      : std::nullopt;
}

std::vector<std::string> ImagesOf(const v1::BuildSpec& spec, const std::string& context) {
  ImageCollector collector(spec, context);
  collector.AddDockerfile(spec.dockerfile_inline().content());
  collector.AddRuntime(spec.runtime());
  if (const std::optional<ZImagefile> file = ZImagefileOf(spec)) {
    collector.AddZImagefile(*file, "");
  }
  std::vector<std::string> images(spec.tags().begin(), spec.tags().end());
  for (const std::string& image : std::move(collector).images()) {
    images.push_back(image);
    if (!spec.default_registry().empty()) {
      images.push_back(spec.default_registry() + "/" + image);
    }
  }
  for (const auto& [name, source] : spec.contexts()) {
    if (source.has_image()) {
      images.push_back(source.image());
    }
  }
  return images;
}

}  // namespace zlayer
