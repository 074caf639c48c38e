// How the status of a pipeline's image follows from the one before and what happened. Pure
// functions.
#ifndef ZLAYER_DAEMON_PIPELINE_IMAGE_STATUS_H_
#define ZLAYER_DAEMON_PIPELINE_IMAGE_STATUS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

v1::PipelineImageStatus Waiting(v1::PipelineImageStatus status);
v1::PipelineImageStatus Building(v1::PipelineImageStatus status, const std::string& build_id);
v1::PipelineImageStatus Skipped(v1::PipelineImageStatus status, const std::string& reason);
v1::PipelineImageStatus Sending(v1::PipelineImageStatus status);
// With the error's message, code and detail; the lines of build files stay in the build's log.
v1::PipelineImageStatus Failed(v1::PipelineImageStatus status, const absl::Status& error);

// Of a build that has ended. One that was canceled since the pipeline ends before (with that
// reason) is skipped, else canceled.
v1::PipelineImageStatus AfterBuild(v1::PipelineImageStatus status, const v1::BuildStatus& build,
                                   const std::string& withdrawal_reason);

// The manifest's digest in the registries, or why it is not there; whether the pipeline was
// canceled.
v1::PipelineImageStatus AfterSending(v1::PipelineImageStatus status,
                                     const absl::StatusOr<std::string>& manifest_digest,
                                     bool canceled);

// Why what needs secrets cannot be done after a restart.
absl::Status SecretsLost();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_IMAGE_STATUS_H_
