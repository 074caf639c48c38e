#include "registry/cache_mount_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Mounts = std::vector<std::shared_ptr<const CacheMount>>;

class CacheMountStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(root_, ScopedDirectory::Make(::testing::TempDir(), "mounts-"));
    ASSERT_OK(MakeDirectories(root_.path() + "/cache-mounts"));
    ASSERT_OK(MakeDirectories(root_.path() + "/tmp"));
    Open();
  }

  void Open() {
    store_.reset();
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(root_.path() + "/meta.db"));
    ASSERT_OK_AND_ASSIGN(store_, OpenCacheMountStore(root_.path(), database_.get(), SystemClock()));
  }

  absl::StatusOr<Mounts> Take(const std::vector<CacheMountRequest>& requests,
                              const std::stop_token& stop = {}) {
    return store_->Take(user_, requests, stop);
  }

  std::string PathOf(const std::string& id, CacheSharing sharing) {
    auto mounts = Take({{.id = id, .sharing = sharing}});
    EXPECT_OK(mounts);
    held_.push_back(mounts.ok() ? mounts->front() : nullptr);
    return held_.back() == nullptr ? "" : held_.back()->path();
  }

  ScopedDirectory root_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<CacheMountStore> store_;
  Mounts held_;
  std::atomic<int> filled_{0};
  CacheMountUser user_{.name_space = "default",
                       .build = "build-1",
                       .fill = [this](size_t, const std::string& directory) {
                         ++filled_;
                         std::ofstream(directory + "/seed") << "s";
                         return absl::OkStatus();
                       }};
};

TEST_F(CacheMountStoreTest, ADirectoryIsSeededOnceAndStays) {
  const std::string path = PathOf("a", CacheSharing::kShared);
  EXPECT_THAT(ReadFile(path + "/seed"), IsOkAndHolds("s"));
  std::filesystem::remove(path + "/seed");
  held_.clear();
  EXPECT_EQ(PathOf("a", CacheSharing::kShared), path);
  held_.clear();
  Open();
  EXPECT_EQ(PathOf("a", CacheSharing::kShared), path);
  EXPECT_EQ(filled_, 1);
  EXPECT_FALSE(std::filesystem::exists(path + "/seed"));
  EXPECT_THAT(Query(*database_, "SELECT namespace || ' ' || id FROM cache_mounts"),
              IsOkAndHolds(ElementsAre("default a")));
}

TEST_F(CacheMountStoreTest, OneThatIsGoneIsMadeAgain) {
  const std::string path = PathOf("a", CacheSharing::kShared);
  held_.clear();
  ASSERT_OK(RemoveTree(path));
  Open();
  EXPECT_EQ(PathOf("a", CacheSharing::kShared), path);
  EXPECT_THAT(ReadFile(path + "/seed"), IsOkAndHolds("s"));
}

TEST_F(CacheMountStoreTest, NamespacesIdsAndSeedsHaveDirectoriesOfTheirOwn) {
  ASSERT_OK_AND_ASSIGN(const Mounts mine,
                       Take({{.id = "a"}, {.id = "b"}, {.id = "a", .seed = Digest::Of("x")}}));
  ASSERT_OK_AND_ASSIGN(
      const Mounts theirs,
      store_->Take({.name_space = "other",
                    .fill = [](size_t, const std::string&) { return absl::OkStatus(); }},
                   {{.id = "a"}}, {}));
  EXPECT_NE(mine[0]->path(), mine[1]->path());
  EXPECT_NE(mine[0]->path(), mine[2]->path());
  EXPECT_NE(mine[0]->path(), theirs[0]->path());
}

TEST_F(CacheMountStoreTest, SharedIsOneForAllAndPrivateAFurtherOne) {
  const std::string shared = PathOf("a", CacheSharing::kShared);
  EXPECT_EQ(PathOf("a", CacheSharing::kShared), shared);
  const std::string further = PathOf("a", CacheSharing::kPrivate);
  EXPECT_NE(further, shared);
  EXPECT_NE(PathOf("a", CacheSharing::kPrivate), further);
  held_.clear();
  EXPECT_EQ(PathOf("a", CacheSharing::kPrivate), shared);
}

