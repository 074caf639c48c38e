#include "daemon/pipeline/image_status.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/queue/build_end.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

// Of a thousand images that failed all messages together fit a message of the API.
constexpr size_t kMaxError = 2048;

v1::PipelineImageStatus Enter(v1::PipelineImageStatus status, v1::PipelineImageState state) {
  status.set_state(state);
  status.clear_reason();
  return status;
}

v1::BuildFailed Short(v1::BuildFailed failure) {
  failure.set_error(std::string(CutUtf8(failure.error(), kMaxError)));
  v1::ErrorDetail& detail = *failure.mutable_detail();
  detail.clear_excerpt();
  detail.clear_items();
  detail.set_instruction(std::string(CutUtf8(detail.instruction(), kMaxError / 4)));
  return failure;
}

double SecondsOf(const v1::BuildStatus& build) {
  return build.has_started() && build.has_ended()
             ? static_cast<double>(
                   TimeUtil::DurationToNanoseconds(build.ended() - build.started())) /
                   1e9
             : 0;
}

}  // namespace

v1::PipelineImageStatus Waiting(v1::PipelineImageStatus status) {
  status.clear_build_id();
  return Enter(std::move(status), v1::PIPELINE_IMAGE_WAITING);
}

v1::PipelineImageStatus Building(v1::PipelineImageStatus status, const std::string& build_id) {
  status.set_build_id(build_id);
  return Enter(std::move(status), v1::PIPELINE_IMAGE_BUILDING);
}

v1::PipelineImageStatus Skipped(v1::PipelineImageStatus status, const std::string& reason) {
  status = Enter(std::move(status), v1::PIPELINE_IMAGE_SKIPPED);
  status.set_reason(reason);
  return status;
}

v1::PipelineImageStatus Sending(v1::PipelineImageStatus status) {
  return Enter(std::move(status), v1::PIPELINE_IMAGE_PUSHING);
}

v1::PipelineImageStatus Failed(v1::PipelineImageStatus status, const absl::Status& error) {
  *status.mutable_failure() = Short(FailedEvent(error).build_failed());
  return Enter(std::move(status), v1::PIPELINE_IMAGE_FAILED);
}

v1::PipelineImageStatus AfterBuild(v1::PipelineImageStatus status, const v1::BuildStatus& build,
                                   const std::string& withdrawal_reason) {
  status.set_seconds(SecondsOf(build));
  switch (build.state()) {
    case v1::SUCCEEDED:
      *status.mutable_result() = build.result();
      return Enter(std::move(status), v1::PIPELINE_IMAGE_BUILT);
    case v1::CANCELED:
      return withdrawal_reason.empty() ? Enter(std::move(status), v1::PIPELINE_IMAGE_CANCELED)
                                       : Skipped(std::move(status), withdrawal_reason);
    default:
      *status.mutable_failure() = Short(build.failure());
      return Enter(std::move(status), v1::PIPELINE_IMAGE_FAILED);
  }
}

v1::PipelineImageStatus AfterSending(v1::PipelineImageStatus status,
                                     const absl::StatusOr<std::string>& manifest_digest,
                                     bool canceled) {
  if (manifest_digest.ok()) {
    status.mutable_result()->set_manifest_digest(*manifest_digest);
    return Enter(std::move(status), v1::PIPELINE_IMAGE_PUSHED);
  }
  if (canceled && absl::IsCancelled(manifest_digest.status())) {
    return Enter(std::move(status), v1::PIPELINE_IMAGE_CANCELED);
  }
  return Failed(std::move(status),
                Annotate(manifest_digest.status(), "it was built, but cannot be sent"));
}

absl::Status SecretsLost() {
  return WithReason(
      FailedPrecondition("the daemon was restarted and keeps no secrets and credentials; submit "
                         "the pipeline again"),
      "SECRETS_LOST");
}

}  // namespace zlayer
