// A store with layers and records of a test's making, and sweeps of it.
#ifndef ZLAYER_REGISTRY_GC_TESTING_GC_FIXTURE_H_
#define ZLAYER_REGISTRY_GC_TESTING_GC_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/gc/sweep.h"
#include "registry/layer/testing/entries.h"
#include "registry/store.h"
#include "registry/testing/rows.h"
#include "registry/usage/disk_usage.h"
#include "tests/status_matchers.h"

namespace zlayer {

// Begins now. Each look at it is `step` nanoseconds after the one before.
class ManualClock : public Clock {
 public:
  int64_t NowNs() const override { return now_.fetch_add(step); }
  void Advance(std::chrono::nanoseconds time) { now_ += time.count(); }

  std::atomic<int64_t> step{1};

 private:
  mutable std::atomic<int64_t> now_{SystemClock()->NowNs()};
};

// A layer of one file, which begins in a pack.
inline absl::StatusOr<LayerRef> MakeLayer(Store& store, const std::string& content) {
  ASSIGN_OR_RETURN(std::unique_ptr<PackWriter> pack, store.contents().NewPack());
  RETURN_IF_ERROR(pack->Append(content));
  RETURN_IF_ERROR(pack->End().status());
  RETURN_IF_ERROR(pack->Commit());
  return store.layers().Add(SerializeEntries({FileEntry("file-" + content, content)}), "");
}

inline absl::Status ReadLayer(Store& store, const Digest& id) {
  ASSIGN_OR_RETURN(const LayerRef layer, store.layers().Get(id));
  for (size_t i = 0; i < layer->size(); ++i) {
    ASSIGN_OR_RETURN(const ContentFile file, store.layers().OpenContent(*layer, layer->At(i)));
    RETURN_IF_ERROR(
        ReadContent(file, layer->At(i).content, [](std::string_view) { return absl::OkStatus(); }));
  }
  return absl::OkStatus();
}

class GcFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-gc-"));
    Open();
  }
  void Open() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", &clock_));
  }

  Digest Layer(const std::string& content) {
    auto layer = MakeLayer(*store_, content);
    EXPECT_OK(layer);
    return layer.ok() ? (*layer)->id() : Digest();
  }
  // Made and used now.
  void Record(const std::string& key, const Digest& layer, std::vector<Digest> chain = {}) {
    CacheRecord record;
    record.key = Digest::Of(key);
    record.layer = layer;
    record.chain = std::move(chain);
    record.created_ns = clock_.NowNs();
    record.description = "RUN " + key;
    EXPECT_OK(store_->records().Put("default", record));
  }

  SweepResult Collect(SweepOptions options = {}) {
    absl::StatusOr<SweepResult> result = Sweep(*store_, options, clock_.NowNs() + 1, {});
    EXPECT_OK(result);
    return result.ok() ? *result : SweepResult();
  }
  SweepResult PruneAll() { return Collect({.policies = {GcPolicy()}}); }

  std::vector<std::string> Rows(std::string_view sql) {
    auto rows = Query(store_->database(), sql);
    EXPECT_OK(rows);
    return rows.ok() ? *rows : std::vector<std::string>();
  }
  size_t Files(const std::string& directory) {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(store_->root() + "/" + directory), {}));
  }
  uint64_t Unused() {
    auto usage = MeasureDiskUsage(store_->root(), &store_->database(), 0, {});
    EXPECT_OK(usage);
    for (const UsageCategory& category : usage->categories) {
      if (category.name == "unused") {
        return category.bytes;
      }
    }
    return 0;
  }

  ManualClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_GC_TESTING_GC_FIXTURE_H_
