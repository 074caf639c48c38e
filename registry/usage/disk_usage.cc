#include "registry/usage/disk_usage.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/usage/disk_walker.h"
#include "registry/usage/holders.h"

namespace zlayer {
namespace {

enum Category : size_t {
  kImages,
  kNameless,
  kCache,
  kCacheMounts,
  kContexts,
  kBuilds,
  kDatabase,
  kTemporary,
  kUnused,
  kCategories,
};
constexpr std::string_view kNames[kCategories] = {"images",       "nameless",  "cache",
                                                  "cache-mounts", "contexts",  "builds",
                                                  "database",     "temporary", "unused"};

Category CategoryOf(Holder holder) {
  switch (holder) {
    case Holder::kImage:
      return kImages;
    case Holder::kNamelessImage:
      return kNameless;
    case Holder::kCache:
      return kCache;
    case Holder::kContext:
      return kContexts;
    case Holder::kNothing:
      break;
  }
  return kUnused;
}

// One thing, named so that what holds it can be looked up once it is known to be listed.
struct Thing {
  enum class Kind { kLayer, kPack, kBlob, kLog, kFile, kDirectory, kCacheMount };
  Kind kind = Kind::kFile;
  Category category = kUnused;
  uint64_t bytes = 0;
  std::string name;

  bool operator<(const Thing& other) const {
    return std::tie(other.bytes, name, kind) < std::tie(bytes, other.name, other.kind);
  }
};

class Measurement {
 public:
  Measurement(const std::string& root, Database* database, size_t max_items, std::stop_token stop)
      : root_(root), database_(database), max_items_(max_items), stop_(stop), walker_(stop) {}

  absl::StatusOr<DiskUsage> Run();

 private:
  using Visit = std::function<absl::Status(const UniqueFd& directory, const std::string& name)>;

  void Add(Thing thing);
  // The blocks of a directory that the store always has.
  void AddOwn(uint64_t bytes) { usage_[kDatabase].bytes += bytes; }
  absl::Status AddFile(const UniqueFd& directory, const std::string& name, Category category);

  absl::Status List(const std::string& path, const Visit& visit);
  absl::Status MeasureRoot(const UniqueFd& root, const std::string& name);
  absl::Status MeasureBlob(const UniqueFd& directory, const std::string& name);
  absl::Status MeasurePack(const UniqueFd& directory, const std::string& name);
  absl::Status MeasureIndex(const UniqueFd& directory, const std::string& name);
  absl::Status MeasureTree(const UniqueFd& directory, const std::string& name);
  absl::Status MeasureBuild(const UniqueFd& directory, const std::string& name);
  absl::Status MeasureCacheMount(const UniqueFd& directory, const std::string& name);
  void AddLayers();
  absl::StatusOr<bool> IsBuild(const std::string& id);
  absl::StatusOr<std::optional<std::string>> CacheMountId(uint64_t number) const;
  absl::StatusOr<std::vector<std::string>> HoldersOf(const Thing& thing) const;

