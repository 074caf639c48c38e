// A layer that a file operation (COPY, ADD, WORKDIR) is putting together: entries first, from
// metadata alone, so that the layer is known before a byte is read; then the contents that the
// store lacks.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
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
  // Archives are unpacked instead of copied.
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

// Not thread-safe. `parent`, and what sources point to, must outlive the draft. Paths are relative
// to the root.
class LayerDraft {
 public:
  // `now_ns` is the time of what the operation makes itself.
  LayerDraft(const Filesystem* parent, int64_t now_ns) : parent_(parent), now_ns_(now_ns) {}

  // COPY's and ADD's semantics, as BuildKit's: only the destination follows links; a directory's
  // content is copied, not the directory; neither replaces a file with a directory nor the reverse.
  // kNotFound: a source does not exist. kFailedPrecondition: source and destination do not fit.
  absl::Status Copy(const std::vector<CopySource>& sources, const CopyOptions& options);

  // WORKDIR's semantics: `path`, links followed, and missing parents are made.
  absl::Status MakeDirectory(std::string_view path, uint32_t mode, const Owner& owner);

  // An archive that Copy found and only Finish unpacks: what users call it, and what a key must
  // contain of it beside the index (digest, owner and destination).
  struct ArchiveToUnpack {
    std::string name;
    std::string key;
  };
  std::vector<ArchiveToUnpack> Archives() const;
  // The keys of all.
  std::string ArchiveKey() const;

  // What users call what is at `path` of the index, or was in that of an earlier copy: the source
  // that it is copied from ("src/a.c"), or else its place in the image ("/etc").
  std::string NameOf(std::string_view path) const;

  // The index as it is without unpacked archives. May be called before Finish.
  absl::StatusOr<std::string> Serialize() { return index_.Serialize(); }

  // Unpacks archives and stores contents; returns the final index.
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
  };
  struct Archive {
    const CopySource* source;
    RootfsEntry file;
    std::string destination;
    std::optional<Owner> owner;
  };

  std::optional<Entry> Lookup(std::string_view path) const;
  absl::Status MakeParents(std::string_view directory, uint32_t mode, const Owner& owner);
  absl::Status CopyInline(const CopySource& source, const std::string& target,
                          const CopyOptions& options);
  absl::StatusOr<std::vector<Match>> FindSources(const std::vector<CopySource>& sources) const;
  absl::Status CopyMatch(const Match& match, const std::string& destination,
                         const CopyOptions& options);
  absl::Status CopyTree(const Match& match, const std::string& target, const CopyOptions& options);
  absl::Status AddParent(const CopySource& source, const RootfsEntry& from,
                         const std::string& target, const CopyOptions& options);
  absl::Status CopyFile(const CopySource& source, const RootfsEntry& file,
                        const std::string& target, const CopyOptions& options);
  absl::Status AddCopied(const CopySource& source, const RootfsEntry& from,
                         const std::string& target, const CopyOptions& options);
  absl::Status Unpack(const Archive& archive, PackWriter* pack, std::stop_token stop);
  absl::Status AddUnpacked(const Archive& archive, Entry entry);
  absl::Status StoreContents(ContentStore* contents, PackWriter* pack, std::stop_token stop);

  const Filesystem* const parent_;
  const int64_t now_ns_;
  LayerIndexBuilder index_;
  std::map<Digest, Content> contents_;
  std::vector<Archive> archives_;
  std::vector<Copied> copied_;
  // Where the first of a group of hard links was copied to, by source and leader.
  std::map<std::pair<const Filesystem*, std::string>, std::string> leaders_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_LAYER_DRAFT_H_
