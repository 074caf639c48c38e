// The rows of pipelines. Each call is within a transaction of the store's.
#ifndef ZLAYER_DAEMON_PIPELINE_PIPELINE_ROWS_H_
#define ZLAYER_DAEMON_PIPELINE_PIPELINE_ROWS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/pipeline/pipeline_store.h"
#include "daemon/pipeline/stored_pipeline.h"
#include "registry/meta/database.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

// The pipeline that has the request's idempotency key; nullopt where none has, or there is no key.
// kAlreadyExists where that one's request is another.
absl::StatusOr<std::optional<std::string>> FindPipelineSubmission(Connection& db,
                                                                  const StoredPipeline& pipeline,
                                                                  int64_t now_ns);

// Inserts a running pipeline with its images; returns its new id.
absl::StatusOr<std::string> InsertPipeline(Connection& db, const StoredPipeline& pipeline,
                                           int64_t now_ns);

// With its images. kNotFound.
absl::StatusOr<v1::PipelineStatus> SelectPipeline(Connection& db, std::string_view id);

absl::StatusOr<PipelineRecord> SelectPipelineRecord(Connection& db, std::string_view id);

// Adds the next event, with its number and time.
absl::Status InsertPipelineEvent(Connection& db, std::string_view id, v1::PipelineEvent event,
                                 int64_t now_ns);

// kNotFound, or kFailedPrecondition where it has ended.
absl::Status CheckPipelineRuns(Connection& db, std::string_view id);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_PIPELINE_ROWS_H_