  const std::string& root_;
  Database* const database_;
  const size_t max_items_;
  const std::stop_token stop_;
  DiskWalker walker_;
  std::optional<Holders> holders_;
  UsageCategory usage_[kCategories];
  std::unordered_map<Digest, uint64_t> layers_;  // index and tree
  std::set<Thing> largest_;                      // the first is the largest
};

void Measurement::Add(Thing thing) {
  UsageCategory& category = usage_[thing.category];
  ++category.objects;
  category.bytes += thing.bytes;
  if (max_items_ == 0 || (largest_.size() == max_items_ && !(thing < *largest_.rbegin()))) {
    return;
  }
  largest_.insert(std::move(thing));
  if (largest_.size() > max_items_) {
    largest_.erase(std::prev(largest_.end()));
  }
}

absl::Status Measurement::AddFile(const UniqueFd& directory, const std::string& name,
                                  Category category) {
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  Add({Thing::Kind::kFile, category, bytes, ToUtf8(name)});
  return absl::OkStatus();
}

absl::Status Measurement::List(const std::string& path, const Visit& visit) {
  absl::StatusOr<DiskWalker::Directory> directory = walker_.Open(path);
  if (absl::IsNotFound(directory.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(directory.status());
  AddOwn(directory->bytes);
  return walker_.List(directory->fd,
                      [&](const std::string& name) { return visit(directory->fd, name); });
}

absl::Status Measurement::MeasureRoot(const UniqueFd& root, const std::string& name) {
  const std::string path = root_ + "/" + name;
  auto visit = [this](absl::Status (Measurement::*measure)(const UniqueFd&, const std::string&)) {
    return [this, measure](const UniqueFd& directory, const std::string& entry) {
      return (this->*measure)(directory, entry);
    };
  };
  if (name == "blobs") {
    return List(path, [&](const UniqueFd& directory, const std::string& algorithm) {
      return algorithm == "sha256" ? List(path + "/sha256", visit(&Measurement::MeasureBlob))
                                   : AddFile(directory, algorithm, kUnused);
    });
  }
  if (name == "packs") {
    return List(path, visit(&Measurement::MeasurePack));
  }
  if (name == "indexes") {
    return List(path, visit(&Measurement::MeasureIndex));
  }
  if (name == "trees") {
    return List(path, visit(&Measurement::MeasureTree));
  }
  if (name == "builds") {
    return List(path, visit(&Measurement::MeasureBuild));
  }
  if (name == "cache-mounts") {
    return List(path, visit(&Measurement::MeasureCacheMount));
  }
  if (name == "tmp") {
    return List(path, [this](const UniqueFd& directory, const std::string& entry) {
      return AddFile(directory, entry, kTemporary);
    });
  }
  const bool ours = name == "lock" || name.starts_with("meta.db");
  return AddFile(root, name, ours ? kDatabase : kUnused);
}

absl::Status Measurement::MeasureBlob(const UniqueFd& directory, const std::string& name) {
  absl::StatusOr<Digest> digest = Digest::FromHex(name);
  if (!digest.ok()) {
    return AddFile(directory, name, kUnused);
  }
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  Add({Thing::Kind::kBlob, CategoryOf(holders_->OfBlob(*digest)), bytes, digest->ToString()});
  return absl::OkStatus();
}

absl::Status Measurement::MeasurePack(const UniqueFd& directory, const std::string& name) {
  std::optional<uint64_t> number = ParseUint(name);
  if (!number.has_value()) {
    return AddFile(directory, name, kUnused);
  }
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  const Holder holder = holders_->OfPack(static_cast<int64_t>(*number));
  Add({Thing::Kind::kPack, CategoryOf(holder), bytes, name});
  return absl::OkStatus();
}

absl::Status Measurement::MeasureIndex(const UniqueFd& directory, const std::string& name) {
  absl::StatusOr<Digest> digest = Digest::FromHex(name);
  if (!digest.ok() || holders_->FindLayer(*digest) == nullptr) {
    return AddFile(directory, name, kUnused);
  }
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  layers_[*digest] += bytes;
  return absl::OkStatus();
}

absl::Status Measurement::MeasureTree(const UniqueFd& directory, const std::string& name) {
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  std::optional<uint64_t> number = ParseUint(name);
  std::optional<Digest> layer = number ? holders_->LayerOfTree(*number) : std::nullopt;
  if (layer.has_value()) {
    layers_[*layer] += bytes;
  } else {
    Add({Thing::Kind::kDirectory, kUnused, bytes, "trees/" + ToUtf8(name)});
  }
  return absl::OkStatus();
}

absl::Status Measurement::MeasureBuild(const UniqueFd& directory, const std::string& name) {
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  ASSIGN_OR_RETURN(bool known, IsBuild(name));
  if (known) {
    Add({Thing::Kind::kLog, kBuilds, bytes, name});
  } else {
    Add({Thing::Kind::kDirectory, kUnused, bytes, "builds/" + ToUtf8(name)});
  }
  return absl::OkStatus();
}

absl::Status Measurement::MeasureCacheMount(const UniqueFd& directory, const std::string& name) {
  ASSIGN_OR_RETURN(uint64_t bytes, walker_.Measure(directory, name));
  const std::optional<uint64_t> number = ParseUint(name);
  std::optional<std::string> id;
  if (number.has_value()) {
    ASSIGN_OR_RETURN(id, CacheMountId(*number));
  }
  if (id.has_value()) {
    Add({Thing::Kind::kCacheMount, kCacheMounts, bytes, name});
  } else {
    Add({Thing::Kind::kDirectory, kUnused, bytes, "cache-mounts/" + ToUtf8(name)});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> Measurement::CacheMountId(uint64_t number) const {
  std::optional<std::string> id;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find,
                     connection.Prepare("SELECT id FROM cache_mounts WHERE number = ?"));
    ASSIGN_OR_RETURN(const bool found, find.Bind(1, static_cast<int64_t>(number)).Step());
    if (found) {
      id = find.Text(0);
    }
    return absl::OkStatus();
  }));
  return id;
}

absl::StatusOr<bool> Measurement::IsBuild(const std::string& id) {
  bool known = false;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT 1 FROM builds WHERE id = ?"));
    ASSIGN_OR_RETURN(known, find.BindText(1, id).Step());
    return absl::OkStatus();
  }));
  return known;
}

