// File contents by digest, packed: a build context of 20,000 files is one file on disk, and a file
// that did not change since the last build is not stored again.
//
// A pack is a file of contents one after the other. The database maps a digest to (pack, offset,
// size); a stored blob may serve as a pack too (an imported tar whose contents are read in place).
#ifndef ZLAYER_REGISTRY_CONTENT_CONTENT_STORE_H_
#define ZLAYER_REGISTRY_CONTENT_CONTENT_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/content/content_file.h"
#include "registry/uses/uses.h"

namespace zlayer {

class BlobStore;
class Database;

// Collects contents into a new pack. What is not committed leaves nothing behind. Not thread-safe.
class PackWriter {
 public:
  virtual ~PackWriter() = default;

  // Adds to the content under way.
  virtual absl::Status Append(std::string_view data) = 0;
  // Ends the content under way, an empty one too, and returns its digest. Bytes that the store or
  // this pack has already are not kept a second time.
  virtual absl::StatusOr<Digest> End() = 0;
  // Drops the content under way.
  virtual void Abandon() = 0;
  // A whole content: Append and End for all of `file`. Nothing is read where `known` (its digest,
  // if not none) is stored already. kDataLoss where the bytes do not have the digest `known`.
  // kInternal where another content is under way.
  virtual absl::StatusOr<Digest> Copy(const ContentFile& file, const Digest& known) = 0;
  // The content that End or Copy returned, before Commit too.
  virtual absl::StatusOr<ContentFile> Open(const Digest& digest) = 0;
  // Makes the contents visible to all; one still under way is dropped. Nothing may be called after
  // it.
  virtual absl::Status Commit() = 0;
};

// Thread-safe.
class ContentStore {
 public:
  virtual ~ContentStore() = default;

  // kNotFound where the store lacks it. The bytes are not checked here: whoever streams them does
  // (see ReadContent). kDataLoss where the file that should hold it is gone.
  virtual absl::StatusOr<ContentFile> Open(const Digest& digest) = 0;
  // For each digest the size of its content, nullopt where the store lacks it.
  virtual absl::StatusOr<std::vector<std::optional<uint64_t>>> Sizes(
      const std::vector<Digest>& digests) = 0;
  // For each digest, whether the store has it.
  absl::StatusOr<std::vector<bool>> Has(const std::vector<Digest>& digests);
  virtual absl::StatusOr<std::unique_ptr<PackWriter>> NewPack() = 0;

  // Where contents lie in a stored blob.
  struct BlobRange {
    Digest content;
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  // Makes ranges of the uncompressed blob `blob` known as contents. Those that the store has stay
  // where they are. kNotFound where the blob is not stored, kInvalidArgument where a range lies
  // beyond its end. After an error some of them may be known.
  virtual absl::Status AddBlobRanges(const Digest& blob, const std::vector<BlobRange>& ranges) = 0;

  // Removes a pack, unless a content of it was said to be stored, or was written, since `since`.
  // Its file is moved to the directory `trash`; that of a blob stays. True where the pack went.
  virtual absl::StatusOr<bool> RemovePack(int64_t pack, Uses::Stamp since,
                                          const std::string& trash) = 0;
};

// Contents in `root`/packs and in `blobs`; both arguments must outlive the store, and the store its
// writers. Files of packs that were never committed are removed here.
absl::StatusOr<std::unique_ptr<ContentStore>> OpenPackContentStore(const std::string& root,
                                                                   Database* database,
                                                                   BlobStore* blobs,
                                                                   const Uses* uses);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CONTENT_CONTENT_STORE_H_