TEST_F(CacheMountStoreTest, TheSameTwiceInOneRequestIsOneDirectory) {
  const CacheMountRequest request{.id = "a", .sharing = CacheSharing::kLocked};
  ASSERT_OK_AND_ASSIGN(const Mounts mounts, Take({request, request}));
  EXPECT_EQ(mounts[0]->path(), mounts[1]->path());
}

TEST_F(CacheMountStoreTest, OfTwoInOneRequestTheStricterCounts) {
  for (const CacheSharing first : {CacheSharing::kShared, CacheSharing::kLocked}) {
    const CacheSharing second =
        first == CacheSharing::kShared ? CacheSharing::kLocked : CacheSharing::kShared;
    ASSERT_OK_AND_ASSIGN(const Mounts mounts,
                         Take({{.id = "a", .sharing = first}, {.id = "a", .sharing = second}}));
    EXPECT_NE(PathOf("a", CacheSharing::kShared), mounts[0]->path());
    held_.clear();
  }
}

// Also where there are several directories.
TEST_F(CacheMountStoreTest, LockedIsAlone) {
  PathOf("a", CacheSharing::kPrivate);
  PathOf("a", CacheSharing::kPrivate);
  held_.pop_back();
  std::vector<std::string> told;
  CacheMountUser waiter = user_;
  waiter.build = "build-2";
  waiter.waiting = [&](std::string_view, std::string_view holder) {
    told.emplace_back(holder);
    if (told.size() == 1) {
      // The next holder is told of, too.
      CacheMountUser third = user_;
      third.build = "build-3";
      auto mounts = store_->Take(third, {{.id = "a", .sharing = CacheSharing::kPrivate}}, {});
      ASSERT_OK(mounts);
      held_ = *std::move(mounts);
    } else {
      held_.clear();
    }
  };
  EXPECT_OK(store_->Take(waiter, {{.id = "a", .sharing = CacheSharing::kLocked}}, {}));
  EXPECT_THAT(told, ElementsAre("build-1", "build-3"));
}

TEST_F(CacheMountStoreTest, LockedWaitsForItsUser) {
  const std::string path = PathOf("a", CacheSharing::kLocked);
  std::atomic<bool> has_it{false};
  std::jthread other([&] {
    auto mounts = Take({{.id = "a", .sharing = CacheSharing::kLocked}});
    EXPECT_OK(mounts);
    has_it = true;
    EXPECT_EQ(mounts->front()->path(), path);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(has_it);
  held_.clear();
  other.join();
  EXPECT_TRUE(has_it);
}

TEST_F(CacheMountStoreTest, AWaitEndsWithAStop) {
  PathOf("a", CacheSharing::kLocked);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(Take({{.id = "a", .sharing = CacheSharing::kLocked}}, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("\"a\"")));
}

TEST_F(CacheMountStoreTest, LocksTakenInDifferentOrdersDoNotBlockEachOther) {
  const CacheMountRequest a{.id = "a", .sharing = CacheSharing::kLocked};
  const CacheMountRequest b{.id = "b", .sharing = CacheSharing::kLocked};
  std::atomic<int> taken{0};
  std::atomic<int> users{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 50; ++round) {
          const auto mounts = i % 2 == 0 ? Take({a, b}) : Take({b, a});
          EXPECT_OK(mounts);
          EXPECT_EQ(++users, 1);
          --users;
          ++taken;
        }
      });
    }
  }
  EXPECT_EQ(taken, 200);
  EXPECT_EQ(filled_, 2);
}

