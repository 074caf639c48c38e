#include "daemon/build/graph_planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/target_platform.h"
#include "daemon/build/zimage_source.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/dockerfile/global_args.h"
#include "daemon/frontend/nested_builds.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

constexpr size_t kMaxDepth = 16;
constexpr int kMaxStages = 1000;
constexpr size_t kMaxGraphBytes = 64 << 20;
constexpr size_t kMaxFileBytes = 16 << 20;

// `path`, seen from a directory of the context.
absl::StatusOr<std::string> JoinDirectory(const std::string& from, const std::string& path) {
  if (path.starts_with('/')) {
    return InvalidArgument(
        fmt::format("the directory {} is not relative to that of the build file", path));
  }
  const std::string joined = from + "/" + path;
  std::vector<std::string> components;
  for (const std::string_view component : Split(joined, '/')) {
    if (component.empty() || component == ".") {
      continue;
    }
    if (component != "..") {
      components.emplace_back(component);
    } else if (components.empty()) {
      return InvalidArgument(fmt::format("the directory {} is outside of the build context", path));
    } else {
      components.pop_back();
    }
  }
  return Join(components, "/");
}

std::string NestedName(const std::string& parent, const std::string& stage,
                       const std::string& directory) {
  std::string name = stage;
  if (name.empty()) {
    name = directory.empty() ? "base" : ToUtf8(BaseName(directory));
  }
  return parent.empty() ? name : fmt::format("{}/{}", parent, name);
}

// What is wrong in an instruction of a stage was read before; the rest does not read.
absl::Status WithFileReason(absl::Status status) {
  v1::ErrorDetail detail = DetailOf(status);
  if (!absl::IsInvalidArgument(status) || !detail.reason().empty()) {
    return status;
  }
  detail.set_reason(detail.stage().empty() ? "DOCKERFILE_PARSE" : "INVALID_INSTRUCTION");
  return WithDetail(std::move(status), detail);
}

}  // namespace

// The builds nested in one file.
class GraphPlanner::Nested : public NestedBuilds {
 public:
  explicit Nested(GraphPlanner* planner) : planner_(*planner) {}

  // Sets what of the file is converted. `request` outlives the object.
  void SetFile(const FileToBuild& file, std::optional<ZImagefile> parsed, ConvertRequest* request) {
    parent_ = request;
    if (!parsed.has_value()) {
      request->text = file.source.content();
      return;
    }
    builds_ = std::move(parsed->builds);
    for (const DockerfileStage& stage : parsed->image->stages) {
      stages_.emplace(stage.base().base, stage.base().name);
    }
    request->instructions = std::move(parsed->image);
    request->nested = this;
  }

  bool Has(const std::string& base) const override { return builds_.contains(base); }

  absl::StatusOr<NestedImage> Resolve(const std::string& base, const v1::Platform& platform,
                                      std::stop_token) override {
    return planner_.Build(builds_.at(base), stages_[base], *parent_, platform);
  }

 private:
  GraphPlanner& planner_;
  const ConvertRequest* parent_ = nullptr;
  std::map<std::string, NestedBuild> builds_;
  std::map<std::string, std::string> stages_;  // names, by base
};

absl::StatusOr<std::optional<ZImagefile>> GraphPlanner::Read(FileToBuild* file) const {
  if (!file->is_zimagefile) {
    return std::nullopt;
  }
  return ReadZImagefile(*options_.spec, file);
}

absl::StatusOr<ConvertRequest> GraphPlanner::RootRequest(const FileToBuild& file) const {
  const v1::BuildSpec& spec = *options_.spec;
  const TargetHints hints = HintsOf(spec, file);
  absl::StatusOr<v1::Platform> platform = TargetPlatform(hints, HostPlatform());
  RETURN_IF_ERROR(Annotate(platform.status(), file.name()));
  ConvertRequest request;
  request.name = file.name();
  request.build_args = {spec.build_args().begin(), spec.build_args().end()};
  request.target = spec.target();
  request.platform = *std::move(platform);
  request.platform_is_given = NamesPlatform(hints);
  request.windows_ltsc = spec.windows_ltsc();
  request.labels = {spec.labels().begin(), spec.labels().end()};
  request.contexts = {spec.contexts().begin(), spec.contexts().end()};
  request.contexts.erase("");
  request.ignore = file.ignore;
  return request;
}

absl::StatusOr<PlannedFile> GraphPlanner::Plan(FileToBuild file) {
  const auto& annotations = options_.spec->annotations();
  planned_.annotations = {annotations.begin(), annotations.end()};
  ASSIGN_OR_RETURN(std::optional<ZImagefile> parsed, Read(&file));
  if (parsed.has_value()) {
    for (const NameValue& annotation : parsed->annotations) {
      planned_.annotations.emplace(annotation.name, annotation.value);
    }
  }
  ASSIGN_OR_RETURN(ConvertRequest request, RootRequest(file));
  planned_.files.push_back(file);
  ASSIGN_OR_RETURN(ConvertedFile root, Add(file, std::move(parsed), std::move(request)));
  graph_.add_targets(root.target);
  if (root.source_date_epoch) {
    graph_.set_source_date_epoch(*root.source_date_epoch);
  }
  planned_.graph = std::move(graph_);
  return std::move(planned_);
}

