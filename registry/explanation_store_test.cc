#include "registry/explanation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SetClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = 0;
};

class ExplanationStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "explanations"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    store_ = OpenExplanationStore(database_.get(), &clock_);
  }

  void Put(const std::string& history, std::string_view build, std::string_view steps) {
    ++clock_.now_ns;
    ASSERT_OK(store_->Put("n", {history}, build, steps));
  }

  SetClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ExplanationStore> store_;
};

TEST_F(ExplanationStoreTest, TheLastBuildsOfAHistoryAreKept) {
  for (int i = 0; i < ExplanationStore::kBuildsOfAHistory + 2; ++i) {
    Put("app", std::to_string(99 - i), std::to_string(i));
  }
  Put("other", "x", "other");
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> found, store_->Find("n", {"app"}));
  ASSERT_EQ(found.size(), size_t{ExplanationStore::kBuildsOfAHistory});
  EXPECT_EQ(found.front(), "17");
  EXPECT_EQ(found.back(), "2");
  EXPECT_THAT(store_->Find("n", {"other"}), IsOkAndHolds(ElementsAre("other")));
  EXPECT_THAT(store_->Find("m", {"app"}), IsOkAndHolds(IsEmpty()));
}

TEST_F(ExplanationStoreTest, ABuildHasOne) {
  Put("app", "a", "first");
  Put("app", "a", "second");
  EXPECT_THAT(store_->Find("n", {"app"}), IsOkAndHolds(ElementsAre("second")));
}

TEST_F(ExplanationStoreTest, ABuildOfSeveralHistoriesIsFoundOnceInAll) {
  Put("a", "1", "of a");
  ++clock_.now_ns;
  ASSERT_OK(store_->Put("n", {"a", "b"}, "2", "of both"));
  Put("b", "3", "of b");
  EXPECT_THAT(store_->Find("n", {"a", "b"}), IsOkAndHolds(ElementsAre("of b", "of both", "of a")));
  EXPECT_THAT(store_->Find("n", {"b"}), IsOkAndHolds(ElementsAre("of b", "of both")));
}

TEST_F(ExplanationStoreTest, OldOnesGo) {
  Put("app", "a", "old");
  clock_.now_ns += int64_t{31} * 24 * 3600 * 1'000'000'000;
  Put("other", "b", "new");
  EXPECT_THAT(store_->Find("n", {"app"}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store_->Find("n", {"other"}), IsOkAndHolds(ElementsAre("new")));
}

}  // namespace
}  // namespace zlayer
