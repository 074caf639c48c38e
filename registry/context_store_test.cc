#include "registry/context_store.h"

#include <atomic>

#include "base/files.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMinute = int64_t{60} * 1'000'000'000;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_; }
  void Advance(int64_t ns) { now_ += ns; }

 private:
  std::atomic<int64_t> now_ = 1'700'000'000'000'000'000;
};

class ContextStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "contexts"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    contexts_ = OpenContextStore(database_.get(), &clock_);
    ASSERT_OK(InsertLayer(*database_, layer_));
  }

  const Digest layer_ = Digest::Of("layer");
  FakeClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ContextStore> contexts_;
};

TEST_F(ContextStoreTest, AContextIsFoundByItsId) {
  ASSERT_OK_AND_ASSIGN(StoredContext tree, contexts_->Put("team", layer_, false));
  ASSERT_OK_AND_ASSIGN(StoredContext tar, contexts_->Put("team", layer_, true));
  EXPECT_NE(tree.id, tar.id);
  ASSERT_OK_AND_ASSIGN(StoredContext found, contexts_->Get("team", tar.id));
  EXPECT_EQ(found.id, tar.id);
  EXPECT_EQ(found.layer, layer_);
  EXPECT_TRUE(found.from_tar);
  ASSERT_OK_AND_ASSIGN(found, contexts_->Get("team", tree.id));
  EXPECT_FALSE(found.from_tar);
}

TEST_F(ContextStoreTest, AnotherNamespaceSeesNothing) {
  ASSERT_OK_AND_ASSIGN(StoredContext context, contexts_->Put("team", layer_, false));
  EXPECT_THAT(contexts_->Get("other", context.id),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(context.id)));
  EXPECT_THAT(contexts_->Keep("other", context.id), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContextStoreTest, AnUnknownIdIsNotFound) {
  EXPECT_THAT(contexts_->Get("team", "nothing"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(contexts_->Get("team", std::string(5000, '\xff')).status().ToString().size(),
              ::testing::Lt(1000u));
  EXPECT_THAT(contexts_->Keep("team", "nothing"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(contexts_->Remove("nothing"));
}

TEST_F(ContextStoreTest, AContextExpiresAfterAnHour) {
  ASSERT_OK_AND_ASSIGN(StoredContext context, contexts_->Put("team", layer_, false));
  clock_.Advance(59 * kMinute);
  EXPECT_OK(contexts_->Get("team", context.id));
  clock_.Advance(kMinute);
  EXPECT_THAT(contexts_->Get("team", context.id),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("upload it again")));
  EXPECT_THAT(contexts_->Keep("team", context.id), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContextStoreTest, AKeptContextDoesNotExpireAndIsRemovedOnRequest) {
  ASSERT_OK_AND_ASSIGN(StoredContext context, contexts_->Put("team", layer_, false));
  ASSERT_OK(contexts_->Keep("team", context.id));
  ASSERT_OK(contexts_->Keep("team", context.id));
  clock_.Advance(1000 * kMinute);
  ASSERT_OK(RemoveExpiredContexts(database_.get(), clock_.NowNs()));
  EXPECT_OK(contexts_->Get("team", context.id));
  ASSERT_OK(contexts_->Remove(context.id));
  EXPECT_THAT(contexts_->Get("team", context.id), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContextStoreTest, OnlyExpiredContextsAreRemoved) {
  ASSERT_OK(contexts_->Put("team", layer_, false));
  clock_.Advance(30 * kMinute);
  ASSERT_OK_AND_ASSIGN(StoredContext later, contexts_->Put("team", layer_, false));
  ASSERT_OK(RemoveExpiredContexts(database_.get(), clock_.NowNs()));
  ASSERT_OK_AND_ASSIGN(auto ids, Query(*database_, "SELECT id FROM contexts"));
  EXPECT_EQ(ids.size(), 2u);
  clock_.Advance(30 * kMinute);
  ASSERT_OK(RemoveExpiredContexts(database_.get(), clock_.NowNs()));
  EXPECT_THAT(Query(*database_, "SELECT id FROM contexts"), IsOkAndHolds(ElementsAre(later.id)));
  clock_.Advance(30 * kMinute);
  ASSERT_OK(RemoveExpiredContexts(database_.get(), clock_.NowNs()));
  EXPECT_THAT(Query(*database_, "SELECT id FROM contexts"), IsOkAndHolds(IsEmpty()));
}

TEST_F(ContextStoreTest, AContextNeedsItsLayer) {
  EXPECT_THAT(contexts_->Put("team", Digest::Of("missing"), false),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ContextStoreTest, KeptContextsAreListed) {
  ASSERT_OK_AND_ASSIGN(StoredContext kept, contexts_->Put("team", layer_, false));
  ASSERT_OK(contexts_->Put("team", layer_, false));
  ASSERT_OK(contexts_->Keep("team", kept.id));
  ASSERT_OK_AND_ASSIGN(std::vector<std::string> ids, contexts_->Kept());
  EXPECT_THAT(ids, ElementsAre(kept.id));
  ASSERT_OK(contexts_->Remove(kept.id));
  ASSERT_OK_AND_ASSIGN(ids, contexts_->Kept());
  EXPECT_THAT(ids, IsEmpty());
}

}  // namespace
}  // namespace zlayer
