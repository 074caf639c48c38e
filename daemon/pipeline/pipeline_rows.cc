#include "daemon/pipeline/pipeline_rows.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/queue/new_id.h"
#include "daemon/queue/submission_rows.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

// Of the images that one waits for.
constexpr size_t kMaxNames = 5;

template <typename Proto>
absl::Status Parse(std::string_view id, std::string_view bytes, Proto* proto) {
  return proto->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))
             ? absl::OkStatus()
             : DataLoss(fmt::format("a row of pipeline {} is damaged", id));
}

absl::Status Unknown(std::string_view id) {
  return NotFound(fmt::format("pipeline \"{}\" is not known", ToUtf8(id)));
}

// nullopt where a context is not in the store any more.
absl::StatusOr<std::optional<Digest>> FindPipelineContent(Connection& db,
                                                          const StoredPipeline& pipeline,
                                                          int64_t now_ns) {
  std::vector<Digest> builds;
  for (const StoredPipelineImage& image : pipeline.images) {
    ASSIGN_OR_RETURN(const std::optional<Digest> content,
                     FindContentDigest(db, image.build, now_ns));
    if (!content.has_value()) {
      return std::nullopt;
    }
    builds.push_back(*content);
  }
  return ContentDigest(pipeline, builds);
}

absl::StatusOr<bool> IsSameRequest(Connection& db, const Statement& row,
                                   const StoredPipeline& pipeline, int64_t now_ns) {
  ASSIGN_OR_RETURN(const Digest request, row.DigestAt(1));
  if (request == pipeline.digest) {
    return true;
  }
  if (row.IsNull(2)) {
    return false;
  }
  ASSIGN_OR_RETURN(const Digest known, row.DigestAt(2));
  ASSIGN_OR_RETURN(const std::optional<Digest> content, FindPipelineContent(db, pipeline, now_ns));
  return content == known;
}

std::string WaitsFor(const StoredPipeline& pipeline, const StoredPipelineImage& image) {
  if (image.depends_on.empty()) {
    return "";
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(kMaxNames, image.depends_on.size()); ++i) {
    names.push_back(pipeline.images[image.depends_on[i]].name);
  }
  const size_t others = image.depends_on.size() - names.size();
  return "waits for " + Join(names, ", ") + (others > 0 ? fmt::format(" and {} more", others) : "");
}