void Measurement::AddLayers() {
  for (const auto& [layer, bytes] : layers_) {
    const Holder holder = holders_->FindLayer(layer)->holder;
    Add({Thing::Kind::kLayer, CategoryOf(holder), bytes, layer.ToString()});
  }
}

absl::StatusOr<std::vector<std::string>> Measurement::HoldersOf(const Thing& thing) const {
  switch (thing.kind) {
    case Thing::Kind::kLayer: {
      ASSIGN_OR_RETURN(Digest layer, Digest::Parse(thing.name));
      return holders_->NamesOfLayer(layer);
    }
    case Thing::Kind::kBlob: {
      ASSIGN_OR_RETURN(Digest blob, Digest::Parse(thing.name));
      return holders_->NamesOfBlob(blob);
    }
    case Thing::Kind::kPack:
      return holders_->NamesOfPack(static_cast<int64_t>(ParseUint(thing.name).value_or(0)));
    case Thing::Kind::kLog:
      return std::vector<std::string>{thing.name};
    case Thing::Kind::kCacheMount: {
      ASSIGN_OR_RETURN(const std::optional<std::string> id,
                       CacheMountId(ParseUint(thing.name).value_or(0)));
      return std::vector<std::string>{id.value_or("")};
    }
    case Thing::Kind::kFile:
    case Thing::Kind::kDirectory:
      break;
  }
  return std::vector<std::string>();
}

std::string KindName(Thing::Kind kind) {
  switch (kind) {
    case Thing::Kind::kLayer:
      return "layer";
    case Thing::Kind::kPack:
      return "pack";
    case Thing::Kind::kBlob:
      return "blob";
    case Thing::Kind::kLog:
      return "log";
    case Thing::Kind::kDirectory:
      return "directory";
    case Thing::Kind::kCacheMount:
      return "cache-mount";
    case Thing::Kind::kFile:
      break;
  }
  return "file";
}

absl::StatusOr<DiskUsage> Measurement::Run() {
  ASSIGN_OR_RETURN(holders_, Holders::Read(root_, database_, Holders::Indexes::kOfHeld, stop_));
  RETURN_IF_ERROR(List(root_, [this](const UniqueFd& root, const std::string& name) {
    return MeasureRoot(root, name);
  }));
  AddLayers();
  DiskUsage usage;
  for (size_t i = 0; i < kCategories; ++i) {
    usage_[i].name = kNames[i];
    usage.total_bytes += usage_[i].bytes;
    usage.categories.push_back(usage_[i]);
  }
  for (const Thing& thing : largest_) {
    ASSIGN_OR_RETURN(std::vector<std::string> held_by, HoldersOf(thing));
    usage.items.push_back({usage_[thing.category].name, KindName(thing.kind), thing.name,
                           thing.bytes, std::move(held_by)});
  }
  struct statvfs disk;
  if (statvfs(root_.c_str(), &disk) != 0) {
    return ErrnoError(root_);
  }
  usage.disk_free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  usage.disk_total_bytes = uint64_t{disk.f_blocks} * disk.f_frsize;
  return usage;
}

}  // namespace

absl::StatusOr<DiskUsage> MeasureDiskUsage(const std::string& root, Database* database,
                                           size_t max_items, std::stop_token stop) {
  return Measurement(root, database, max_items, std::move(stop)).Run();
}

}  // namespace zlayer
