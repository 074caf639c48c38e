#include "registry/content/content_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/blob/blob_store.h"
#include "registry/content/pack_files.h"
#include "registry/meta/database.h"
#include "registry/uses/uses.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::string> Slurp(const absl::StatusOr<ContentFile>& file,
                                  const Digest& expected = Digest()) {
  RETURN_IF_ERROR(file.status());
  std::string content;
  RETURN_IF_ERROR(ReadContent(*file, expected, [&](std::string_view piece) {
    content += piece;
    return absl::OkStatus();
  }));
  return content;
}

absl::StatusOr<Digest> Add(PackWriter& pack, std::string_view content) {
  RETURN_IF_ERROR(pack.Append(content));
  return pack.End();
}

// Bytes without a pattern, others for each seed.
std::string Large(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string content;
  while (content.size() < size) {
    uint64_t word = random();
    content.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  content.resize(size);
  return content;
}

class ContentStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(root_, ScopedDirectory::Make(::testing::TempDir(), "contents"));
    Reopen();
  }

  void Reopen() {
    store_.reset();
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(root_.path() + "/meta.db"));
    ASSERT_OK_AND_ASSIGN(blobs_, OpenDiskBlobStore(root_.path() + "/blobs"));
    ASSERT_OK_AND_ASSIGN(store_,
                         OpenPackContentStore(root_.path(), database_.get(), blobs_.get(), &uses_));
  }

  std::unique_ptr<PackWriter> NewPack() {
    auto pack = store_->NewPack();
    EXPECT_THAT(pack, IsOk());
    return *std::move(pack);
  }

  // Stores contents in one pack.
  void Store(const std::vector<std::string>& contents) {
    std::unique_ptr<PackWriter> pack = NewPack();
    for (const std::string& content : contents) {
      ASSERT_THAT(Add(*pack, content), IsOkAndHolds(Digest::Of(content)));
    }
    ASSERT_OK(pack->Commit());
  }

  std::set<std::string> PackNames() const {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(root_.path() + "/packs")) {
      names.insert(file.path().filename());
    }
    return names;
  }

  uint64_t PackBytes() const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(root_.path() + "/packs")) {
      bytes += file.file_size();
    }
    return bytes;
  }

  absl::StatusOr<std::string> Load(std::string_view content) {
    Digest digest = Digest::Of(content);
    return Slurp(store_->Open(digest), digest);
  }

  // For contents too long to be printed.
  bool IsStoredWhole(std::string_view content) {
    absl::StatusOr<std::string> loaded = Load(content);
    return loaded.ok() && *loaded == content;
  }

  absl::Status Run(std::string_view sql) {
    return database_->Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement statement, connection.Prepare(sql));
      return statement.Run();
    });
  }

  ScopedDirectory root_;
  Uses uses_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<ContentStore> store_;
};

TEST_F(ContentStoreTest, CommittedContentsAreFoundAlsoAfterReopening) {
  Store({"one", "", "three"});
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(Load("one"), IsOkAndHolds("one"));
    EXPECT_THAT(Load(""), IsOkAndHolds(""));
    EXPECT_THAT(Load("three"), IsOkAndHolds("three"));
    EXPECT_THAT(store_->Has({Digest::Of("three"), Digest::Of("two"), Digest::Of("")}),
                IsOkAndHolds(ElementsAre(true, false, true)));
    Reopen();
  }
  EXPECT_EQ(PackNames().size(), 1u);
  EXPECT_EQ(PackBytes(), 8u);
}

TEST_F(ContentStoreTest, OnlyWhatItJustWroteIsVerified) {
  Store({"mine"});
  ASSERT_OK_AND_ASSIGN(ContentFile written, store_->Open(Digest::Of("mine")));
  EXPECT_TRUE(written.verified);
  Reopen();
  ASSERT_OK_AND_ASSIGN(ContentFile found, store_->Open(Digest::Of("mine")));
  EXPECT_FALSE(found.verified);
  Store({"mine", "new"});
  ASSERT_OK_AND_ASSIGN(found, store_->Open(Digest::Of("mine")));
  EXPECT_FALSE(found.verified);
  ASSERT_OK_AND_ASSIGN(found, store_->Open(Digest::Of("new")));
  EXPECT_TRUE(found.verified);
}