absl::Status InsertImages(Connection& db, std::string_view id, const StoredPipeline& pipeline) {
  ASSIGN_OR_RETURN(
      Statement insert,
      db.Prepare("INSERT INTO pipeline_images (pipeline, position, name, depends_on, pushes, "
                 "needs_secrets, needs_login, status, spec) "
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  for (size_t i = 0; i < pipeline.images.size(); ++i) {
    const StoredPipelineImage& image = pipeline.images[i];
    v1::PipelineImageStatus status;
    status.set_name(image.name);
    status.set_state(v1::PIPELINE_IMAGE_WAITING);
    status.set_reason(WaitsFor(pipeline, image));
    std::vector<std::string> positions;
    for (size_t dependency : image.depends_on) {
      positions.push_back(std::to_string(dependency));
    }
    const std::string depends_on = Join(positions, ",");
    const std::string state = status.SerializeAsString();
    const std::string spec = image.build.request.spec().SerializeAsString();
    insert.BindText(1, id)
        .Bind(2, static_cast<int64_t>(i))
        .BindText(3, image.name)
        .BindText(4, depends_on)
        .Bind(5, image.pushes ? 1 : 0)
        .Bind(6, image.build.needs_secrets ? 1 : 0)
        .Bind(7, image.needs_login ? 1 : 0)
        .BindBlob(8, state)
        .BindBlob(9, spec);
    RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

std::vector<size_t> ParsePositions(std::string_view text) {
  std::vector<size_t> positions;
  for (const std::string_view part : Split(text, ',')) {
    if (const std::optional<uint64_t> position = ParseUint(part)) {
      positions.push_back(*position);
    }
  }
  return positions;
}

absl::Status SelectImages(Connection& db, PipelineRecord* record) {
  ASSIGN_OR_RETURN(Statement select,
                   db.Prepare("SELECT name, depends_on, pushes, needs_secrets, needs_login, status "
                              "FROM pipeline_images WHERE pipeline = ?1 ORDER BY position"));
  select.BindText(1, record->id);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      return absl::OkStatus();
    }
    record->shape.images.push_back(
        {std::string(select.Text(0)), ParsePositions(select.Text(1)), select.Int(2) != 0});
    record->needs_secrets.push_back(select.Int(3) != 0);
    record->needs_login.push_back(select.Int(4) != 0);
    RETURN_IF_ERROR(Parse(record->id, select.Text(5), &record->statuses.emplace_back()));
  }
}

}  // namespace

absl::StatusOr<std::optional<std::string>> FindPipelineSubmission(Connection& db,
                                                                  const StoredPipeline& pipeline,
                                                                  int64_t now_ns) {
  const v1::SubmitPipelineRequest& request = pipeline.request;
  if (request.idempotency_key().empty()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(Statement select,
                   db.Prepare("SELECT id, request_digest, content_digest FROM pipelines "
                              "WHERE namespace = ?1 AND idempotency_key = ?2"));
  select.BindText(1, request.namespace_()).BindText(2, request.idempotency_key());
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) {
    return std::nullopt;
  }
  std::string id(select.Text(0));
  ASSIGN_OR_RETURN(const bool same, IsSameRequest(db, select, pipeline, now_ns));
  if (!same) {
    return AlreadyExists(fmt::format(
        "the idempotency key \"{}\" belongs to pipeline {}, whose request is another one",
        request.idempotency_key(), id));
  }
  return id;
}

absl::StatusOr<std::string> InsertPipeline(Connection& db, const StoredPipeline& pipeline,
                                           int64_t now_ns) {
  ASSIGN_OR_RETURN(
      Statement insert,
      db.Prepare("INSERT INTO pipelines (id, namespace, priority, state, created, title, "
                 "keep_going, max_parallel, idempotency_key, request_digest, content_digest, "
                 "contexts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
  const v1::SubmitPipelineRequest& request = pipeline.request;
  // So that nobody takes it for a build's.
  const std::string id = "p-" + NewId(now_ns);
  const std::string contexts = Join(UploadedContexts(pipeline), ",");
  insert.BindText(1, id)
      .BindText(2, request.namespace_())
      .Bind(3, request.priority())
      .Bind(4, v1::PIPELINE_RUNNING)
      .Bind(5, now_ns)
      .BindText(6, request.spec().title())
      .Bind(7, request.spec().keep_going() ? 1 : 0)
      .Bind(8, request.spec().max_parallel())
      .BindNull(9)
      .BindDigest(10, pipeline.digest)
      .BindNull(11)
      .BindText(12, contexts);
  if (!request.idempotency_key().empty()) {
    insert.BindText(9, request.idempotency_key());
    ASSIGN_OR_RETURN(const std::optional<Digest> content,
                     FindPipelineContent(db, pipeline, now_ns));
    if (content.has_value()) {
      insert.BindDigest(11, *content);
    }
  }
  RETURN_IF_ERROR(insert.Run());
  RETURN_IF_ERROR(InsertImages(db, id, pipeline));
  return id;
}

absl::StatusOr<v1::PipelineStatus> SelectPipeline(Connection& db, std::string_view id) {
  ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT namespace, title, state, created, ended "
                                                "FROM pipelines WHERE id = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, id).Step());
  if (!found) {
    return Unknown(id);
  }
  v1::PipelineStatus status;
  status.set_id(std::string(id));
  status.set_namespace_(std::string(select.Text(0)));
  status.set_title(std::string(select.Text(1)));
  status.set_state(static_cast<v1::PipelineState>(select.Int(2)));
  *status.mutable_created() = TimeUtil::NanosecondsToTimestamp(select.Int(3));
  if (!select.IsNull(4)) {
    *status.mutable_ended() = TimeUtil::NanosecondsToTimestamp(select.Int(4));
  }
  ASSIGN_OR_RETURN(Statement images, db.Prepare("SELECT status FROM pipeline_images "
                                                "WHERE pipeline = ?1 ORDER BY position"));
  images.BindText(1, id);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, images.Step());
    if (!more) {
      FitIntoMessage(&status);
      return status;
    }
    RETURN_IF_ERROR(Parse(id, images.Text(0), status.add_images()));
  }
}

absl::StatusOr<PipelineRecord> SelectPipelineRecord(Connection& db, std::string_view id) {
  ASSIGN_OR_RETURN(Statement select,
                   db.Prepare("SELECT namespace, priority, cancel_requested, keep_going, "
                              "max_parallel, ended FROM pipelines WHERE id = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, id).Step());
  if (!found) {
    return Unknown(id);
  }
  PipelineRecord record;
  record.id = std::string(id);
  record.name_space = std::string(select.Text(0));
  record.priority = static_cast<int32_t>(select.Int(1));
  record.cancel_requested = select.Int(2) != 0;
  record.shape.keep_going = select.Int(3) != 0;
  record.shape.max_parallel = static_cast<uint32_t>(select.Int(4));
  record.ended = !select.IsNull(5);
  RETURN_IF_ERROR(SelectImages(db, &record));
  return record;
}

absl::Status InsertPipelineEvent(Connection& db, std::string_view id, v1::PipelineEvent event,
                                 int64_t now_ns) {
  ASSIGN_OR_RETURN(Statement last, db.Prepare("SELECT coalesce(max(sequence), 0) "
                                              "FROM pipeline_events WHERE pipeline = ?1"));
  RETURN_IF_ERROR(last.BindText(1, id).Step().status());
  const int64_t sequence = last.Int(0) + 1;
  event.set_pipeline_id(std::string(id));
  event.set_sequence(static_cast<uint64_t>(sequence));
  *event.mutable_time() = TimeUtil::NanosecondsToTimestamp(now_ns);
  const std::string bytes = event.SerializeAsString();
  ASSIGN_OR_RETURN(Statement insert,
                   db.Prepare("INSERT INTO pipeline_events (pipeline, sequence, event) "
                              "VALUES (?1, ?2, ?3)"));
  return insert.BindText(1, id).Bind(2, sequence).BindBlob(3, bytes).Run();
}

absl::Status CheckPipelineRuns(Connection& db, std::string_view id) {
  ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT ended FROM pipelines WHERE id = ?1"));
  ASSIGN_OR_RETURN(const bool found, select.BindText(1, id).Step());
  if (!found) {
    return Unknown(id);
  }
  return select.IsNull(0) ? absl::OkStatus()
                          : FailedPrecondition(fmt::format("pipeline {} has ended", id));
}

}  // namespace zlayer
