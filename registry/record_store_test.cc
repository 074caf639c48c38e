#include "registry/record_store.h"

#include "base/files.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ManualClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = 0;
};

class RecordStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "records"));
    Reopen();
    ASSERT_OK(InsertLayer(*database_, layer_));
  }

  void Reopen() {
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    records_ = OpenRecordStore(database_.get(), &clock_);
  }

  CacheRecord Record() const {
    return {Digest::Of("key"), layer_, {Digest::Of("a"), Digest::Of("b")}, "build-1", 1234, {}, ""};
  }

  const Digest layer_ = Digest::Of("layer");
  ManualClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<RecordStore> records_;
};

TEST_F(RecordStoreTest, ARecordIsFoundByItsKeyAlsoAfterReopening) {
  ASSERT_OK(records_->Put("default", Record()));
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(CacheRecord found, records_->Find(Digest::Of("key")));
    EXPECT_EQ(found.key, Digest::Of("key"));
    EXPECT_EQ(found.layer, layer_);
    EXPECT_THAT(found.chain, ElementsAre(Digest::Of("a"), Digest::Of("b")));
    EXPECT_EQ(found.build, "build-1");
    EXPECT_EQ(found.created_ns, 1234);
    Reopen();
  }
}

TEST_F(RecordStoreTest, AnEmptyChainComesBackEmpty) {
  CacheRecord record = Record();
  record.chain.clear();
  ASSERT_OK(records_->Put("default", record));
  ASSERT_OK_AND_ASSIGN(CacheRecord found, records_->Find(record.key));
  EXPECT_TRUE(found.chain.empty());
}

TEST_F(RecordStoreTest, RecordsAreFoundByContentTheNewestFirst) {
  for (int i = 0; i < 10; ++i) {
    CacheRecord record = Record();
    record.key = Digest::Of(std::to_string(i));
    record.created_ns = i;
    record.content_key = Digest::Of("content");
    record.description = "RUN make";
    ASSERT_OK(records_->Put("default", record));
  }
  ASSERT_OK(records_->Put("default", Record()));
  ASSERT_OK_AND_ASSIGN(std::vector<CacheRecord> found,
                       records_->FindByContent(Digest::Of("content")));
  ASSERT_EQ(found.size(), 8u);
  EXPECT_EQ(found[0].key, Digest::Of("9"));
  EXPECT_EQ(found[7].key, Digest::Of("2"));
  EXPECT_EQ(found[0].content_key, Digest::Of("content"));
  EXPECT_EQ(found[0].description, "RUN make");
  EXPECT_THAT(records_->FindByContent(Digest::Of("other")), IsOkAndHolds(::testing::IsEmpty()));
}

TEST_F(RecordStoreTest, UsesAreWrittenTogetherAndNeverGoBack) {
  ASSERT_OK(records_->Put("default", Record()));
  const auto used = [this] { return Query(*database_, "SELECT used FROM records"); };
  clock_.now_ns = 5000;
  records_->Touch(Record().key);
  records_->Touch(Digest::Of("other"));
  EXPECT_THAT(used(), IsOkAndHolds(ElementsAre("1234")));
  ASSERT_OK(records_->FlushUses());
  EXPECT_THAT(used(), IsOkAndHolds(ElementsAre("5000")));
  clock_.now_ns = 4000;
  records_->Touch(Record().key);
  ASSERT_OK(records_->FlushUses());
  EXPECT_THAT(used(), IsOkAndHolds(ElementsAre("5000")));
}

TEST_F(RecordStoreTest, AnUnknownKeyIsNotFound) {
  EXPECT_THAT(records_->Find(Digest::Of("other")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Digest::Of("other").Hex())));
}

TEST_F(RecordStoreTest, ANewerRecordReplacesTheOlder) {
  ASSERT_OK(records_->Put("default", Record()));
  CacheRecord newer = Record();
  newer.build = "build-2";
  newer.created_ns = 5678;
  newer.chain = {Digest::Of("c")};
  ASSERT_OK(records_->Put("default", newer));
  ASSERT_OK_AND_ASSIGN(CacheRecord found, records_->Find(newer.key));
  EXPECT_EQ(found.build, "build-2");
  EXPECT_EQ(found.created_ns, 5678);
  EXPECT_THAT(found.chain, ElementsAre(Digest::Of("c")));
}

TEST_F(RecordStoreTest, ARecordNeedsItsLayer) {
  CacheRecord record = Record();
  record.layer = Digest::Of("missing");
  EXPECT_THAT(records_->Put("default", record), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(records_->Find(record.key), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordStoreTest, ARecordGoesWithItsLayer) {
  ASSERT_OK(records_->Put("default", Record()));
  ASSERT_OK(database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM layers"));
    return remove.Run();
  }));
  EXPECT_THAT(records_->Find(Record().key), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordStoreTest, ACutOffChainIsDataLoss) {
  ASSERT_OK(records_->Put("default", Record()));
  ASSERT_OK(database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement cut, connection.Prepare("UPDATE records SET chain = x'00'"));
    return cut.Run();
  }));
  EXPECT_THAT(records_->Find(Record().key), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace zlayer
