#include "registry/fetched_store.h"

#include "base/files.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

class FetchedStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "fetched"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    fetched_ = OpenFetchedStore(database_.get(), SystemClock());
    ASSERT_OK(InsertLayer(*database_, layer_));
  }

  FetchedSource File() const { return {layer_, content_, "\"v1\"", "yesterday"}; }

  const Digest layer_ = Digest::Of("layer");
  const Digest content_ = Digest::Of("content");
  const Digest source_ = Digest::Of("source");
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<FetchedStore> fetched_;
};

TEST_F(FetchedStoreTest, IsFoundAgainBySourceAndContentInItsNamespaceOnly) {
  ASSERT_OK(fetched_->Put("a", source_, File()));
  ASSERT_OK_AND_ASSIGN(auto found, fetched_->Find("a", source_));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->layer, layer_);
  EXPECT_EQ(found->content, content_);
  EXPECT_EQ(found->etag, "\"v1\"");
  EXPECT_EQ(found->last_modified, "yesterday");
  ASSERT_OK(database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement old, connection.Prepare("UPDATE fetched SET used = 1"));
    return old.Run();
  }));
  ASSERT_OK(fetched_->FlushUses());
  EXPECT_THAT(Query(*database_, "SELECT 1 FROM fetched WHERE used > 1"),
              IsOkAndHolds(::testing::SizeIs(1)));
  ASSERT_OK_AND_ASSIGN(auto by_content, fetched_->FindContent("a", content_));
  EXPECT_TRUE(by_content.has_value());
  ASSERT_OK_AND_ASSIGN(auto other, fetched_->Find("b", source_));
  EXPECT_FALSE(other.has_value());
  ASSERT_OK_AND_ASSIGN(auto other_content, fetched_->FindContent("b", content_));
  EXPECT_FALSE(other_content.has_value());
}

TEST_F(FetchedStoreTest, ANewerAnswerReplacesTheOlder) {
  ASSERT_OK(fetched_->Put("a", source_, File()));
  ASSERT_OK(fetched_->Put("a", source_, {layer_, Digest(), "", ""}));
  ASSERT_OK_AND_ASSIGN(auto found, fetched_->Find("a", source_));
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->content.IsNone());
  EXPECT_EQ(found->etag, "");
}

TEST_F(FetchedStoreTest, GoesWithItsLayer) {
  ASSERT_OK(fetched_->Put("a", source_, File()));
  ASSERT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM layers"));
    return remove.Run();
  }));
  ASSERT_OK_AND_ASSIGN(auto found, fetched_->Find("a", source_));
  EXPECT_FALSE(found.has_value());
  EXPECT_THAT(fetched_->Put("a", source_, File()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace zlayer
