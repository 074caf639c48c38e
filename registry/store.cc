#include "registry/store.h"

#include <errno.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "registry/durability.h"
#include "registry/root_directory.h"

namespace zlayer {
namespace {

// What a power failure may cost: layers younger than about this.
constexpr std::chrono::seconds kSyncInterval(10);

absl::StatusOr<std::vector<std::string>> List(const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    paths.push_back(entries->path());
  }
  if (error) {
    return ErrnoError(error.value(), "listing " + directory);
  }
  return paths;
}

void Report(const absl::Status& status, std::string_view what) {
  if (!status.ok()) {
    Log(LogModule::kStore).Warn(what, {{"error", status}});
  }
}

class DiskStore : public Store {
 public:
  DiskStore(RootDirectory root, const Clock* clock) : root_(std::move(root)), clock_(clock) {}

  ~DiskStore() override {
    if (records_ != nullptr && fetched_ != nullptr) {
      FlushUses();
    }
  }

  absl::Status Start();

  const std::string& root() const override { return root_.path; }
  std::string tmp() const override { return root_.path + "/tmp"; }
  Database& database() override { return *database_; }
  Uses& uses() override { return uses_; }
  BlobStore& blobs() override { return *blobs_; }
  ContentStore& contents() override { return *contents_; }
  LayerStore& layers() override { return *layers_; }
  ImageStore& images() override { return *images_; }
  Repositories& repositories() override { return *repositories_; }
  const ImageParts& image_parts() override { return image_parts_; }
  RecordStore& records() override { return *records_; }
  ExplanationStore& explanations() override { return *explanations_; }
  ContextStore& contexts() override { return *contexts_; }
  FetchedStore& fetched() override { return *fetched_; }
  CacheMountStore& cache_mounts() override { return *cache_mounts_; }
  absl::StatusOr<StoreStatistics> Statistics() override;

 private:
  absl::Status OpenParts();
  void FlushUses();
  void Maintain(const std::vector<std::string>& leftovers, std::stop_token stop);

  const RootDirectory root_;  // first: the lock goes last
  const Clock* const clock_;
  Uses uses_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<ContentStore> contents_;
  std::unique_ptr<LayerStore> layers_;
  std::unique_ptr<BlobLeases> leases_;
  UsedThings<Digest> used_manifests_{&uses_};
  ImageParts image_parts_;
  std::unique_ptr<ImageStore> images_;
  std::unique_ptr<Repositories> repositories_;
  std::unique_ptr<RecordStore> records_;
  std::unique_ptr<ExplanationStore> explanations_;
  std::unique_ptr<ContextStore> contexts_;
  std::unique_ptr<FetchedStore> fetched_;
  std::unique_ptr<CacheMountStore> cache_mounts_;

  Mutex mutex_;  // for the wait only
  CondVar interval_;
  std::jthread maintenance_;  // last: ends before what it uses
};

absl::Status DiskStore::Start() {
  ASSIGN_OR_RETURN(database_, OpenDatabase(root_.path + "/meta.db"));
  RETURN_IF_ERROR(DropUnsynced(root_.path, database_.get()));
  RETURN_IF_ERROR(RemoveExpiredContexts(database_.get(), clock_->NowNs()));
  // Listed before anybody can put something new there.
  ASSIGN_OR_RETURN(std::vector<std::string> leftovers, List(tmp()));
  RETURN_IF_ERROR(OpenParts());
  maintenance_ = std::jthread([this, leftovers = std::move(leftovers)](std::stop_token stop) {
    Maintain(leftovers, std::move(stop));
  });
  return absl::OkStatus();
}

absl::Status DiskStore::OpenParts() {
  ASSIGN_OR_RETURN(blobs_, OpenDiskBlobStore(root_.path + "/blobs"));
  ASSIGN_OR_RETURN(contents_,
                   OpenPackContentStore(root_.path, database_.get(), blobs_.get(), &uses_));
  ASSIGN_OR_RETURN(
      layers_, OpenDiskLayerStore(root_.path, database_.get(), contents_.get(), clock_, &uses_));
  leases_ = std::make_unique<BlobLeases>(database_.get(), blobs_.get());
  image_parts_ = {.database = database_.get(),
                  .blobs = blobs_.get(),
                  .contents = contents_.get(),
                  .layers = layers_.get(),
                  .leases = leases_.get(),
                  .clock = clock_,
                  .uses = &uses_,
                  .used_manifests = &used_manifests_,
                  .tmp_directory = tmp()};
  images_ = OpenImageStore(image_parts_);
  repositories_ = OpenRepositories(image_parts_);
  records_ = OpenRecordStore(database_.get(), clock_);
  explanations_ = OpenExplanationStore(database_.get(), clock_);
  contexts_ = OpenContextStore(database_.get(), clock_);
  fetched_ = OpenFetchedStore(database_.get(), clock_);
  ASSIGN_OR_RETURN(cache_mounts_, OpenCacheMountStore(root_.path, database_.get(), clock_));
  return absl::OkStatus();
}

void DiskStore::Maintain(const std::vector<std::string>& leftovers, std::stop_token stop) {
  for (const std::string& path : leftovers) {
    if (stop.stop_requested()) {
      return;
    }
    Report(RemoveTree(path), "emptying tmp failed");
  }
  while (!stop.stop_requested()) {
    {
      MutexLock lock(&mutex_);
      interval_.WaitFor(&mutex_, kSyncInterval, stop, [] { return false; });
    }
    if (stop.stop_requested()) {
      return;
    }
    auto sync = [this] {
      return syncfs(root_.fd.get()) == 0 ? absl::OkStatus() : ErrnoError("syncfs");
    };
    Report(MarkSynced(database_.get(), sync), "syncing the store failed");
    Report(RemoveExpiredContexts(database_.get(), clock_->NowNs()),
           "removing expired contexts failed");
    FlushUses();
  }
}

void DiskStore::FlushUses() {
  Report(records_->FlushUses(), "writing last uses failed");
  Report(fetched_->FlushUses(), "writing last uses failed");
}

absl::StatusOr<StoreStatistics> DiskStore::Statistics() {
  StoreStatistics statistics;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement count, connection.Prepare("SELECT (SELECT count(*) FROM images), "
                                                         "(SELECT count(*) FROM layers), "
                                                         "(SELECT count(*) FROM records)"));
    RETURN_IF_ERROR(count.Step().status());
    statistics.images = static_cast<uint64_t>(count.Int(0));
    statistics.layers = static_cast<uint64_t>(count.Int(1));
    statistics.records = static_cast<uint64_t>(count.Int(2));
    return absl::OkStatus();
  }));
  return statistics;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& root, const Clock* clock) {
  ASSIGN_OR_RETURN(RootDirectory directory, OpenRootDirectory(root));
  auto store = std::make_unique<DiskStore>(std::move(directory), clock);
  RETURN_IF_ERROR(store->Start());
  return store;
}

absl::StatusOr<LayerRef> RecordedLayer(Store& store, const Digest& key) {
  const absl::StatusOr<CacheRecord> record = store.records().Find(key);
  absl::StatusOr<LayerRef> layer =
      record.ok() ? store.layers().Get(record->layer) : record.status();
  if (absl::IsNotFound(layer.status())) {
    return nullptr;
  }
  return layer;
}

}  // namespace zlayer