TEST_F(ContentStoreTest, AContentMayComeInPieces) {
  std::unique_ptr<PackWriter> pack = NewPack();
  ASSERT_OK(pack->Append("on"));
  ASSERT_OK(pack->Append("e"));
  EXPECT_THAT(pack->End(), IsOkAndHolds(Digest::Of("one")));
  ASSERT_OK(pack->Commit());
  EXPECT_THAT(Load("one"), IsOkAndHolds("one"));
  EXPECT_THAT(store_->Sizes({Digest::Of("none"), Digest::Of("one")}),
              IsOkAndHolds(ElementsAre(std::nullopt, 3u)));
}

TEST_F(ContentStoreTest, AnUnknownContentIsNotFound) {
  EXPECT_THAT(store_->Open(Digest::Of("x")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Digest::Of("x").ToString())));
  EXPECT_THAT(store_->Has({}), IsOkAndHolds(ElementsAre()));
}

TEST_F(ContentStoreTest, NothingIsVisibleBeforeCommitAndNothingIsLeftWithoutIt) {
  std::unique_ptr<PackWriter> pack = NewPack();
  ASSERT_OK(Add(*pack, "secret"));
  EXPECT_THAT(store_->Has({Digest::Of("secret")}), IsOkAndHolds(ElementsAre(false)));
  pack.reset();
  EXPECT_THAT(store_->Has({Digest::Of("secret")}), IsOkAndHolds(ElementsAre(false)));
  EXPECT_TRUE(PackNames().empty());
}

TEST_F(ContentStoreTest, AnEmptyPackCommitsNothing) {
  ASSERT_OK(NewPack()->Commit());
  std::unique_ptr<PackWriter> pack = NewPack();
  ASSERT_OK(pack->Append("begun and never ended"));
  ASSERT_OK(pack->Commit());
  EXPECT_TRUE(PackNames().empty());
}

TEST_F(ContentStoreTest, TheSameContentTwiceInAPackIsKeptOnce) {
  Store({"same", "other", "same", "same"});
  EXPECT_EQ(PackBytes(), 9u);
  EXPECT_THAT(Load("same"), IsOkAndHolds("same"));
  EXPECT_THAT(Load("other"), IsOkAndHolds("other"));
}

TEST_F(ContentStoreTest, WhatTheStoreHasIsNotKeptAgain) {
  Store({"old one", "old two"});
  Store({"new one", "old one", "new two", "old two", "new three"});
  EXPECT_EQ(PackBytes(), 14u + 23u);
  for (const char* content : {"old one", "old two", "new one", "new two", "new three"}) {
    EXPECT_THAT(Load(content), IsOkAndHolds(content));
  }
  Store({"old one", "new three"});
  EXPECT_EQ(PackNames().size(), 2u);
}

// Contents beyond the buffer reach the file before their digest is known.
TEST_F(ContentStoreTest, LargeContentsAreKeptOnceToo) {
  const std::string large = Large(1, 3'000'000);
  const std::string other = Large(2, 1'500'000);
  Store({"small", large});
  std::unique_ptr<PackWriter> pack = NewPack();
  ASSERT_OK(Add(*pack, "begin"));
  ASSERT_OK(Add(*pack, large));
  ASSERT_OK(Add(*pack, other));
  ASSERT_OK(Add(*pack, other));
  ASSERT_OK(Add(*pack, "end"));
  ASSERT_OK_AND_ASSIGN(std::string read, Slurp(pack->Open(Digest::Of(other))));
  EXPECT_TRUE(read == other);
  ASSERT_OK(Add(*pack, large));
  ASSERT_OK(pack->Commit());
  EXPECT_EQ(PackBytes(), 5 + large.size() + 5 + other.size() + 3);
  Reopen();
  for (const std::string& content : {large, other, std::string("begin"), std::string("end")}) {
    EXPECT_TRUE(IsStoredWhole(content)) << content.substr(0, 10);
  }
}

