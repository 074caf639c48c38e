// Reads archives that arrive (layer tars, root filesystems, build contexts, what ADD unpacks) into
// an index and contents. Everything in them is hostile: paths are made to stay below the root,
// links are never followed, and sizes and counts have limits.
#ifndef ZLAYER_REGISTRY_LAYER_ARCHIVE_H_
#define ZLAYER_REGISTRY_LAYER_ARCHIVE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/content/content_store.h"
#include "registry/layer/index.h"
#include "registry/layer/rootfs.h"

namespace zlayer {

struct ArchiveLimits {
  uint64_t entries = 5'000'000;
  uint64_t bytes = uint64_t{256} << 30;  // unpacked
  // Unpacked to packed, once more than 100 MiB are unpacked: a bomb.
  uint64_t ratio = 1'000;
};

struct ArchiveOptions {
  ArchiveLimits limits;
  // Whether `.wh.` names are whiteouts (a layer) or refused (anything else).
  bool layer = false;
  // Layers below: parents that the archive lacks are taken from here, links into them resolved.
  // Missing parents that are not here either become 0755 directories of root at time 0.
  const Rootfs* below = nullptr;
};

struct ArchiveResult {
  // Of the whole uncompressed stream: a layer's diff id and size.
  Digest tar_digest;
  uint64_t tar_size = 0;
  // The input was not compressed and `in_place` was set: `ranges` says where in it the contents
  // lie. The pack holds only those that do not lie there as they are (sparse files).
  bool uncompressed = false;
  std::vector<ContentStore::BlobRange> ranges;
};

// Whether the first bytes look like something that ReadArchive takes: a tar, plain or behind gzip,
// bzip2, xz or zstd (what BuildKit's ADD unpacks). One whose later bytes are damaged or missing is
// one, too, and an error of ReadArchive. Reads with pread only.
bool IsArchive(const ContentFile& file);

// Reads the tar in `file` (plain, gzip, bzip2, xz or zstd), adds its entries to `builder`, and its
// contents to `pack` unless it is uncompressed and `in_place` is set. Entries are taken as if they
// were unpacked in a chroot, one after the other. kInvalidArgument says what is wrong with the
// archive and at which entry; builder and pack are then useless. An empty file is no archive.
//
// A hard link into a layer below becomes a file of its own with the same content, which the caller
// must find where the lower layer has it.
absl::StatusOr<ArchiveResult> ReadArchive(const ContentFile& file, const ArchiveOptions& options,
                                          bool in_place, PackWriter* pack,
                                          LayerIndexBuilder* builder, std::stop_token stop);

// An archive that was taken whole.
struct StoredArchive {
  std::string index;  // of its entries, as LayerStore::Add takes it
  size_t entries = 0;
  uint64_t tar_size = 0;  // uncompressed
};

// ReadArchive with the contents in a pack of `contents`, for an archive that is no layer.
absl::StatusOr<StoredArchive> StoreArchive(const ContentFile& file, ContentStore* contents,
                                           std::stop_token stop);

// A file or a link of an archive of archives.
struct ArchivedFile {
  enum class Kind { kFile, kSymlink, kHardLink };
  Kind kind = Kind::kFile;
  std::string path;    // cleaned
  uint64_t size = 0;   // kFile
  std::string target;  // of a link, as it is in the archive
};

// Calls `visit` for each regular file and each link of the tar in `file`, in order, with a function
// that streams a file's content (call it at most once, during the visit). For archives of archives:
// OCI layouts and what `docker save` writes.
using ArchiveFileReader =
    std::function<absl::Status(const std::function<absl::Status(std::string_view)>& sink)>;
absl::Status ReadArchiveFiles(
    const ContentFile& file, const ArchiveLimits& limits,
    const std::function<absl::Status(const ArchivedFile& entry, const ArchiveFileReader& read)>&
        visit,
    std::stop_token stop);

// Whether the file is something behind gzip, bzip2, xz or zstd. An empty file is not.
absl::StatusOr<bool> IsCompressed(const ContentFile& file);

// Streams what is behind the compression of `file`; a file that is not compressed as it is.
// kInvalidArgument: it is damaged, or unpacks to more than `limits` allow.
absl::Status ReadUncompressed(const ContentFile& file, const ArchiveLimits& limits,
                              const std::function<absl::Status(std::string_view)>& sink,
                              std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_ARCHIVE_H_