ExaminedFile GraphPlanner::Examine(FileToBuild file) {
  FileExamination found;
  absl::StatusOr<std::optional<ZImagefile>> parsed = Read(&file);
  absl::StatusOr<ConvertRequest> request = parsed.ok() ? RootRequest(file) : parsed.status();
  planned_.files.push_back(std::move(file));
  if (!request.ok()) {
    found.status = request.status();
    return {std::move(found), std::move(planned_.files)};
  }
  const FileToBuild root = planned_.files.front();  // nested ones are added behind it
  Nested nested(this);
  nested.SetFile(root, *std::move(parsed), &*request);
  under_way_.push_back(root.name());
  found = ExamineFile(*request, *options_.resolver, options_.stop);
  found.status =
      WithExcerpt(WithFileReason(std::move(found.status)), root.name(), root.source.content());
  found.warnings.insert(found.warnings.end(), planned_.warnings.begin(), planned_.warnings.end());
  found.warnings_are_errors |= !planned_.violation.ok();
  return {std::move(found), std::move(planned_.files)};
}

// `request` is of the file but for what is converted.
absl::StatusOr<ConvertedFile> GraphPlanner::Add(const FileToBuild& file,
                                                std::optional<ZImagefile> parsed,
                                                ConvertRequest request) {
  Nested nested(this);
  nested.SetFile(file, std::move(parsed), &request);
  under_way_.push_back(file.name());
  absl::StatusOr<ConvertedFile> added =
      AddToGraph(request, *options_.resolver, &graph_, options_.stop);
  under_way_.pop_back();
  if (!added.ok()) {
    return WithExcerpt(WithFileReason(added.status()), file.name(), file.source.content());
  }
  planned_.warnings.insert(planned_.warnings.end(), added->warnings.begin(), added->warnings.end());
  planned_.violation.Update(added->violation);
  return added;
}

absl::Status GraphPlanner::CheckPath(const std::string& file) const {
  const auto first = std::find(under_way_.begin(), under_way_.end(), file);
  if (first != under_way_.end()) {
    std::vector<std::string> circle(first, under_way_.end());
    circle.push_back(file);
    v1::ErrorDetail detail;
    detail.set_reason("CIRCULAR_DEPENDENCY");
    detail.mutable_items()->Add(circle.begin(), circle.end());
    return WithDetail(
        InvalidArgument(fmt::format("the build is nested in itself: {}", Join(circle, " -> "))),
        detail);
  }
  if (under_way_.size() > kMaxDepth) {
    return InvalidArgument(fmt::format("builds are nested more than {} deep: {}", kMaxDepth,
                                       Join(under_way_, " -> ")));
  }
  return absl::OkStatus();
}

absl::Status GraphPlanner::CheckSize() const {
  size_t bytes = 0;
  for (const FileToBuild& file : planned_.files) {
    bytes += file.source.content().size();
  }
  if (bytes > kMaxFileBytes) {
    return InvalidArgument("the build files of the nested builds come to more than 16 MiB");
  }
  if (graph_.stages_size() > kMaxStages) {
    return InvalidArgument(fmt::format("the nested builds have more than {} stages", kMaxStages));
  }
  return graph_.ByteSizeLong() > kMaxGraphBytes
             ? InvalidArgument("the nested builds expand to more than 64 MiB of operations")
             : absl::OkStatus();
}

std::map<std::string, std::string> GraphPlanner::BuildArgs(const NestedBuild& directive) const {
  std::map<std::string, std::string> build_args;
  for (const auto& [name, value] : options_.spec->build_args()) {
    if (IsKnownArgument(name)) {
      build_args[name] = value;
    }
  }
  for (const NameValue& argument : directive.args) {
    build_args[argument.name] = argument.value;
  }
  return build_args;
}

absl::StatusOr<NestedImage> GraphPlanner::Build(const NestedBuild& directive,
                                                const std::string& stage,
                                                const ConvertRequest& parent,
                                                const v1::Platform& platform) {
  ConvertRequest request;
  ASSIGN_OR_RETURN(request.directory, JoinDirectory(parent.directory, directive.directory));
  ASSIGN_OR_RETURN(FileToBuild file, options_.read(request.directory, directive.file));
  RETURN_IF_ERROR(CheckPath(file.name()));
  request.name = file.name();
  request.build = NestedName(parent.build, stage, request.directory);
  request.build_args = BuildArgs(directive);
  request.platform = platform;
  request.platform_is_given = parent.platform_is_given;
  request.windows_ltsc = parent.windows_ltsc;
  request.contexts = parent.contexts;
  std::vector<std::string> key = {request.directory, request.name, FormatPlatform(platform)};
  for (const auto& [name, value] : request.build_args) {
    key.insert(key.end(), {name, value});
  }
  if (const auto built = built_.find(key); built != built_.end()) {
    return built->second;
  }
  ASSIGN_OR_RETURN(std::optional<ZImagefile> parsed, Read(&file));
  if (parsed.has_value() && !parsed->os.empty() && parsed->os != platform.os()) {
    return InvalidArgument(fmt::format("{} is for {}, and what begins with it for {}", file.name(),
                                       parsed->os, platform.os()));
  }
  const std::string text = "build: " + (request.directory.empty() ? "." : request.directory);
  planned_.files.push_back(file);
  RETURN_IF_ERROR(CheckSize());
  ASSIGN_OR_RETURN(ConvertedFile added, Add(file, std::move(parsed), std::move(request)));
  RETURN_IF_ERROR(CheckSize());
  return built_[key] = NestedImage{.stage = added.target,
                                   .image = {.reference = text,
                                             .digest = "",
                                             .platform = std::move(added.platform),
                                             .config = std::move(added.config)},
                                   .base_image = std::move(added.base_image)};
}

}  // namespace zlayer
