#include "registry/store.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/files.h"
#include "base/status_macros.h"
#include "registry/layer/index.h"
#include "registry/meta/boot.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_; }
  void Advance(int64_t seconds) { now_ += seconds * 1'000'000'000; }

 private:
  std::atomic<int64_t> now_ = 1'700'000'000'000'000'000;
};

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "store"));
    root_ = directory_.path() + "/root";
    Reopen();
  }

  void Reopen() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(root_, &clock_));
  }

  // A layer with one file, its content stored.
  absl::StatusOr<Digest> AddLayer(const std::string& content) {
    ASSIGN_OR_RETURN(auto pack, store_->contents().NewPack());
    RETURN_IF_ERROR(pack->Append(content));
    Entry entry;
    entry.path = "file";
    entry.type = EntryType::kFile;
    entry.size = content.size();
    ASSIGN_OR_RETURN(entry.content, pack->End());
    RETURN_IF_ERROR(pack->Commit());
    LayerIndexBuilder builder;
    RETURN_IF_ERROR(builder.Add(std::move(entry)));
    ASSIGN_OR_RETURN(std::string index, builder.Serialize());
    ASSIGN_OR_RETURN(LayerRef layer, store_->layers().Add(index, ""));
    return layer->id();
  }

  absl::Status Run(std::string_view sql) {
    return store_->database().Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
      return statement.Run();
    });
  }

  FakeClock clock_;
  ScopedDirectory directory_;
  std::string root_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, WhatIsStoredIsThereAfterReopening) {
  ASSERT_OK_AND_ASSIGN(Digest layer, AddLayer("content"));
  ASSERT_OK_AND_ASSIGN(Digest blob, store_->blobs().Write("blob"));
  ASSERT_OK(store_->records().Put("team", {Digest::Of("key"), layer, {}, "build", 1}));
  ASSERT_OK_AND_ASSIGN(StoredContext context, store_->contexts().Put("team", layer, false));
  Reopen();
  EXPECT_OK(store_->layers().Get(layer));
  EXPECT_OK(store_->contents().Open(Digest::Of("content")));
  EXPECT_THAT(store_->blobs().Read(blob), IsOkAndHolds("blob"));
  EXPECT_OK(store_->records().Find(Digest::Of("key")));
  EXPECT_OK(store_->contexts().Get("team", context.id));
  ASSERT_OK_AND_ASSIGN(StoreStatistics statistics, store_->Statistics());
  EXPECT_EQ(statistics.layers, 1u);
  EXPECT_EQ(statistics.records, 1u);
  EXPECT_EQ(statistics.images, 0u);
}

TEST_F(StoreTest, TheRootIsLockedWhileItIsOpen) {
  EXPECT_THAT(Store::Open(root_, &clock_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(std::to_string(getpid()))));
  store_.reset();
  EXPECT_OK(Store::Open(root_, &clock_));
}

TEST_F(StoreTest, AStoreThatCannotBeOpenedLeavesTheLockFree) {
  store_.reset();
  const std::string database = root_ + "/meta.db";
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(database));
  ASSERT_OK(WriteFileAtomically(database, std::string(content.size(), 'x')));
  EXPECT_THAT(Store::Open(root_, &clock_), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(WriteFileAtomically(database, content));
  EXPECT_OK(Store::Open(root_, &clock_));
}

TEST_F(StoreTest, APowerFailureDropsWhatWasNotSynced) {
  ASSERT_OK_AND_ASSIGN(Digest kept, AddLayer("kept"));
  ASSERT_OK(Run("UPDATE layers SET boot = ''"));
  ASSERT_OK(Run("UPDATE packs SET boot = ''"));
  ASSERT_OK_AND_ASSIGN(Digest lost, AddLayer("lost"));
  ASSERT_OK(store_->records().Put("team", {Digest::Of("good"), kept, {}, "", 0}));
  ASSERT_OK(store_->records().Put("team", {Digest::Of("bad"), kept, {lost}, "", 0}));
  ASSERT_OK(Run("UPDATE layers SET boot = 'another' WHERE boot <> ''"));
  ASSERT_OK(Run("UPDATE packs SET boot = 'another' WHERE boot <> ''"));
  Reopen();
  EXPECT_OK(store_->layers().Get(kept));
  EXPECT_OK(store_->contents().Open(Digest::Of("kept")));
  EXPECT_OK(store_->records().Find(Digest::Of("good")));
  EXPECT_THAT(store_->layers().Get(lost), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->contents().Open(Digest::Of("lost")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->records().Find(Digest::Of("bad")), StatusIs(absl::StatusCode::kNotFound));
  // What was lost can be made again.
  EXPECT_THAT(AddLayer("lost"), IsOkAndHolds(lost));
  EXPECT_OK(store_->layers().Get(lost));
}

TEST_F(StoreTest, ARestartWithinABootDropsNothing) {
  ASSERT_OK_AND_ASSIGN(Digest layer, AddLayer("new"));
  EXPECT_THAT(Query(store_->database(), "SELECT boot FROM layers"),
              IsOkAndHolds(ElementsAre(BootId())));
  Reopen();
  EXPECT_OK(store_->layers().Get(layer));
}

TEST_F(StoreTest, ExpiredContextsAreRemovedWhenTheStoreIsOpened) {
  ASSERT_OK_AND_ASSIGN(Digest layer, AddLayer("content"));
  ASSERT_OK(store_->contexts().Put("team", layer, false));
  ASSERT_OK_AND_ASSIGN(StoredContext kept, store_->contexts().Put("team", layer, false));
  ASSERT_OK(store_->contexts().Keep("team", kept.id));
  clock_.Advance(3600);
  Reopen();
  EXPECT_THAT(Query(store_->database(), "SELECT id FROM contexts"),
              IsOkAndHolds(ElementsAre(kept.id)));
}

TEST_F(StoreTest, LeftoversInTmpAreRemovedAndNewFilesAreNot) {
  const std::string leftover = store_->tmp() + "/leftover";
  ASSERT_OK(MakeDirectories(leftover + "/deep"));
  Reopen();
  const std::string current = store_->tmp() + "/current";
  ASSERT_OK(MakeDirectories(current));
  while (access(leftover.c_str(), F_OK) == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(access(current.c_str(), F_OK), 0);
}

TEST_F(StoreTest, PathsAreBelowTheRoot) {
  EXPECT_EQ(store_->tmp(), store_->root() + "/tmp");
  EXPECT_EQ(store_->root(), std::filesystem::canonical(root_));
}

}  // namespace
}  // namespace zlayer