// A mix of sizes around the buffer's, with some contents stored before and some repeated.
TEST_F(ContentStoreTest, AnyMixOfSizesComesBack) {
  std::vector<std::string> contents;
  uint64_t unique = 0;
  for (int i = 0; i < 60; ++i) {
    size_t size = static_cast<size_t>(i) * 7919 % 31 * 50'000 + static_cast<size_t>(i);
    contents.push_back(Large(static_cast<uint64_t>(i), size));
    unique += size;
  }
  std::vector<std::string> known;
  for (size_t i = 0; i < contents.size(); i += 3) {
    known.push_back(contents[i]);
  }
  Store(known);
  std::vector<std::string> twice = contents;
  twice.insert(twice.end(), contents.rbegin(), contents.rend());
  Store(twice);
  EXPECT_EQ(PackBytes(), unique);
  for (const std::string& content : contents) {
    EXPECT_TRUE(IsStoredWhole(content)) << content.size();
  }
}

TEST_F(ContentStoreTest, AnAbandonedContentLeavesNoBytes) {
  std::unique_ptr<PackWriter> pack = NewPack();
  ASSERT_OK(Add(*pack, "before"));
  ASSERT_OK(pack->Append("dropped"));
  pack->Abandon();
  ASSERT_OK(pack->Append(Large(3, 2'500'000)));
  pack->Abandon();
  EXPECT_THAT(Add(*pack, "after"), IsOkAndHolds(Digest::Of("after")));
  ASSERT_OK(pack->Commit());
  EXPECT_EQ(PackBytes(), 11u);
  EXPECT_THAT(Load("before"), IsOkAndHolds("before"));
  EXPECT_THAT(Load("after"), IsOkAndHolds("after"));
  EXPECT_THAT(Load("dropped"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContentStoreTest, ContentsCanBeReadBeforeCommit) {
  Store({"stored"});
  std::unique_ptr<PackWriter> pack = NewPack();
  for (const char* content : {"mine", "stored", "mine too"}) {
    ASSERT_OK(Add(*pack, content));
  }
  ASSERT_OK(pack->Append("under "));
  EXPECT_THAT(Slurp(pack->Open(Digest::Of("mine"))), IsOkAndHolds("mine"));
  EXPECT_THAT(Slurp(pack->Open(Digest::Of("stored"))), IsOkAndHolds("stored"));
  EXPECT_THAT(pack->Open(Digest::Of("under ")), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(pack->Append("way"));
  EXPECT_THAT(pack->End(), IsOkAndHolds(Digest::Of("under way")));
  ASSERT_OK(pack->Commit());
  EXPECT_EQ(PackBytes(), 6u + 12u + 9u);
  EXPECT_THAT(Load("mine too"), IsOkAndHolds("mine too"));
  EXPECT_THAT(Load("under way"), IsOkAndHolds("under way"));
}

TEST_F(ContentStoreTest, CopyTakesARangeOfAFile) {
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("0123456789"));
  ASSERT_OK_AND_ASSIGN(ContentFile file, blobs_->Open(blob));
  file.offset = 3;
  file.size = 4;
  std::unique_ptr<PackWriter> pack = NewPack();
  EXPECT_THAT(pack->Copy(file, Digest()), IsOkAndHolds(Digest::Of("3456")));
  EXPECT_THAT(pack->Copy(file, Digest::Of("3456")), IsOkAndHolds(Digest::Of("3456")));
  ASSERT_OK(pack->Commit());
  EXPECT_THAT(Load("3456"), IsOkAndHolds("3456"));
  EXPECT_EQ(PackBytes(), 4u);
}

TEST_F(ContentStoreTest, CopyOfWhatIsStoredReadsNothing) {
  Store({"stored"});
  std::unique_ptr<PackWriter> pack = NewPack();
  ContentFile unreadable{std::make_shared<const UniqueFd>(), 0, 6};
  EXPECT_THAT(pack->Copy(unreadable, Digest::Of("stored")), IsOkAndHolds(Digest::Of("stored")));
  EXPECT_FALSE(pack->Copy(unreadable, Digest::Of("unknown")).ok());
}

TEST_F(ContentStoreTest, CopyOfOtherBytesThanPromisedIsDataLossAndLeavesThePackUsable) {
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("what it is"));
  ASSERT_OK_AND_ASSIGN(ContentFile file, blobs_->Open(blob));
  std::unique_ptr<PackWriter> pack = NewPack();
  EXPECT_THAT(
      pack->Copy(file, Digest::Of("what it should be")),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of("what it should be").ToString())));
  EXPECT_THAT(Add(*pack, "next"), IsOkAndHolds(Digest::Of("next")));
  ASSERT_OK(pack->Append("under way"));
  EXPECT_THAT(pack->Copy(file, Digest()), StatusIs(absl::StatusCode::kInternal));
  ASSERT_OK(pack->Commit());
  EXPECT_EQ(PackBytes(), 4u);
}

