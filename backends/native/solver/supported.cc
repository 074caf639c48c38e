#include <fmt/format.h>

#include <string_view>

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

absl::Status CheckRun(const v1::Run& run) {
  if (!run.mounts().empty()) {
    return Unsupported("RUN with mounts");
  }
  if (!run.devices().empty()) {
    return Unsupported("RUN with devices");
  }
  if (run.security() != v1::SECURITY_SANDBOX) {
    return Unsupported("RUN with security \"insecure\"");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSupported(const v1::Graph& graph, const v1::Platform& host) {
  for (const v1::Stage& stage : graph.stages()) {
    if (stage.has_platform() && !PlatformMatches(stage.platform(), host)) {
      return Unsupported(fmt::format("the platform {} on {}", FormatPlatform(stage.platform()),
                                     FormatPlatform(host)));
    }
    for (const v1::Operation& operation : stage.operations()) {
      RETURN_IF_ERROR(AtSource(operation.has_run() ? CheckRun(operation.run())
                                                   : CheckCopy(operation.copy()),
                               operation.source()));
    }
  }
  return absl::OkStatus();
}

}  // namespace zlayer
