// The index of a layer: every entry with all its metadata, sorted, in one memory-mapped file. It is
// the layer's primary form; a tree and a tar are derived from it and the file contents
// (registry/layer/FORMAT.md has the bytes).
//
// Order: pre-order by path component, so that a directory comes before what it contains and all of
// a subtree is contiguous: bytes compare as unsigned, and '/' is lower than any other byte.
#ifndef ZLAYER_REGISTRY_LAYER_INDEX_H_
#define ZLAYER_REGISTRY_LAYER_INDEX_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace zlayer {

enum class EntryType : uint8_t {
  kFile = 0,
  kDirectory = 1,
  kSymlink = 2,
  kFifo = 3,
  kCharacterDevice = 4,
  kBlockDevice = 5,
  // Hides the path of the layers below. Has only a path.
  kWhiteout = 6,
};

// One entry. Paths are relative to the root, without "." or ".." and with no '/' at either end;
// the root directory itself is "" (a layer has it only where its metadata was changed).
struct Entry {
  std::string path;
  EntryType type = EntryType::kFile;
  uint32_t mode = 0;  // permission bits with setuid, setgid, sticky (07777)
  uint32_t uid = 0;   // container ids
  uint32_t gid = 0;
  int64_t mtime_ns = 0;
  uint64_t size = 0;        // kFile
  Digest content;           // kFile: SHA-256 of the bytes, of a hard link too
  std::string link_target;  // kSymlink
  // kFile: path of the entry of this layer that this one is a hard link of; empty for the leader
  // itself, which is the first of its group in order. Metadata and content equal the leader's.
  std::string hard_link;
  uint64_t device = 0;  // makedev() of a device
  bool opaque = false;  // kDirectory: hides what the layers below have in it
  // The directory stands here only to give the entries below it a parent; what it says repeats the
  // merged view below this layer. It is in the tar like any other.
  bool implied_parent = false;
  std::map<std::string, std::string> xattrs;  // neither overlay's nor SELinux's
  std::map<std::string, std::string> pax;     // records that we do not interpret

  bool operator==(const Entry&) const = default;
};

// A time in nanoseconds since 1970; one that does not fit becomes the nearest that does.
int64_t TimeInNs(int64_t seconds, int64_t nanoseconds);

// Whether indexes hold the xattr `name`: all but overlayfs's own and SELinux's labels.
bool KeepsXattr(std::string_view name);

// The order of an index.
std::strong_ordering ComparePaths(std::string_view a, std::string_view b);

// Parent of "a/b/c" is "a/b"; of "a" it is "". Must not be called with "".
std::string_view ParentPath(std::string_view path);
// "a/b/c" is "c".
std::string_view BaseName(std::string_view path);
// Whether `path` is `directory` or below it; everything is below "".
bool IsAtOrBelow(std::string_view path, std::string_view directory);
// What is left of a path that is at or below `directory`: "a/b/c" below "a" is "b/c", "a" is "".
std::string_view PathBelow(std::string_view path, std::string_view directory);
// Removes "." and empty components and resolves ".." textually, never above the root:
// "/a/./b/../c/" is "a/c".
std::string CleanPath(std::string_view path);

// An index, opened. Immutable and thread-safe; the file is mapped for the object's life.
class LayerIndex {
 public:
  // Opens and checks (checksum, bounds and order of every entry). kDataLoss where it is damaged.
  // `id` is the file's digest where the caller knows it (from the file's name); without it all of
  // the file is digested.
  static absl::StatusOr<std::shared_ptr<const LayerIndex>> Open(const std::string& file,
                                                                const Digest& id = Digest());
  // The same for an index that is not in a file.
  static absl::StatusOr<std::shared_ptr<const LayerIndex>> FromBytes(std::string bytes);

  virtual ~LayerIndex() = default;

  // Digest of the file: the layer's id.
  virtual const Digest& id() const = 0;
  // Digest of the entries without their times: equal for layers that differ in nothing else.
  virtual Digest ContentDigest() const = 0;
  virtual size_t size() const = 0;
  // Entry `i` in order, decoded.
  virtual Entry At(size_t i) const = 0;
  // Its path, without decoding the rest; valid as long as the index.
  virtual std::string_view PathAt(size_t i) const = 0;
  virtual EntryType TypeAt(size_t i) const = 0;
  // Whether it hides what the layers below have beneath its path: everything but a directory that
  // is not opaque does.
  virtual bool HidesAt(size_t i) const = 0;
  // First position whose path is not less than `path`.
  virtual size_t LowerBound(std::string_view path) const = 0;
  // First position after the subtree of `path` (of the entry itself where it has no children).
  virtual size_t SubtreeEnd(std::string_view path) const = 0;
  // Position of exactly `path`, or size().
  virtual size_t Find(std::string_view path) const = 0;
  // Sum of the sizes of file contents, hard links counted once.
  virtual uint64_t content_bytes() const = 0;
};

// Collects entries in any order and writes the index. A later entry replaces an earlier one of the
// same path, but a directory keeps its children when a directory replaces it. A file that is
// replaced or removed lives on under its other names (hard links). Not thread-safe.
class LayerIndexBuilder {
 public:
  // Normalizes the entry, with the errors of NormalizeEntry (index_writer.h). What is below a
  // directory goes when something else replaces it.
  absl::Status Add(Entry entry);
  // The entry added for `path`, or null. Valid until the next Add.
  const Entry* Find(std::string_view path) const;
  // Removes `path` and everything below it.
  void RemoveSubtree(std::string_view path);
  size_t size() const { return entries_.size(); }

  // To be called once all entries are there. Checks that parents are directories that are present
  // (the root is implied) and that hard links name a file of this layer (an interchange of leader
  // and link, so that the leader comes first, is made here, and metadata of a link set to the
  // leader's). kInvalidArgument says which path is wrong.
  absl::Status Settle();

  // Calls `each` for every entry, in the order of the index, and as it will be there once they are
  // settled. The first error ends it and is returned.
  absl::Status ForEach(const std::function<absl::Status(const Entry&)>& each) const;
  // Sets the content digests of files to what `digest` answers in the same calls, and those of
  // links to their leaders', after the last one: until then ForEach may go on elsewhere. Only of
  // settled entries.
  absl::Status SetContents(const std::function<absl::StatusOr<Digest>(const Entry&)>& digest);

  // Settles, and serialises: kResourceExhausted where paths and attributes exceed 4 GiB. Files may
  // be without a content digest while their bytes are elsewhere (a context under way); a layer that
  // is stored has all of them.
  absl::StatusOr<std::string> Serialize();

 private:
  struct Less {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return ComparePaths(a, b) < 0; }
  };
  using Entries = std::map<std::string, Entry, Less>;
  // Names that were linked to a path; some may be something else since.
  using Links = std::map<std::string, std::set<std::string, Less>, Less>;

  void KeepLinks(const Entry& gone);
  absl::Status CheckParents() const;
  absl::StatusOr<std::string> LeaderOf(const Entry& link) const;
  absl::Status OrderLinks();

  Entries entries_;
  Links links_;
  bool settled_ = false;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_INDEX_H_