TEST_F(ContentStoreTest, TwoPacksMayStoreTheSameContent) {
  std::unique_ptr<PackWriter> one = NewPack();
  std::unique_ptr<PackWriter> two = NewPack();
  ASSERT_OK(Add(*one, "shared"));
  ASSERT_OK(Add(*two, "shared"));
  ASSERT_OK(Add(*two, "own"));
  ASSERT_OK(one->Commit());
  ASSERT_OK(two->Commit());
  EXPECT_THAT(Load("shared"), IsOkAndHolds("shared"));
  EXPECT_THAT(Load("own"), IsOkAndHolds("own"));
}

TEST_F(ContentStoreTest, LeftoversAreRemovedWhenTheStoreIsOpened) {
  Store({"kept"});
  const std::string packs = root_.path() + "/packs/";
  ASSERT_OK(WriteFileAtomically(packs + "99", "linked, but the daemon was killed"));
  ASSERT_OK(WriteFileAtomically(packs + "rubbish", ""));
  Reopen();
  EXPECT_THAT(PackNames(), ElementsAre("1"));
  EXPECT_THAT(Load("kept"), IsOkAndHolds("kept"));
  Store({"next"});
  EXPECT_THAT(Load("next"), IsOkAndHolds("next"));
}

TEST_F(ContentStoreTest, AFileThatVanishedIsDataLossAndForgottenWhenTheStoreIsOpened) {
  Store({"kept"});
  Store({"lost"});
  Reopen();
  ASSERT_EQ(unlink((root_.path() + "/packs/2").c_str()), 0);
  EXPECT_THAT(Load("lost"), StatusIs(absl::StatusCode::kDataLoss));
  Reopen();
  EXPECT_THAT(Load("lost"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Load("kept"), IsOkAndHolds("kept"));
  Store({"lost"});
  EXPECT_THAT(Load("lost"), IsOkAndHolds("lost"));
}

TEST_F(ContentStoreTest, NumbersOfPacksAreNotUsedAgain) {
  Store({"one"});
  Store({"two"});
  ASSERT_OK(Run("DELETE FROM packs WHERE id = 2"));
  Reopen();
  Store({"three"});
  EXPECT_THAT(PackNames(), ElementsAre("1", "3"));
}

TEST_F(ContentStoreTest, NewPacksAreMarkedAsNotSynced) {
  Store({"one"});
  EXPECT_OK(database_->Read([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare("SELECT boot, size FROM packs"));
    EXPECT_THAT(rows.Step(), IsOkAndHolds(true));
    EXPECT_NE(rows.Text(0), "");
    EXPECT_EQ(rows.Int(1), 3);
    return absl::OkStatus();
  }));
}

TEST_F(ContentStoreTest, ADamagedContentIsDataLoss) {
  Store({"right"});
  Reopen();
  ASSERT_OK(WriteFileAtomically(root_.path() + "/packs/1", "wrong"));
  EXPECT_THAT(Load("right"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of("right").ToString())));
}

