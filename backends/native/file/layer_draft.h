// A layer that a file operation (COPY, ADD, WORKDIR) is putting together: entries first, from
// metadata alone, so that the layer is known before a byte is read; then the contents that the
// store lacks.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "backends/graph/exclude_patterns.h"
#include "backends/graph/sources.h"
#include "backends/native/file/filesystem.h"
#include "backends/native/file/owner.h"
#include "registry/content/content_store.h"
#include "registry/layer/index.h"
#include "registry/layer/layer_store.h"

namespace zlayer {

// What COPY and ADD take their files from.
struct CopySource {
  // The tree, and the pattern in it. Unused where `inline_file` is set.
  const Filesystem* from = nullptr;
  std::string pattern;
  // Owners of the source's files are not kept (they come from a context).
  bool reset_owner = false;
  // Keeps parent directories (graph.proto, Copy.parents).
  bool parents = false;
  // Archives are unpacked (by the Unpacker) instead of copied.
  bool unpack = false;
  // A file given by its content, with its name.
  const std::string* inline_file = nullptr;
  // What the tree is, for the names of its files (ShownPath); may be null.
  const v1::Input* input = nullptr;
};

struct CopyOptions {
  std::string destination;  // absolute, as in the graph
  std::optional<Owner> owner;
  std::string mode;  // as in the graph
  ExcludePatterns exclude;
};

// An archive that is to be unpacked.
struct ArchiveFile {
  std::string name;  // for people
  ContentFile file;
  Digest content;  // of the file
};
// What it unpacks to, as a layer of the store.
using Unpacker = std::function<absl::StatusOr<LayerRef>(const ArchiveFile& archive)>;

// Not thread-safe. `parent`, and what sources point to, must outlive the draft. Paths are relative
// to the root.
class LayerDraft {
 public:
  // `now_ns` is the time of what the operation makes itself.
  LayerDraft(const Filesystem* parent, int64_t now_ns) : parent_(parent), now_ns_(now_ns) {}

  // COPY's and ADD's semantics, as BuildKit's: only the destination follows links; a directory's
  // content is copied, not the directory; neither replaces a file with a directory nor the reverse.
  // kNotFound: a source does not exist. kFailedPrecondition: source and destination do not fit.
  // Errors of `unpack`, which may be null where no source is to be unpacked.
  absl::Status Copy(const std::vector<CopySource>& sources, const CopyOptions& options,
                    const Unpacker& unpack = nullptr);

  // WORKDIR's semantics: `path`, links followed, and missing parents are made.
  absl::Status MakeDirectory(std::string_view path, uint32_t mode, const Owner& owner);

  // What users call what is at `path` of the index, or was in that of an earlier copy: the source
  // that it is copied from ("src/a.c", "a.c of src.tar"), or else its place in the image ("/etc").
  std::string NameOf(std::string_view path) const;

  // The index.
  absl::StatusOr<std::string> Serialize() { return index_.Serialize(); }

  // Stores the contents that the store lacks; returns the index.
  absl::StatusOr<std::string> Finish(ContentStore* contents, std::stop_token stop);

 private:
  struct Content {
    const Filesystem* from;  // or null:
    const std::string* inline_file;
    RootfsEntry file;
  };
  struct Match {
    const CopySource* source;
    SourceMatch found;
    std::string include;  // as ParentsSource has it
  };
  // What was copied where.
  struct Copied {
    const CopySource* source;
    std::string from;
    std::string to;
    bool is_tree;
    LayerRef unpacked = nullptr;  // of an archive that was, into the directory `to`
  };

  std::optional<Entry> Lookup(std::string_view path) const;
  absl::Status MakeParents(std::string_view directory, uint32_t mode, const Owner& owner);
  absl::Status CopyInline(const CopySource& source, const std::string& target,
                          const CopyOptions& options);
  absl::StatusOr<std::vector<Match>> FindSources(const std::vector<CopySource>& sources) const;
  absl::Status CopyMatch(const Match& match, const std::string& destination,
                         const CopyOptions& options, const Unpacker& unpack);
  absl::Status CopyTree(const Match& match, const std::string& target, const CopyOptions& options);
  absl::Status AddParent(const CopySource& source, const RootfsEntry& from,
                         const std::string& target, const CopyOptions& options);
  absl::Status AddCopied(const CopySource& source, const RootfsEntry& from,
                         const std::string& target, const CopyOptions& options);
  // Whether the file was an archive, and is unpacked now.
  absl::StatusOr<bool> Unpack(const CopySource& source, const RootfsEntry& file,
                              const std::string& destination, const CopyOptions& options,
                              const Unpacker& unpack);
  absl::Status AddUnpacked(const std::string& destination, const std::optional<Owner>& owner,
                           Entry entry);

  const Filesystem* const parent_;
  const int64_t now_ns_;
  LayerIndexBuilder index_;
  std::map<Digest, Content> contents_;
  std::vector<Copied> copied_;
  // Where the first of a group of hard links was copied to, by source and leader.
  std::map<std::pair<const Filesystem*, std::string>, std::string> leaders_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_
