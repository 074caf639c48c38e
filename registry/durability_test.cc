#include "registry/durability.h"

#include <unistd.h>

#include "base/errors.h"
#include "base/files.h"
#include "registry/context_store.h"
#include "registry/meta/boot.h"
#include "registry/record_store.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kOtherBoot[] = "before-the-power-failed";

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

class DurabilityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "durability"));
    root_ = directory_.path();
    for (const char* name : {"/indexes", "/trees", "/tmp"}) {
      ASSERT_OK(MakeDirectories(root_ + name));
    }
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(root_ + "/meta.db"));
  }

  absl::Status Run(std::string_view sql) {
    return database_->Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
      return statement.Run();
    });
  }

  auto Rows(std::string_view sql) { return Query(*database_, sql); }

  const Digest one_ = Digest::Of("one");
  const Digest two_ = Digest::Of("two");
  ScopedDirectory directory_;
  std::string root_;
  std::unique_ptr<Database> database_;
};

TEST_F(DurabilityTest, RowsThatWereThereBeforeTheSyncAreMarked) {
  ASSERT_OK(InsertLayer(*database_, one_, BootId()));
  ASSERT_OK(InsertPack(*database_, 1, BootId()));
  ASSERT_OK(InsertImage(*database_, one_, {one_}, BootId()));
  ASSERT_OK(MarkSynced(database_.get(), [&]() -> absl::Status {
    RETURN_IF_ERROR(InsertLayer(*database_, two_, BootId()));
    RETURN_IF_ERROR(InsertPack(*database_, 2, BootId()));
    return InsertImage(*database_, two_, {one_, two_}, BootId());
  }));
  EXPECT_THAT(Rows("SELECT lower(hex(id)) FROM layers WHERE boot = ''"),
              IsOkAndHolds(ElementsAre(one_.Hex())));
  EXPECT_THAT(Rows("SELECT id FROM packs WHERE boot = ''"), IsOkAndHolds(ElementsAre("1")));
  EXPECT_THAT(Rows("SELECT lower(hex(manifest)) FROM images WHERE boot = ''"),
              IsOkAndHolds(ElementsAre(one_.Hex())));
  ASSERT_OK(MarkSynced(database_.get(), [] { return absl::OkStatus(); }));
  EXPECT_THAT(Rows("SELECT lower(hex(id)) FROM layers WHERE boot <> ''"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Rows("SELECT id FROM packs WHERE boot <> ''"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Rows("SELECT lower(hex(manifest)) FROM images WHERE boot <> ''"),
              IsOkAndHolds(IsEmpty()));
}

TEST_F(DurabilityTest, ALayerThatGetsItsTreeDuringTheSyncIsNotMarkedYet) {
  ASSERT_OK(InsertLayer(*database_, one_, BootId()));
  ASSERT_OK(MarkSynced(database_.get(), [&] { return Run("UPDATE layers SET tree = 7"); }));
  EXPECT_THAT(Rows("SELECT boot FROM layers"), IsOkAndHolds(ElementsAre(BootId())));
  ASSERT_OK(MarkSynced(database_.get(), [] { return absl::OkStatus(); }));
  EXPECT_THAT(Rows("SELECT boot FROM layers"), IsOkAndHolds(ElementsAre("")));
}

TEST_F(DurabilityTest, NothingIsSyncedWithoutNewRows) {
  ASSERT_OK(InsertLayer(*database_, one_));
  int syncs = 0;
  auto sync = [&] {
    ++syncs;
    return absl::OkStatus();
  };
  ASSERT_OK(MarkSynced(database_.get(), sync));
  EXPECT_EQ(syncs, 0);
  ASSERT_OK(InsertPack(*database_, 1, BootId()));
  ASSERT_OK(MarkSynced(database_.get(), sync));
  ASSERT_OK(MarkSynced(database_.get(), sync));
  EXPECT_EQ(syncs, 1);
}

TEST_F(DurabilityTest, AFailedSyncMarksNothing) {
  ASSERT_OK(InsertLayer(*database_, one_, BootId()));
  EXPECT_THAT(MarkSynced(database_.get(), [] { return ErrnoError(EIO, "syncfs"); }),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Rows("SELECT boot FROM layers"), IsOkAndHolds(ElementsAre(BootId())));
}

TEST_F(DurabilityTest, WithinABootNothingIsDropped) {
  ASSERT_OK(InsertLayer(*database_, one_, BootId()));
  ASSERT_OK(InsertLayer(*database_, two_));
  ASSERT_OK(InsertImage(*database_, one_, {one_, two_}, BootId()));
  ASSERT_OK(InsertPack(*database_, 1, BootId()));
  ASSERT_OK(DropUnsynced(root_, database_.get()));
  EXPECT_THAT(Rows("SELECT lower(hex(id)) FROM layers"),
              IsOkAndHolds(UnorderedElementsAre(one_.Hex(), two_.Hex())));
  EXPECT_THAT(Rows("SELECT lower(hex(manifest)) FROM images"),
              IsOkAndHolds(ElementsAre(one_.Hex())));
  EXPECT_THAT(Rows("SELECT id FROM packs"), IsOkAndHolds(ElementsAre("1")));
}

TEST_F(DurabilityTest, AfterAPowerFailureALayerTakesAllThatStandsOnItAlong) {
  ASSERT_OK(InsertLayer(*database_, one_));
  ASSERT_OK(InsertLayer(*database_, two_, kOtherBoot));
  ASSERT_OK(InsertImage(*database_, Digest::Of("kept"), {one_}));
  ASSERT_OK(InsertImage(*database_, Digest::Of("lost"), {one_, two_}));
  ASSERT_OK(InsertImage(*database_, Digest::Of("not synced"), {one_}, kOtherBoot));
  ASSERT_OK(Run("INSERT INTO tags SELECT 'team', hex(manifest), manifest, 0 FROM images"));
  auto records = OpenRecordStore(database_.get(), SystemClock());
  ASSERT_OK(records->Put("team", {Digest::Of("good"), one_, {one_}, "", 0}));
  ASSERT_OK(records->Put("team", {Digest::Of("made it"), two_, {}, "", 0}));
  ASSERT_OK(records->Put("team", {Digest::Of("on it"), one_, {one_, two_}, "", 0}));
  auto contexts = OpenContextStore(database_.get(), SystemClock());
  ASSERT_OK_AND_ASSIGN(StoredContext kept, contexts->Put("team", one_, false));
  ASSERT_OK(contexts->Put("team", two_, false));

  ASSERT_OK(DropUnsynced(root_, database_.get()));

  EXPECT_THAT(Rows("SELECT lower(hex(id)) FROM layers"), IsOkAndHolds(ElementsAre(one_.Hex())));
  EXPECT_THAT(Rows("SELECT lower(hex(manifest)) FROM images"),
              IsOkAndHolds(ElementsAre(Digest::Of("kept").Hex())));
  EXPECT_THAT(Rows("SELECT lower(hex(manifest)) FROM tags"),
              IsOkAndHolds(ElementsAre(Digest::Of("kept").Hex())));
  EXPECT_THAT(Rows("SELECT lower(hex(key)) FROM records"),
              IsOkAndHolds(ElementsAre(Digest::Of("good").Hex())));
  EXPECT_THAT(Rows("SELECT id FROM contexts"), IsOkAndHolds(ElementsAre(kept.id)));
}

TEST_F(DurabilityTest, AfterAPowerFailurePacksLoseTheirContents) {
  ASSERT_OK(InsertPack(*database_, 1));
  ASSERT_OK(InsertPack(*database_, 2, kOtherBoot));
  ASSERT_OK(Run("INSERT INTO contents SELECT randomblob(32), id, 0, 0 FROM packs"));
  ASSERT_OK(DropUnsynced(root_, database_.get()));
  EXPECT_THAT(Rows("SELECT id FROM packs"), IsOkAndHolds(ElementsAre("1")));
  EXPECT_THAT(Rows("SELECT pack FROM contents"), IsOkAndHolds(ElementsAre("1")));
}

TEST_F(DurabilityTest, FilesOfDroppedLayersGo) {
  ASSERT_OK(InsertLayer(*database_, one_, "", 1));
  ASSERT_OK(InsertLayer(*database_, two_, kOtherBoot, 2));
  ASSERT_OK(InsertLayer(*database_, Digest::Of("without files"), kOtherBoot, 3));
  for (const Digest& layer : {one_, two_}) {
    ASSERT_OK(WriteFileAtomically(root_ + "/indexes/" + layer.Hex(), "index"));
  }
  ASSERT_OK(MakeDirectories(root_ + "/trees/1/etc"));
  ASSERT_OK(MakeDirectories(root_ + "/trees/2/etc"));
  ASSERT_OK(DropUnsynced(root_, database_.get()));
  EXPECT_TRUE(Exists(root_ + "/indexes/" + one_.Hex()));
  EXPECT_FALSE(Exists(root_ + "/indexes/" + two_.Hex()));
  EXPECT_TRUE(Exists(root_ + "/trees/1/etc"));
  EXPECT_FALSE(Exists(root_ + "/trees/2"));
}

}  // namespace
}  // namespace zlayer
