// Who holds what in the store: layers, packs of contents and blobs by the strongest of their
// holders.
#ifndef ZLAYER_REGISTRY_USAGE_HOLDERS_H_
#define ZLAYER_REGISTRY_USAGE_HOLDERS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "registry/meta/database.h"

namespace zlayer {

// Strongest first.
enum class Holder : uint8_t {
  kImage,          // an image with a name
  kNamelessImage,  // only images without one
  kCache,          // only cache records, as what they made or were made on, and fetched sources
  kContext,        // only uploads: contexts, and blobs sent to /v2/ that no manifest names yet
  kNothing,
};

// Memory grows with the numbers of layers, packs and blobs, not with those of files. Not
// thread-safe.
class Holders {
 public:
  // Reads the rows in one transaction, then every index below `root`, some thousand contents a
  // transaction: writers are never kept waiting. Rows that vanish meanwhile are passed over.
  // With kAll, layers that nothing holds have packs, too.
  enum class Indexes { kOfHeld, kAll };
  static absl::StatusOr<Holders> Read(const std::string& root, Database* database, Indexes indexes,
                                      std::stop_token stop);

  struct Layer {
    Holder holder = Holder::kNothing;
    bool named = false;   // by a context, or an image that has a name or that something needs
    bool cached = false;  // a record needs it, whoever else does
    Digest arrived_tar;   // its one form as a tar; none where the store can write it
    bool has_tree = false;
    uint64_t content_bytes = 0;
    std::vector<int64_t> packs;  // with contents of it
  };
  struct Pack {
    Holder holder = Holder::kNothing;
    uint64_t size = 0;
    bool is_blob = false;
    std::vector<Digest> layers;  // some of those that have contents in it
  };
  const std::unordered_map<Digest, Layer>& layers() const { return layers_; }
  const std::unordered_map<int64_t, Pack>& packs() const { return packs_; }
  // Null where there is no such layer.
  const Layer* FindLayer(const Digest& layer) const;
  // The layer of trees/<number>.
  std::optional<Digest> LayerOfTree(uint64_t number) const;
  Holder OfPack(int64_t pack) const;
  Holder OfBlob(const Digest& blob) const;

  // What the holders are called: familiar names of images, or manifest digests of those without;
  // "cache"; ids of contexts. At most kMaxNames, sorted.
  static constexpr size_t kMaxNames = 10;
  absl::StatusOr<std::vector<std::string>> NamesOfLayer(const Digest& layer) const;
  absl::StatusOr<std::vector<std::string>> NamesOfPack(int64_t pack) const;
  absl::StatusOr<std::vector<std::string>> NamesOfBlob(const Digest& blob) const;

 private:
  explicit Holders(Database* database) : database_(database) {}
  absl::Status ReadRows(Connection& connection);
  absl::Status ReadLayers(Connection& connection);
  absl::Status ReadImages(Connection& connection);
  absl::Status ReadCache(Connection& connection);
  absl::Status ReadPacks(Connection& connection);
  absl::Status MarkPacks(const std::string& root, Indexes indexes, std::stop_token stop);
  absl::Status MarkPacksOf(const std::string& index, const Digest& layer,
                           const std::stop_token& stop);
  absl::Status MarkContents(const Digest& layer, const std::vector<Digest>& contents);
  void MarkBlobsOfPacks();
  void Mark(const Digest& layer, Holder holder, bool named);
  void MarkBlob(const Digest& blob, Holder holder);
  absl::Status AddNames(const Digest& layer, std::set<std::string>* names) const;

  Database* database_;
  std::unordered_map<Digest, Layer> layers_;
  std::unordered_map<uint64_t, Digest> trees_;
  std::unordered_map<int64_t, Pack> packs_;
  std::unordered_map<Digest, int64_t> packs_of_blobs_;
  std::unordered_map<Digest, Holder> blobs_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_USAGE_HOLDERS_H_
