#include "daemon/build/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/url_text.h"
#include "daemon/frontend/dockerfile/convert.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

// Fills in what a client may leave open in a graph.
class Completer {
 public:
  Completer(ImageResolver& resolver, std::stop_token stop)
      : resolver_(resolver), stop_(std::move(stop)) {}

  absl::Status Complete(v1::Stage& stage) {
    if (stage.platform().os().empty()) {
      *stage.mutable_platform() = HostPlatform();
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
  const std::stop_token stop_;
};

absl::StatusOr<DockerfileRequest> ToRequest(const v1::BuildSpec& spec, const FileToBuild& file) {
  DockerfileRequest request;
  request.name = file.name();
  request.text = file.dockerfile.content();
  request.build_args = {spec.build_args().begin(), spec.build_args().end()};
  request.target = spec.target();
  ASSIGN_OR_RETURN(request.platform, TargetPlatform(HintsOf(spec, file), HostPlatform()));
  request.platform_is_given = spec.platforms_size() > 0;
  request.windows_ltsc = spec.windows_ltsc();
  request.labels = {spec.labels().begin(), spec.labels().end()};
  request.contexts = {spec.contexts().begin(), spec.contexts().end()};
  request.contexts.erase("");
  request.ignore = file.ignore;
  return request;
}

bool IsContext(const v1::Input& input) { return input.has_context() && input.context().empty(); }

// That the COPY at `source` takes something that is ignored; empty where it does not.
std::string LeftOut(const v1::Graph& graph, const v1::SourceRange& source,
                    const IgnoreFile& ignore) {
  for (const v1::Stage& stage : graph.stages()) {
    for (const v1::Operation& operation : stage.operations()) {
      if (operation.source().first_line() != source.first_line()) {
        continue;
      }
      for (const v1::Copy::Source& copied : operation.copy().sources()) {
        const int line = IsContext(copied.from()) ? ignore.rules.LineThatIgnores(copied.path()) : 0;
        if (line != 0) {
          return fmt::format("; \"{}\" is left out by line {} of {}", ToUtf8(copied.path()), line,
                             ignore.name);
        }
      }
    }
  }
  return "";
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

TargetHints HintsOf(const v1::BuildSpec& spec, const FileToBuild& file) {
  TargetHints hints = HintsOf(spec);
  hints.file_os = file.os;
  hints.file_platform = file.platform;
  hints.program = file.program;
  return hints;
}

absl::StatusOr<PlannedBuild> PlanDockerfile(const v1::BuildSpec& spec, FileToBuild file,
                                            ImageResolver& resolver, std::stop_token stop) {
  ASSIGN_OR_RETURN(const DockerfileRequest request, ToRequest(spec, file));
  absl::StatusOr<DockerfileGraph> converted = ConvertDockerfile(request, resolver, std::move(stop));
  if (!converted.ok()) {
    return WithExcerpt(converted.status(), file.name(), file.dockerfile.content());
  }
  RETURN_IF_ERROR(ValidateGraph(converted->graph));
  PlannedBuild plan;
  plan.graph = std::move(converted->graph);
  HideCredentials(plan.graph);
  plan.warnings = std::move(converted->warnings);
  plan.violation = std::move(converted->violation);
  plan.file = std::move(file);
  return plan;
}

absl::StatusOr<v1::CheckBuildResponse> CheckDockerfile(const v1::BuildSpec& spec, FileToBuild file,
                                                       ImageResolver& resolver,
                                                       std::stop_token stop) {
  ASSIGN_OR_RETURN(const DockerfileRequest request, ToRequest(spec, file));
  DockerfileExamination found = ExamineDockerfile(request, resolver, std::move(stop));
  if (absl::IsCancelled(found.status)) {
    return found.status;
  }
  v1::CheckBuildResponse response;
  *response.mutable_warnings() = {found.warnings.begin(), found.warnings.end()};
  *response.mutable_targets() = {found.targets.begin(), found.targets.end()};
  response.set_warnings_are_errors(found.warnings_are_errors);
  if (!found.status.ok()) {
    const absl::Status status =
        WithExcerpt(std::move(found.status), file.name(), file.dockerfile.content());
    response.mutable_error()->set_error(ToUtf8(Message(status)));
    response.mutable_error()->set_code(static_cast<int32_t>(status.code()));
    *response.mutable_error()->mutable_detail() = DetailOf(status);
  }
  if (found.outline) {
    *response.mutable_outline() = *std::move(found.outline);
  }
  response.mutable_file()->set_name(file.name());
  *response.mutable_file()->mutable_content() = std::move(*file.dockerfile.mutable_content());
  return response;
}

absl::Status ExplainFailure(absl::Status status, const v1::Graph& graph, const FileToBuild& file) {
  if (absl::IsNotFound(status) && file.ignore) {
    const std::string reason = LeftOut(graph, DetailOf(status).source(), *file.ignore);
    status = WithDetail(NotFound(std::string(Message(status)) + reason), DetailOf(status));
  }
  return WithExcerpt(std::move(status), file.name(), file.dockerfile.content());
}

absl::StatusOr<PlannedBuild> PlanGraph(const v1::BuildSpec& spec, ImageResolver& resolver,
                                       std::stop_token stop) {
  RETURN_IF_ERROR(ValidateGraph(spec.graph()));
  PlannedBuild plan;
  plan.graph = spec.graph();
  Completer completer(resolver, std::move(stop));
  const std::vector<bool> needed = NeededStages(plan.graph);
  for (int i = 0; i < plan.graph.stages_size(); ++i) {
    if (needed[static_cast<size_t>(i)]) {
      RETURN_IF_ERROR(completer.Complete(*plan.graph.mutable_stages(i)));
    }
  }
  AddLabels(spec, plan.graph);
  HideCredentials(plan.graph);
  return plan;
}

absl::StatusOr<std::shared_ptr<const v1::Graph>> PlanWithoutContext(const v1::BuildSpec& spec,
                                                                    ImageResolver& resolver,
                                                                    std::stop_token stop) {
  if (spec.has_graph()) {
    return std::make_shared<const v1::Graph>(spec.graph());
  }
  if (!spec.has_dockerfile_inline()) {
    return std::shared_ptr<const v1::Graph>();
  }
  ASSIGN_OR_RETURN(PlannedBuild plan, PlanDockerfile(spec, {.dockerfile = spec.dockerfile_inline()},
                                                     resolver, std::move(stop)));
  return std::make_shared<const v1::Graph>(std::move(plan.graph));
}

}  // namespace zlayer
