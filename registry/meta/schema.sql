-- Version 6 (PRAGMA user_version); run again, it adds the tables and indexes that an older version
-- lacks (columns: database.cc). Times are nanoseconds since 1970; digests are 32-byte blobs.
--
-- `boot` is empty once a row's files are known to be synced, else the id of the boot that wrote
-- them: after a power failure (another boot id) such rows go, with all that stands on them.

-- Packs of file contents: packs/<id>. A pack with a blob is that blob's file.
CREATE TABLE IF NOT EXISTS packs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  blob BLOB,
  size INTEGER NOT NULL,          -- negative: it is being removed
  boot TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS packs_by_blob ON packs (blob) WHERE blob IS NOT NULL;
CREATE INDEX IF NOT EXISTS packs_not_synced ON packs (id) WHERE boot <> '';

CREATE TABLE IF NOT EXISTS contents (
  digest BLOB PRIMARY KEY,
  pack INTEGER NOT NULL REFERENCES packs (id) ON DELETE CASCADE,
  offset INTEGER NOT NULL,
  size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS contents_by_pack ON contents (pack);

-- Layers by the digest of their index, indexes/<hex>; their trees are trees/<tree>.
CREATE TABLE IF NOT EXISTS layers (
  id BLOB PRIMARY KEY,
  tree INTEGER UNIQUE,
  diff_id BLOB,
  tar_size INTEGER,
  tar_format INTEGER,             -- 0: arrived so; else the version of our writer
  content_bytes INTEGER NOT NULL,
  created INTEGER NOT NULL,
  boot TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS layers_by_diff_id ON layers (diff_id);
CREATE INDEX IF NOT EXISTS layers_not_synced ON layers (id) WHERE boot <> '';

-- Numbers of trees are never used twice.
CREATE TABLE IF NOT EXISTS tree_numbers (
  id INTEGER PRIMARY KEY AUTOINCREMENT
);

-- Manifests of every kind; their documents are in blobs/. Layers and other blobs of what was pulled
-- may be missing: they are fetched from `source` when something needs them.
CREATE TABLE IF NOT EXISTS images (
  manifest BLOB PRIMARY KEY,
  config BLOB NOT NULL,           -- of an index, the index
  created INTEGER NOT NULL,
  size INTEGER NOT NULL,          -- sum of the layers' descriptor sizes
  boot TEXT NOT NULL,
  kind INTEGER NOT NULL DEFAULT 0,        -- ManifestKind: 0 image, 1 index, 2 artifact
  media_type TEXT NOT NULL DEFAULT '',    -- as it came; empty: the document says it
  subject BLOB,                   -- manifest that this one is about
  source TEXT NOT NULL DEFAULT '' -- repository of a registry: docker.io/library/debian
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_by_config ON images (config);
CREATE INDEX IF NOT EXISTS images_by_subject ON images (subject) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS images_not_synced ON images (manifest) WHERE boot <> '';

-- An image's layers, lowest first, with their descriptors in its manifest; or an artifact's blobs.
CREATE TABLE IF NOT EXISTS image_layers (
  manifest BLOB NOT NULL REFERENCES images (manifest) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  layer BLOB REFERENCES layers (id) ON DELETE RESTRICT,  -- null while nobody has read the blob
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  PRIMARY KEY (manifest, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS image_layers_by_layer ON image_layers (layer) WHERE layer IS NOT NULL;
CREATE INDEX IF NOT EXISTS image_layers_by_digest ON image_layers (digest);

-- What is in an index, whether it is here or not.
CREATE TABLE IF NOT EXISTS index_manifests (
  manifest BLOB NOT NULL REFERENCES images (manifest) ON DELETE CASCADE,
  child BLOB NOT NULL,
  PRIMARY KEY (manifest, child)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS index_manifests_by_child ON index_manifests (child);

-- Manifests that a repository has by digest, with a tag or without.
CREATE TABLE IF NOT EXISTS repository_manifests (
  namespace TEXT NOT NULL,
  repository TEXT NOT NULL,       -- docker.io/library/debian
  manifest BLOB NOT NULL REFERENCES images (manifest) ON DELETE CASCADE,
  PRIMARY KEY (namespace, repository, manifest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS repository_manifests_by_manifest ON repository_manifests (manifest);

-- Blobs that were sent to /v2/ and that a manifest may come to name.
CREATE TABLE IF NOT EXISTS uploaded_blobs (
  namespace TEXT NOT NULL,
  digest BLOB NOT NULL,
  created INTEGER NOT NULL,
  boot TEXT NOT NULL,
  PRIMARY KEY (namespace, digest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploaded_blobs_by_digest ON uploaded_blobs (digest);
CREATE INDEX IF NOT EXISTS uploaded_blobs_by_created ON uploaded_blobs (created);
CREATE INDEX IF NOT EXISTS uploaded_blobs_not_synced ON uploaded_blobs (digest) WHERE boot <> '';

-- Blobs that an image which a namespace pulled names, and that the namespace has not had: that others
-- have them is no reason to give them to it. A row goes once it has fetched the blob, or sent it.
CREATE TABLE IF NOT EXISTS claimed_blobs (
  namespace TEXT NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (namespace, digest)
) WITHOUT ROWID;

-- What compressing a layer's tar made for a push. The bytes are in registries.
CREATE TABLE IF NOT EXISTS compressed_layers (
  diff_id BLOB NOT NULL,
  compression TEXT NOT NULL,      -- CompressionName
  digest BLOB NOT NULL,
  size INTEGER NOT NULL,
  used INTEGER NOT NULL,
  PRIMARY KEY (diff_id, compression)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS compressed_layers_by_use ON compressed_layers (used);

-- Which namespace has which image. A reference is normalized: docker.io/library/debian:bookworm; an
-- image without a name has a row with an empty one.
CREATE TABLE IF NOT EXISTS tags (
  namespace TEXT NOT NULL,
  reference TEXT NOT NULL,
  manifest BLOB NOT NULL REFERENCES images (manifest) ON DELETE CASCADE,
  updated INTEGER NOT NULL,
  PRIMARY KEY (namespace, reference, manifest)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS tags_by_reference ON tags (namespace, reference) WHERE reference <> '';
CREATE INDEX IF NOT EXISTS tags_by_manifest ON tags (manifest);

-- Names that a build gave with a digest or text for what it was made from, as long as they name what
-- it made.
CREATE TABLE IF NOT EXISTS source_hashes (
  namespace TEXT NOT NULL,
  reference TEXT NOT NULL,
  manifest BLOB NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (namespace, reference, manifest),
  FOREIGN KEY (namespace, reference, manifest)
    REFERENCES tags (namespace, reference, manifest) ON DELETE CASCADE
) WITHOUT ROWID;

-- Build contexts: an index of a tree-less layer, for one namespace, until `expires`.
CREATE TABLE IF NOT EXISTS contexts (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  layer BLOB NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
  from_tar INTEGER NOT NULL,
  expires INTEGER NOT NULL        -- 0: never
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS contexts_by_layer ON contexts (layer);

-- Cache records: what an operation with this key made.
CREATE TABLE IF NOT EXISTS records (
  key BLOB PRIMARY KEY,
  namespace TEXT NOT NULL,
  layer BLOB NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
  chain BLOB NOT NULL,            -- ids of the layers that it was made on, lowest first, joined
  build TEXT NOT NULL,
  created INTEGER NOT NULL,       -- of the layer: its `created` in histories
  used INTEGER NOT NULL,
  content_key BLOB,               -- the same with what the chain contains instead of what it is
  description TEXT NOT NULL DEFAULT ''  -- the step, for people
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_layer ON records (layer);
CREATE INDEX IF NOT EXISTS records_by_content_key ON records (content_key) WHERE content_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_by_use ON records (used);

-- What the steps of the last builds of a target were made from, to say what changed since.
CREATE TABLE IF NOT EXISTS explanations (
  namespace TEXT NOT NULL,
  target TEXT NOT NULL,
  build TEXT NOT NULL,
  steps BLOB NOT NULL,            -- zlayer.internal.ExplainedBuild
  created INTEGER NOT NULL,
  PRIMARY KEY (namespace, target, build)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS explanations_by_created ON explanations (created);

-- Tars of layers with times that are not later than `epoch` (seconds since 1970).
CREATE TABLE IF NOT EXISTS clamped_tars (
  layer BLOB NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
  epoch INTEGER NOT NULL,
  format INTEGER NOT NULL,        -- as layers.tar_format
  diff_id BLOB NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (layer, epoch, format)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS clamped_tars_by_diff_id ON clamped_tars (diff_id);

-- What was fetched from outside (a URL, a git repository), for the namespace that fetched it. `source`
-- is a digest of what was asked for, without credentials.
CREATE TABLE IF NOT EXISTS fetched (
  namespace TEXT NOT NULL,
  source BLOB NOT NULL,
  layer BLOB NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
  content BLOB,                   -- of the one file that came from a URL
  etag TEXT NOT NULL,             -- validators of the answer; empty where it had none
  last_modified TEXT NOT NULL,
  used INTEGER NOT NULL,
  PRIMARY KEY (namespace, source)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fetched_by_layer ON fetched (layer);
CREATE INDEX IF NOT EXISTS fetched_by_content ON fetched (namespace, content) WHERE content IS NOT NULL;

-- Directories of `RUN --mount=type=cache`: cache-mounts/<number>. Nobody knows their sizes but the
-- disk. Several of one id are there where they were in use at the same time.
CREATE TABLE IF NOT EXISTS cache_mounts (
  number INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  seed BLOB NOT NULL,             -- digest of what the directory began as
  created INTEGER NOT NULL,
  used INTEGER NOT NULL           -- when a RUN last took it
);
CREATE INDEX IF NOT EXISTS cache_mounts_by_id ON cache_mounts (namespace, id);

CREATE TABLE IF NOT EXISTS builds (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state INTEGER NOT NULL,         -- zlayer.v1.BuildState
  attempt INTEGER NOT NULL,
  created INTEGER NOT NULL,
  started INTEGER,
  ended INTEGER,
  summary BLOB NOT NULL,          -- zlayer.v1.BuildStatus with title and tags
  needs_secrets INTEGER NOT NULL, -- the request had some
  idempotency_key TEXT,
  request_digest BLOB NOT NULL,
  content_digest BLOB,            -- with a key: the same, but for contexts by what is in them
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  outcome BLOB,                   -- the terminal zlayer.v1.BuildEvent
  contexts TEXT NOT NULL,         -- ids of uploaded contexts in the request, comma-separated
  -- zlayer.v1.SubmitBuildRequest without secrets and credentials. Last: listings stop before it.
  request BLOB NOT NULL
) WITHOUT ROWID;
-- Requests are large. The queue is filled at a start, and contexts in use are found, from indexes
-- alone; ended builds, by age.
CREATE INDEX IF NOT EXISTS builds_by_state ON builds (state, created, id, namespace, priority, attempt,
                                        needs_secrets, cancel_requested);
CREATE INDEX IF NOT EXISTS builds_by_created ON builds (created);
CREATE INDEX IF NOT EXISTS builds_by_start ON builds (namespace, started) WHERE started IS NOT NULL;
CREATE INDEX IF NOT EXISTS builds_by_end ON builds (ended) WHERE ended IS NOT NULL;
CREATE INDEX IF NOT EXISTS builds_by_contexts ON builds (state, contexts) WHERE contexts <> '';
CREATE INDEX IF NOT EXISTS builds_listed_by_namespace ON builds (namespace, state, created, id);
CREATE UNIQUE INDEX IF NOT EXISTS builds_by_key ON builds (namespace, idempotency_key)
  WHERE idempotency_key IS NOT NULL;

-- The tags that builds asked for, normalized.
CREATE TABLE IF NOT EXISTS build_tags (
  tag TEXT NOT NULL,
  created INTEGER NOT NULL,       -- of the build
  build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
  PRIMARY KEY (tag, created, build)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS build_tags_by_build ON build_tags (build);
