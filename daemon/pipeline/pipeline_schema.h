// The tables of pipelines in meta.db: no other module reads or writes them, so they are made here,
// where they are missing, and have no part in the version of schema.sql. Times are nanoseconds
// since 1970; digests are 32-byte blobs.
#ifndef ZLAYER_DAEMON_PIPELINE_PIPELINE_SCHEMA_H_
#define ZLAYER_DAEMON_PIPELINE_PIPELINE_SCHEMA_H_

#include <string_view>

namespace zlayer {

inline constexpr std::string_view kPipelineSchema[] = {
    R"sql(
CREATE TABLE IF NOT EXISTS pipelines (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state INTEGER NOT NULL,         -- zlayer.v1.PipelineState
  created INTEGER NOT NULL,
  ended INTEGER,
  title TEXT NOT NULL,
  keep_going INTEGER NOT NULL,
  max_parallel INTEGER NOT NULL,
  idempotency_key TEXT,
  request_digest BLOB NOT NULL,   -- as of builds
  content_digest BLOB,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  contexts TEXT NOT NULL          -- ids of uploaded contexts in the specs, comma-separated
) WITHOUT ROWID)sql",
    "CREATE INDEX IF NOT EXISTS pipelines_by_created ON pipelines (created, id)",
    "CREATE INDEX IF NOT EXISTS pipelines_by_namespace ON pipelines (namespace, created, id)",
    "CREATE INDEX IF NOT EXISTS pipelines_running ON pipelines (created, id, contexts) "
    "WHERE ended IS NULL",
    "CREATE INDEX IF NOT EXISTS pipelines_by_end ON pipelines (ended, id) WHERE ended IS NOT NULL",
    "CREATE UNIQUE INDEX IF NOT EXISTS pipelines_by_key ON pipelines (namespace, idempotency_key) "
    "WHERE idempotency_key IS NOT NULL",
    R"sql(
CREATE TABLE IF NOT EXISTS pipeline_images (
  pipeline TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,      -- in the request, from 0
  name TEXT NOT NULL,
  depends_on TEXT NOT NULL,       -- positions, comma-separated
  pushes INTEGER NOT NULL,        -- it is sent once all images are built
  needs_secrets INTEGER NOT NULL, -- the spec had secrets or credentials
  needs_login INTEGER NOT NULL,   -- ... some of them for where it is sent
  status BLOB NOT NULL,           -- zlayer.v1.PipelineImageStatus
  spec BLOB NOT NULL,             -- zlayer.v1.BuildSpec without secrets and credentials
  PRIMARY KEY (pipeline, position)
) WITHOUT ROWID)sql",
    // What WatchPipeline replays.
    R"sql(
CREATE TABLE IF NOT EXISTS pipeline_events (
  pipeline TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  event BLOB NOT NULL,            -- zlayer.v1.PipelineEvent
  PRIMARY KEY (pipeline, sequence)
) WITHOUT ROWID)sql",
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_PIPELINE_SCHEMA_H_