TEST_F(ContentStoreTest, RangesOfABlobAreContents) {
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("header|alpha|header|beta"));
  ASSERT_OK(
      store_->AddBlobRanges(blob, {{Digest::Of("alpha"), 7, 5}, {Digest::Of("beta"), 20, 4}}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(Load("alpha"), IsOkAndHolds("alpha"));
    EXPECT_THAT(Load("beta"), IsOkAndHolds("beta"));
    Reopen();
  }
  ASSERT_OK(store_->AddBlobRanges(blob, {{Digest::Of("header"), 0, 6}}));
  EXPECT_THAT(Load("header"), IsOkAndHolds("header"));
  Store({"alpha"});
  EXPECT_TRUE(PackNames().empty());
}

TEST_F(ContentStoreTest, ContentsThatAreStoredStayWhereTheyAre) {
  Store({"alpha"});
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("alpha beta"));
  ASSERT_OK(store_->AddBlobRanges(blob, {{Digest::Of("alpha"), 0, 5}, {Digest::Of("beta"), 6, 4}}));
  ASSERT_OK(blobs_->Remove(blob));
  Reopen();
  EXPECT_THAT(Load("alpha"), IsOkAndHolds("alpha"));
  EXPECT_THAT(Load("beta"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ContentStoreTest, RangesMustLieInAStoredBlob) {
  ASSERT_OK_AND_ASSIGN(Digest blob, blobs_->Write("short"));
  for (ContentStore::BlobRange range : {ContentStore::BlobRange{Digest::Of("x"), 3, 3},
                                        ContentStore::BlobRange{Digest::Of("x"), 6, 0},
                                        ContentStore::BlobRange{Digest::Of("x"), 1, UINT64_MAX}}) {
    EXPECT_THAT(store_->AddBlobRanges(blob, {range}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(blob.ToString())));
  }
  EXPECT_THAT(store_->AddBlobRanges(Digest::Of("missing"), {}),
              StatusIs(absl::StatusCode::kNotFound));
}

// More than one transaction and more than one buffer.
TEST_F(ContentStoreTest, TwentyThousandContents) {
  std::vector<Digest> digests;
  std::unique_ptr<PackWriter> pack = NewPack();
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_OK_AND_ASSIGN(Digest digest, Add(*pack, Large(static_cast<uint64_t>(i), 200)));
    digests.push_back(digest);
  }
  ASSERT_OK(pack->Commit());
  ASSERT_OK_AND_ASSIGN(std::vector<bool> stored, store_->Has(digests));
  EXPECT_EQ(std::count(stored.begin(), stored.end(), true), 20'000);
  for (int i = 0; i < 20'000; i += 61) {
    const Digest& digest = digests[static_cast<size_t>(i)];
    EXPECT_THAT(Slurp(store_->Open(digest), digest), IsOk());
  }
}

TEST_F(ContentStoreTest, ManyThreadsStoreAndRead) {
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([this, i] {
        for (int round = 0; round < 20; ++round) {
          std::string shared = "shared " + std::to_string(round);
          std::string own = "own " + std::to_string(i * 100 + round);
          Store({shared, own});
          EXPECT_THAT(Load(shared), IsOkAndHolds(shared));
          EXPECT_THAT(Load(own), IsOkAndHolds(own));
        }
      });
    }
  }
  EXPECT_THAT(Load("own 719"), IsOkAndHolds("own 719"));
}

TEST(ReadContentTest, GivesPiecesAndStopsAtTheFirstErrorOfTheSink) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenUnnamedFile(::testing::TempDir()));
  const std::string bytes = Large(4, 2'500'000);
  ASSERT_OK(WriteFully(fd.get(), bytes));
  ContentFile file{std::make_shared<const UniqueFd>(std::move(fd)), 0, bytes.size()};
  std::vector<size_t> sizes;
  EXPECT_OK(ReadContent(file, Digest::Of(bytes), [&](std::string_view piece) {
    sizes.push_back(piece.size());
    return absl::OkStatus();
  }));
  EXPECT_THAT(sizes, ElementsAre(1 << 20, 1 << 20, 2'500'000 - (2 << 20)));
  int calls = 0;
  EXPECT_THAT(ReadContent(file, Digest(),
                          [&](std::string_view) {
                            ++calls;
                            return Cancelled("enough");
                          }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 1);
}

