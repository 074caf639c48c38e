#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/graph/validate.h"
#include "backends/native/net/remote_sources.h"
#include "backends/native/solver/solve.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

absl::Status Unsupported(std::string_view what) {
  v1::ErrorDetail detail;
  detail.set_reason("UNSUPPORTED_OPTION");
  detail.set_subject(std::string(what));
  return WithDetail(
      Unimplemented(fmt::format("the native backend does not carry out {} yet", what)), detail);
}

absl::Status CheckInput(const v1::Input& input) {
  switch (input.kind_case()) {
    case v1::Input::kHttp:
      return CheckHttpInput(input.http());
    case v1::Input::kGit:
      return CheckGitInput(input.git());
    default:
      return absl::OkStatus();
  }
}

absl::Status CheckCopy(const v1::Copy& copy) {
  for (const v1::Copy::Source& source : copy.sources()) {
    RETURN_IF_ERROR(CheckInput(source.from()));
  }
  return absl::OkStatus();
}

absl::Status NeedsWindows(const v1::Platform& platform, const v1::Platform& host) {
  v1::ErrorDetail detail;
  detail.set_reason("BACKEND_UNAVAILABLE");
  detail.set_subject("hcs");
  return WithDetail(
      FailedPrecondition(fmt::format(
          "RUN in a stage for {} needs the backend hcs on a host with Windows; on this host ({}) "
          "images for Windows are built without RUN",
          FormatPlatform(platform), FormatPlatform(host))),
      detail);
}

absl::Status CheckRun(const v1::Run& run, const v1::Platform& platform, const v1::Platform& host) {
  if (platform.os() == "windows") {
    return NeedsWindows(platform, host);
  }
  // Whether there is an emulator for another architecture counts once a command runs.
  if (platform.os() != host.os()) {
    return Unsupported(fmt::format("RUN in a stage for {} on a host of {}",
                                   FormatPlatform(platform), FormatPlatform(host)));
  }
  for (const v1::Mount& mount : run.mounts()) {
    if (mount.type() == v1::Mount::SECRET && mount.required()) {
      return Unsupported("RUN with a secret that is required");
    }
    if (mount.type() == v1::Mount::SSH && mount.required()) {
      return Unsupported("RUN with an SSH agent that is required");
    }
    RETURN_IF_ERROR(CheckInput(mount.from()));
  }
  if (!run.devices().empty()) {
    return Unsupported("RUN with devices");
  }
  return absl::OkStatus();
}

// With its place: the operation of the stage with that index.
absl::Status Located(absl::Status status, const v1::Graph& graph, int stage,
                     const v1::Operation& operation) {
  const std::string& name = graph.stages(stage).name();
  v1::ErrorDetail detail;
  detail.set_instruction(operation.text());
  detail.set_stage(name.empty() ? fmt::format("{}", stage) : name);
  return AtSource(WithDetail(std::move(status), detail), operation.source());
}

}  // namespace

absl::Status CheckSupported(const v1::Graph& graph, const v1::Platform& host) {
  for (int i = 0; i < graph.stages_size(); ++i) {
    const v1::Stage& stage = graph.stages(i);
    const v1::Platform& platform = stage.has_platform() ? stage.platform() : host;
    for (const v1::Operation& operation : stage.operations()) {
      RETURN_IF_ERROR(Located(operation.has_run() ? CheckRun(operation.run(), platform, host)
                                                  : CheckCopy(operation.copy()),
                              graph, i, operation));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckEntitlements(const BuildJob& job, bool allow_insecure) {
  constexpr std::string_view kInsecure = "security.insecure";
  const bool granted = std::find(job.entitlements.begin(), job.entitlements.end(), kInsecure) !=
                       job.entitlements.end();
  if (granted && allow_insecure) {
    return absl::OkStatus();
  }
  const std::vector<bool> needed = NeededStages(*job.graph);
  for (int i = 0; i < job.graph->stages_size(); ++i) {
    for (const v1::Operation& operation : job.graph->stages(i).operations()) {
      if (!needed[i] || operation.run().security() != v1::SECURITY_INSECURE) {
        continue;
      }
      v1::ErrorDetail detail;
      detail.set_reason("ENTITLEMENT_MISSING");
      detail.set_subject(std::string(kInsecure));
      return Located(
          WithDetail(
              absl::PermissionDeniedError(fmt::format(
                  "RUN with security \"insecure\" needs the entitlement {}, which {}", kInsecure,
                  allow_insecure ? "the request does not grant"
                                 : "this daemon does not allow (native.entitlements in its "
                                   "configuration)")),
              detail),
          *job.graph, i, operation);
    }
  }
  return absl::OkStatus();
}

}  // namespace zlayer
