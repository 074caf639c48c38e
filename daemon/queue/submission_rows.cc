#include "daemon/queue/submission_rows.h"

#include <fmt/format.h>

#include <map>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/queue/new_id.h"
#include "registry/context_store.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

// Of a row with request_digest and content_digest in columns 1 and 2.
absl::StatusOr<bool> IsSameRequest(Connection& db, const Statement& row,
                                   const StoredRequest& stored, int64_t now_ns) {
  ASSIGN_OR_RETURN(Digest request, row.DigestAt(1));
  if (request == stored.digest) {
    return true;
  }
  if (row.IsNull(2)) {
    return false;
  }
  ASSIGN_OR_RETURN(Digest known, row.DigestAt(2));
  ASSIGN_OR_RETURN(std::optional<Digest> content, FindContentDigest(db, stored, now_ns));
  return content == known;
}

absl::Status InsertTags(Connection& db, std::string_view id, int64_t now_ns,
                        const v1::BuildSpec& spec) {
  ASSIGN_OR_RETURN(Statement insert, db.Prepare("INSERT OR IGNORE INTO build_tags "
                                                "(tag, created, build) VALUES (?1, ?2, ?3)"));
  for (const std::string& tag : spec.tags()) {
    absl::StatusOr<Reference> reference = Reference::Parse(tag);
    if (reference.ok()) {
      RETURN_IF_ERROR(
          insert.BindText(1, reference->Normalized()).Bind(2, now_ns).BindText(3, id).Run());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<Digest>> FindContentDigest(Connection& db, const StoredRequest& stored,
                                                        int64_t now_ns) {
  std::map<std::string, std::string> contents;
  for (const auto& [name, source] : stored.request.spec().contexts()) {
    if (!source.has_uploaded()) {
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<StoredContext> context,
                     FindContext(db, stored.request.namespace_(), source.uploaded(), now_ns));
    if (!context.has_value()) {
      return std::nullopt;
    }
    contents[name] = (context->from_tar ? "tar " : "") + context->layer.ToString();
  }
  return ContentDigest(stored, contents);
}

absl::StatusOr<std::optional<std::string>> FindSubmission(Connection& db,
                                                          const StoredRequest& stored,
                                                          int64_t now_ns) {
  if (stored.request.idempotency_key().empty()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(Statement select, db.Prepare("SELECT id, request_digest, content_digest "
                                                "FROM builds "
                                                "WHERE namespace = ?1 AND idempotency_key = ?2"));
  select.BindText(1, stored.request.namespace_()).BindText(2, stored.request.idempotency_key());
  ASSIGN_OR_RETURN(bool found, select.Step());
  if (!found) {
    return std::nullopt;
  }
  std::string id(select.Text(0));
  ASSIGN_OR_RETURN(bool same, IsSameRequest(db, select, stored, now_ns));
  if (!same) {
    return AlreadyExists(
        fmt::format("the idempotency key \"{}\" belongs to build {}, whose request is another one",
                    stored.request.idempotency_key(), id));
  }
  return id;
}

absl::StatusOr<std::string> InsertSubmission(Connection& db, const StoredRequest& stored,
                                             int64_t now_ns) {
  ASSIGN_OR_RETURN(
      Statement insert,
      db.Prepare("INSERT INTO builds (id, namespace, priority, state, attempt, created, summary, "
                 "needs_secrets, idempotency_key, request_digest, content_digest, contexts, "
                 "request) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
  const std::string id = NewId(now_ns);
  const std::string summary = SummaryOf(stored.request.spec()).SerializeAsString();
  const std::string contexts = Join(UploadedContexts(stored.request), ",");
  const std::string request = stored.request.SerializeAsString();
  insert.BindText(1, id)
      .BindText(2, stored.request.namespace_())
      .Bind(3, stored.request.priority())
      .Bind(4, v1::QUEUED)
      .Bind(5, now_ns)
      .BindBlob(6, summary)
      .Bind(7, stored.needs_secrets ? 1 : 0)
      .BindNull(8)
      .BindDigest(9, stored.digest)
      .BindNull(10)
      .BindText(11, contexts)
      .BindBlob(12, request);
  if (!stored.request.idempotency_key().empty()) {
    insert.BindText(8, stored.request.idempotency_key());
    ASSIGN_OR_RETURN(std::optional<Digest> content, FindContentDigest(db, stored, now_ns));
    if (content.has_value()) {
      insert.BindDigest(10, *content);
    }
  }
  RETURN_IF_ERROR(insert.Run());
  RETURN_IF_ERROR(InsertTags(db, id, now_ns, stored.request.spec()));
  return id;
}

}  // namespace zlayer
