#include "daemon/build/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/url_text.h"
#include "daemon/build/run_defaults.h"
#include "daemon/build/target_platform.h"
#include "daemon/build/zimage_source.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/template/template_messages.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

// Fills in what a client may leave open in a graph.
class Completer {
 public:
  Completer(ImageResolver& resolver, v1::Platform platform, std::stop_token stop)
      : resolver_(resolver), platform_(std::move(platform)), stop_(std::move(stop)) {}

  absl::Status Complete(v1::Stage& stage) {
    if (stage.platform().os().empty()) {
      *stage.mutable_platform() = platform_;
    }
    for (v1::Operation& operation : *stage.mutable_operations()) {
      absl::Status status = Complete(operation, stage.platform());
      RETURN_IF_ERROR(AtSource(std::move(status), operation.source()));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Complete(v1::Operation& operation, const v1::Platform& platform) {
    if (operation.has_image()) {
      return Resolve(*operation.mutable_image(), platform);
    }
    if (operation.has_copy()) {
      for (v1::Copy::Source& source : *operation.mutable_copy()->mutable_sources()) {
        if (source.from().has_image()) {
          RETURN_IF_ERROR(Resolve(*source.mutable_from()->mutable_image(), platform));
        }
      }
    }
    if (operation.has_run()) {
      for (v1::Mount& mount : *operation.mutable_run()->mutable_mounts()) {
        if (mount.from().has_image()) {
          RETURN_IF_ERROR(Resolve(*mount.mutable_from()->mutable_image(), platform));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status Resolve(v1::ImageBase& image, const v1::Platform& platform) {
    if (!image.digest().empty()) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(ResolvedImage resolved, resolver_.Resolve(image.reference(), platform, stop_));
    if (!PlatformMatches(resolved.platform, platform)) {
      v1::ErrorDetail detail;
      detail.set_reason("WRONG_PLATFORM");
      detail.set_subject(image.reference());
      return WithDetail(FailedPrecondition(fmt::format(
                            "image {} is for {}, and {} is wanted", image.reference(),
                            FormatPlatform(resolved.platform), FormatPlatform(platform))),
                        detail);
    }
    image.set_reference(resolved.reference);
    image.set_digest(resolved.digest);
    return absl::OkStatus();
  }

  ImageResolver& resolver_;
  const v1::Platform platform_;
  const std::stop_token stop_;
};

bool IsContext(const v1::Input& input) { return input.has_context() && input.context().empty(); }

std::string PathInContext(const v1::Copy::Source& source) {
  const std::string& directory = source.from().directory();
  return directory.empty() ? source.path() : directory + "/" + source.path();
}

// What the COPY at `source` takes although it is ignored, and the line that says so.
struct Ignored {
  std::string path;
  int line = 0;  // 0 where it takes nothing of that kind
};

Ignored FindIgnored(const v1::Graph& graph, const v1::SourceRange& source,
                    const IgnoreFile& ignore) {
  for (const v1::Stage& stage : graph.stages()) {
    for (const v1::Operation& operation : stage.operations()) {
      if (operation.source().first_line() != source.first_line() ||
          operation.source().file() != source.file()) {
        continue;
      }
      for (const v1::Copy::Source& copied : operation.copy().sources()) {
        const int line =
            IsContext(copied.from()) ? ignore.rules.LineThatIgnores(PathInContext(copied)) : 0;
        if (line != 0) {
          return {ToUtf8(copied.path()), line};
        }
      }
    }
  }
  return {};
}

void AddLabels(const v1::BuildSpec& spec, v1::Graph& graph) {
  v1::Stage& target = *graph.mutable_stages(static_cast<int>(graph.targets(0)));
  v1::Operation& last = *target.mutable_operations(target.operations_size() - 1);
  const std::map<std::string, std::string> sorted(spec.labels().begin(), spec.labels().end());
  for (const auto& [key, value] : sorted) {
    v1::KeyValue* label = last.add_config()->mutable_set_label();
    label->set_key(key);
    label->set_value(value);
  }
}

bool IsFetched(const v1::Copy::Source& source) {
  return source.from().has_http() || source.from().has_git();
}

// What is shown of a download, and is in the image's history, tells no password.
void HideCredentials(v1::Graph& graph) {
  for (v1::Stage& stage : *graph.mutable_stages()) {
    for (v1::Operation& operation : *stage.mutable_operations()) {
      const auto& sources = operation.copy().sources();
      if (std::any_of(sources.begin(), sources.end(), IsFetched)) {
        operation.set_text(WithoutUrlCredentials(operation.text()));
        operation.set_created_by(WithoutUrlCredentials(operation.created_by()));
      }
    }
  }
}

}  // namespace

absl::StatusOr<PlannedBuild> PlanFile(const FilePlan& how, FileToBuild file) {
  const GraphPlannerOptions options{
      .spec = &how.spec, .resolver = &how.resolver, .read = how.read, .stop = how.stop};
  ASSIGN_OR_RETURN(PlannedFile planned, GraphPlanner(options).Plan(std::move(file)));
  ApplyRunDefaults(how.spec, &planned.graph);
  RETURN_IF_ERROR(ValidateGraph(planned.graph));
  PlannedBuild plan;
  plan.graph = std::move(planned.graph);
  HideCredentials(plan.graph);
  plan.warnings = std::move(planned.warnings);
  plan.violation = std::move(planned.violation);
  plan.annotations = std::move(planned.annotations);
  plan.files = std::move(planned.files);
  return plan;
}

absl::StatusOr<v1::CheckBuildResponse> CheckFile(const FilePlan& how, FileToBuild file) {
  const GraphPlannerOptions options{
      .spec = &how.spec, .resolver = &how.resolver, .read = how.read, .stop = how.stop};
  auto [found, files] = GraphPlanner(options).Examine(std::move(file));
  if (absl::IsCancelled(found.status)) {
    return found.status;
  }
  v1::CheckBuildResponse response;
  *response.mutable_warnings() = {found.warnings.begin(), found.warnings.end()};
  *response.mutable_targets() = {found.targets.begin(), found.targets.end()};
  response.set_warnings_are_errors(found.warnings_are_errors);
  if (!found.status.ok()) {
    response.mutable_error()->set_error(ToUtf8(Message(found.status)));
    response.mutable_error()->set_code(static_cast<int32_t>(found.status.code()));
    *response.mutable_error()->mutable_detail() = DetailOf(found.status);
  }
  if (found.outline) {
    *response.mutable_outline() = *std::move(found.outline);
  }
  std::set<std::string> names;  // one that is built with other arguments is there again
  for (FileToBuild& each : files) {
    if (names.insert(each.name()).second) {
      v1::InlineFile* const shown =
          names.size() == 1 ? response.mutable_file() : response.add_nested_files();
      shown->set_name(each.name());
      *shown->mutable_content() = std::move(*each.source.mutable_content());
    }
  }
  return response;
}

absl::Status ExplainFailure(absl::Status status, const v1::Graph& graph,
                            const std::vector<FileToBuild>& files) {
  if (absl::IsNotFound(status) && !files.empty() && files.front().ignore) {
    const IgnoreFile& ignore = *files.front().ignore;
    v1::ErrorDetail detail = DetailOf(status);
    const Ignored ignored = FindIgnored(graph, detail.source(), ignore);
    if (ignored.line != 0) {
      detail.set_reason("FILE_IGNORED");
      detail.set_subject(ignored.path);
      status = WithDetail(
          NotFound(fmt::format("{}; \"{}\" is left out by line {} of {}", Message(status),
                               ignored.path, ignored.line, ignore.name)),
          detail);
    }
  }
  for (const FileToBuild& file : files) {
    status = WithExcerpt(std::move(status), file.name(), file.source.content());
  }
  return status;
}

absl::StatusOr<PlannedBuild> PlanGraph(const v1::BuildSpec& spec, ImageResolver& resolver,
                                       std::stop_token stop) {
  PlannedBuild plan;
  plan.graph = spec.graph();
  ApplyRunDefaults(spec, &plan.graph);
  RETURN_IF_ERROR(ValidateGraph(plan.graph));
  ASSIGN_OR_RETURN(v1::Platform platform, TargetPlatform(HintsOf(spec), HostPlatform()));
  Completer completer(resolver, std::move(platform), std::move(stop));
  const std::vector<bool> needed = NeededStages(plan.graph);
  for (int i = 0; i < plan.graph.stages_size(); ++i) {
    if (needed[static_cast<size_t>(i)]) {
      RETURN_IF_ERROR(completer.Complete(*plan.graph.mutable_stages(i)));
    }
  }
  AddLabels(spec, plan.graph);
  HideCredentials(plan.graph);
  plan.annotations = {spec.annotations().begin(), spec.annotations().end()};
  return plan;
}

absl::StatusOr<std::shared_ptr<const v1::Graph>> PlanWithoutContext(const v1::BuildSpec& spec,
                                                                    ImageResolver& resolver,
                                                                    std::stop_token stop) {
  if (spec.has_graph()) {
    return std::make_shared<const v1::Graph>(spec.graph());
  }
  FileToBuild file;
  if (spec.has_zimagefile_inline()) {
    file.source = spec.zimagefile_inline();
    file.is_zimagefile = true;
    FileToBuild read = file;
    ASSIGN_OR_RETURN(const ZImagefile parsed, ReadZImagefile(spec, &read));
    if (!parsed.builds.empty()) {
      return std::shared_ptr<const v1::Graph>();
    }
  } else if (spec.has_dockerfile_inline()) {
    file.source = spec.dockerfile_inline();
  } else if (spec.has_runtime() && spec.runtime() != kDetectRuntime) {
    ASSIGN_OR_RETURN(const RuntimeTemplate* runtime, TemplateToBuild(spec.runtime()));
    file.source = BuildFileOf(*runtime, spec.windows_ltsc());
    file.os = runtime->os;
  } else {
    return std::shared_ptr<const v1::Graph>();
  }
  ASSIGN_OR_RETURN(
      PlannedBuild plan,
      PlanFile({.spec = spec, .resolver = resolver, .read = {}, .stop = stop}, std::move(file)));
  return std::make_shared<const v1::Graph>(std::move(plan.graph));
}

}  // namespace zlayer