TEST_F(CacheMountStoreTest, WhoWaitsIsToldForWhom) {
  PathOf("a", CacheSharing::kLocked);
  CacheMountUser waiter = user_;
  waiter.build = "build-2";
  std::vector<std::string> told;
  waiter.waiting = [&](std::string_view id, std::string_view holder) {
    told.push_back(fmt::format("{} {}", id, holder));
    held_.clear();
  };
  EXPECT_OK(store_->Take(waiter, {{.id = "a", .sharing = CacheSharing::kLocked}}, {}));
  EXPECT_THAT(told, ElementsAre("a build-1"));
  EXPECT_OK(store_->Take(waiter, {{.id = "a", .sharing = CacheSharing::kLocked}}, {}));
  EXPECT_EQ(told.size(), 1);
}

TEST_F(CacheMountStoreTest, ARemovedOneBeginsAnew) {
  const std::string path = PathOf("a", CacheSharing::kShared);
  ASSERT_OK_AND_ASSIGN(std::vector<StoredCacheMount> all, store_->List());
  ASSERT_EQ(all.size(), 1);
  EXPECT_TRUE(all[0].in_use);
  const std::string trash = root_.path() + "/tmp";
  EXPECT_THAT(store_->Remove(all[0].number, all[0].used_ns, trash), IsOkAndHolds(false));
  held_.clear();
  EXPECT_THAT(store_->Remove(all[0].number, all[0].used_ns - 1, trash), IsOkAndHolds(false));
  EXPECT_THAT(store_->Remove(all[0].number, all[0].used_ns, trash), IsOkAndHolds(true));
  EXPECT_THAT(store_->Remove(all[0].number, all[0].used_ns, trash), IsOkAndHolds(false));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THAT(Query(*database_, "SELECT id FROM cache_mounts"), IsOkAndHolds(IsEmpty()));
  PathOf("a", CacheSharing::kShared);
  EXPECT_EQ(filled_, 2);
}

TEST_F(CacheMountStoreTest, UseAndRemovalGoOnSideBySide) {
  std::atomic<bool> done{false};
  std::jthread remover([&] {
    while (!done) {
      absl::StatusOr<std::vector<StoredCacheMount>> all = store_->List();
      EXPECT_OK(all);
      for (const StoredCacheMount& mount : *all) {
        EXPECT_OK(store_->Remove(mount.number, mount.used_ns, root_.path() + "/tmp"));
      }
    }
  });
  {
    std::vector<std::jthread> users;
    for (const CacheSharing sharing :
         {CacheSharing::kShared, CacheSharing::kPrivate, CacheSharing::kLocked}) {
      users.emplace_back([this, sharing] {
        for (int round = 0; round < 50; ++round) {
          const auto mounts = Take({{.id = "a", .sharing = sharing}});
          EXPECT_OK(mounts);
          EXPECT_THAT(ReadFile(mounts->front()->path() + "/seed"), IsOkAndHolds("s"));
        }
      });
    }
  }
  done = true;
}

TEST_F(CacheMountStoreTest, WhatACrashLeftWithoutARowGoes) {
  const std::string path = PathOf("a", CacheSharing::kShared);
  held_.clear();
  ASSERT_OK(MakeDirectories(root_.path() + "/cache-mounts/7"));
  Open();
  ASSERT_OK(store_->RemoveStray(root_.path() + "/tmp"));
  EXPECT_FALSE(std::filesystem::exists(root_.path() + "/cache-mounts/7"));
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(PathOf("b", CacheSharing::kShared), root_.path() + "/cache-mounts/8");
}

TEST_F(CacheMountStoreTest, ASeedThatFailsLeavesNothing) {
  const auto failing = [](size_t, const std::string&) { return absl::AbortedError("no seed"); };
  EXPECT_THAT(store_->Take({.name_space = "default", .fill = failing}, {{.id = "a"}}, {}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("no seed")));
  EXPECT_TRUE(std::filesystem::is_empty(root_.path() + "/cache-mounts"));
  EXPECT_TRUE(std::filesystem::is_empty(root_.path() + "/tmp"));
  EXPECT_THAT(Query(*database_, "SELECT id FROM cache_mounts"), IsOkAndHolds(IsEmpty()));
  PathOf("a", CacheSharing::kLocked);
  EXPECT_EQ(filled_, 1);
}

}  // namespace
}  // namespace zlayer