TEST(ReadContentTest, AFileThatEndsTooEarlyIsDataLoss) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenUnnamedFile(::testing::TempDir()));
  ContentFile file{std::make_shared<const UniqueFd>(std::move(fd)), 0, 1};
  auto sink = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_THAT(ReadContent(file, Digest(), sink), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ReadContent(file, Digest::Of("x"), sink),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of("x").ToString())));
}

TEST(PackFilesTest, TheLastUsedStayOpen) {
  PackFiles files(2);
  auto open = [] { return std::make_shared<const UniqueFd>(::open("/dev/null", O_RDONLY)); };
  PackFiles::File one = files.Add(1, open());
  files.Add(2, open());
  EXPECT_EQ(files.Find(1), one);
  files.Add(3, open());
  EXPECT_EQ(files.Find(2), nullptr);
  EXPECT_EQ(files.Find(1), one);
  EXPECT_EQ(files.Add(1, open()), one);
  EXPECT_NE(files.Find(3), nullptr);
}

TEST_F(ContentStoreTest, ARemovedPackIsStoredAgain) {
  Store({"a", "b"});
  ASSERT_OK_AND_ASSIGN(ContentFile open, store_->Open(Digest::Of("a")));
  {
    const Uses::Work collection = uses_.BeginCollection();
    EXPECT_THAT(store_->RemovePack(1, collection.since(), root_.path()), IsOkAndHolds(true));
  }
  EXPECT_THAT(Slurp(open), IsOkAndHolds("a"));
  EXPECT_THAT(store_->Has({Digest::Of("a"), Digest::Of("b")}),
              IsOkAndHolds(std::vector<bool>{false, false}));
  EXPECT_THAT(store_->Open(Digest::Of("a")), StatusIs(absl::StatusCode::kNotFound));
  Store({"a"});
  EXPECT_THAT(Slurp(store_->Open(Digest::Of("a"))), IsOkAndHolds("a"));
}

TEST_F(ContentStoreTest, WhatWasSaidToBeStoredStays) {
  Store({"a"});
  const Uses::Work work = uses_.Begin();
  ASSERT_THAT(store_->Has({Digest::Of("a")}), IsOkAndHolds(std::vector<bool>{true}));
  const Uses::Work collection = uses_.BeginCollection();
  EXPECT_THAT(store_->RemovePack(1, collection.since(), root_.path()), IsOkAndHolds(false));
}

TEST_F(ContentStoreTest, AnInterruptedRemovalGoesOnAtTheNextStart) {
  Store({"a"});
  ASSERT_OK(database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement mark, connection.Prepare("UPDATE packs SET size = -1"));
    return mark.Run();
  }));
  EXPECT_THAT(store_->Has({Digest::Of("a")}), IsOkAndHolds(std::vector<bool>{false}));
  Store({"a"});
  EXPECT_THAT(Slurp(store_->Open(Digest::Of("a"))), IsOkAndHolds("a"));
  Reopen();
  EXPECT_THAT(Slurp(store_->Open(Digest::Of("a"))), IsOkAndHolds("a"));
  EXPECT_FALSE(std::filesystem::exists(root_.path() + "/packs/1"));
}

// All packs are garbage all the time, but for who works with them.
TEST_F(ContentStoreTest, RemovalTakesNothingFromWorkUnderWay) {
  std::atomic<bool> done{false};
  std::jthread collector([&] {
    while (!done) {
      const Uses::Work collection = uses_.BeginCollection();
      for (int64_t pack = 1; pack <= 120; ++pack) {
        EXPECT_OK(store_->RemovePack(pack, collection.since(), root_.path()));
      }
    }
  });
  std::vector<std::jthread> workers;
  for (int worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&] {
      for (int round = 0; round < 40; ++round) {
        const Uses::Work work = uses_.Begin();
        const std::vector<std::string> contents = {std::to_string(round % 4),
                                                   std::to_string(round % 3)};
        Store(contents);
        for (const std::string& content : contents) {
          EXPECT_THAT(Slurp(store_->Open(Digest::Of(content))), IsOkAndHolds(content));
        }
      }
    });
  }
  workers.clear();
  done = true;
}

}  // namespace
}  // namespace zlayer
