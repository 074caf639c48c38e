#include "registry/gc/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "registry/gc/testing/gc_fixture.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CollectorTest : public GcFixture {
 protected:
  // Looks all the time, at a disk of the test's own.
  CollectorOptions Always(std::vector<AutomaticPolicy> policies) {
    CollectorOptions options;
    options.interval = std::chrono::milliseconds(1);
    options.policies = std::move(policies);
    options.disk = [this](const std::string& path) -> absl::StatusOr<DiskSpace> {
      EXPECT_EQ(path, store_->root());
      return DiskSpace{.total = 1000, .free = free_};
    };
    return options;
  }

  void Start(const CollectorOptions& options) {
    ASSERT_OK_AND_ASSIGN(collector_, StartCollector(options, store_.get(), &clock_));
  }

  // A layer of `content` and a record of it, as a build makes them.
  void Step(const std::string& content) {
    const Uses::Work work = store_->uses().Begin();
    Record(content, Layer(content));
  }

  static bool Contains(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  }

  // Until the store has these alone, in a time that is long for any machine.
  void WaitForRecords(const std::vector<std::string>& wanted) {
    std::vector<std::string> found;
    for (int i = 0; i < 3000; ++i) {
      found = Rows("SELECT description FROM records ORDER BY description");
      if (found == wanted) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(found, wanted);
  }

  // Until something that nothing holds, and that comes now, is gone.
  void WaitForSweep() {
    const std::string garbage(Layer("garbage").Bytes());
    std::vector<std::string> found;
    for (int i = 0; i < 3000; ++i) {
      found = Rows("SELECT id FROM layers");
      if (!Contains(found, garbage)) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "there was no sweep";
  }

  std::atomic<uint64_t> free_{1000};
  std::unique_ptr<Collector> collector_;  // last: it uses the rest
};

TEST_F(CollectorTest, CollectsByItselfWhatBuildsLeave) {
  Start(Always({{}}));
  for (const char* content : {"a", "b"}) {
    Step(content);
    WaitForRecords({});
    WaitForSweep();
  }
  collector_.reset();
  EXPECT_EQ(Files("packs"), 0);
  EXPECT_EQ(Unused(), 0);
}

TEST_F(CollectorTest, MakesRoomOnADiskThatFillsUp) {
  for (const char* name : {"1", "2", "3"}) {
    Step(name + std::string(59, 'x'));
  }
  free_ = 400;  // two of sixty bytes are what is missing
  Start(Always({{.min_free = {.percent = 50}}}));
  WaitForRecords({"RUN 3" + std::string(59, 'x')});
}

TEST_F(CollectorTest, LeavesTheCacheAloneWhereTheDiskHasRoom) {
  free_ = 500;
  Step("a");
  Start(Always({{.min_free = {.percent = 50}}}));
  WaitForSweep();
  WaitForRecords({"RUN a"});
}

TEST_F(CollectorTest, SharesAreThoseOfTheDisk) {
  Step(std::string(150, 'o'));
  Step(std::string(50, 'n'));
  Start(Always({{.max_used = {.percent = 10}}}));
  WaitForRecords({"RUN " + std::string(50, 'n')});
}

TEST_F(CollectorTest, RemovesNamelessImagesByTheirAge) {
  NewImage image;
  image.platform.set_os("linux");
  image.platform.set_architecture("amd64");
  ASSERT_OK(store_->images().Commit("n", image, {}));
  clock_.Advance(std::chrono::hours(2));
  image.platform.set_architecture("arm64");
  ASSERT_OK_AND_ASSIGN(const StoredImage young, store_->images().Commit("n", image, {}));
  CollectorOptions options = Always({});
  options.nameless_images = std::chrono::hours(1);
  Start(options);
  WaitForSweep();
  EXPECT_THAT(Rows("SELECT manifest FROM images"),
              ElementsAre(std::string(young.manifest.Bytes())));
}

TEST_F(CollectorTest, APruneKnowsTheDisk) {
  CollectorOptions options = Always({});
  options.automatic = false;
  Start(options);
  Step("a");
  free_ = 500;
  EXPECT_OK(collector_->Prune({{}, {.min_free_bytes = 500}}, false, {}));
  EXPECT_EQ(Rows("SELECT key FROM records").size(), 1);
  EXPECT_OK(collector_->Prune({{}, {.min_free_bytes = 501}}, false, {}));
  EXPECT_THAT(Rows("SELECT key FROM records"), IsEmpty());
}

TEST_F(CollectorTest, AnotherPruneIsWaitedForWithAStop) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Collector> collector,
                       StartCollector({.automatic = false}, store_.get(), &clock_));
  Record("step", Layer("a"));
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] { EXPECT_OK(collector->Prune({}, false, {})); });
    }
  }
  EXPECT_THAT(Rows("SELECT key FROM records"), IsEmpty());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(collector->Prune({}, false, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
