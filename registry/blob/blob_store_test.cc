#include "registry/blob/blob_store.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BlobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "blobs"));
    ASSERT_OK_AND_ASSIGN(store_, OpenDiskBlobStore(directory_.path()));
  }

  std::string PathOf(const Digest& digest) const {
    return directory_.path() + "/sha256/" + digest.Hex();
  }

  size_t Files() const {
    std::filesystem::directory_iterator files(directory_.path() + "/sha256");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  ScopedDirectory directory_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(BlobStoreTest, ABlobIsFoundByItsDigest) {
  ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("{\"a\": 1}"));
  EXPECT_EQ(digest, Digest::Of("{\"a\": 1}"));
  EXPECT_TRUE(store_->Has(digest));
  EXPECT_THAT(store_->Read(digest), IsOkAndHolds("{\"a\": 1}"));
  ASSERT_OK_AND_ASSIGN(ContentFile file, store_->Open(digest));
  EXPECT_EQ(file.offset, 0u);
  EXPECT_EQ(file.size, 8u);
  EXPECT_THAT(ReadFile(PathOf(digest)), IsOkAndHolds("{\"a\": 1}"));
}

TEST_F(BlobStoreTest, PiecesAreJoinedAndCanBeReadBeforeCommit) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_->NewBlob());
  ASSERT_OK(writer->Append("first "));
  ASSERT_OK(writer->Append("second"));
  ContentFile written = writer->Written();
  std::string content(written.size, 0);
  ASSERT_OK(PreadFully(written.fd->get(), content.data(), content.size(), written.offset));
  EXPECT_EQ(content, "first second");
  EXPECT_EQ(writer->Finish(), Digest::Of(content));
  EXPECT_EQ(writer->Finish(), Digest::Of(content));
  EXPECT_EQ(Files(), 0u);
  EXPECT_THAT(writer->Commit(Digest::Of("first second")), IsOkAndHolds(Digest::Of(content)));
  EXPECT_EQ(Files(), 1u);
}

TEST_F(BlobStoreTest, AnotherDigestThanExpectedIsDataLossAndLeavesNothing) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_->NewBlob());
  ASSERT_OK(writer->Append("something"));
  EXPECT_THAT(
      writer->Commit(Digest::Of("else")),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(Digest::Of("else").Hex()),
                                                  HasSubstr(Digest::Of("something").Hex()))));
  EXPECT_EQ(Files(), 0u);
}

TEST_F(BlobStoreTest, WhatIsNotCommittedLeavesNothing) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_->NewBlob());
  ASSERT_OK(writer->Append("half"));
  writer.reset();
  EXPECT_EQ(Files(), 0u);
}

TEST_F(BlobStoreTest, CommittingAgainKeepsTheFileThatIsThere) {
  ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("same"));
  struct stat before, after;
  ASSERT_EQ(stat(PathOf(digest).c_str(), &before), 0);
  EXPECT_THAT(store_->Write("same"), IsOkAndHolds(digest));
  ASSERT_EQ(stat(PathOf(digest).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(Files(), 1u);
}

TEST_F(BlobStoreTest, CommittingAgainRepairsADamagedFile) {
  for (const char* damaged : {"", "sane", "same and more"}) {
    ASSERT_OK(WriteFileAtomically(PathOf(Digest::Of("same")), damaged));
    ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("same"));
    EXPECT_THAT(store_->Read(digest), IsOkAndHolds("same"));
    EXPECT_EQ(Files(), 1u);
  }
}

TEST_F(BlobStoreTest, ADamagedBlobIsDataLoss) {
  ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("right"));
  ASSERT_OK(WriteFileAtomically(PathOf(digest), "wrong"));
  EXPECT_THAT(store_->Read(digest),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(digest.ToString())));
}

TEST_F(BlobStoreTest, AMissingBlobIsNotFound) {
  Digest missing = Digest::Of("missing");
  EXPECT_FALSE(store_->Has(missing));
  EXPECT_THAT(store_->Open(missing),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(missing.ToString())));
  EXPECT_THAT(store_->Read(missing), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(store_->Remove(missing));
}

TEST_F(BlobStoreTest, AHugeBlobIsNotReadIntoMemory) {
  Digest digest = Digest::Of("huge");
  ASSERT_OK(WriteFileAtomically(PathOf(digest), ""));
  std::filesystem::resize_file(PathOf(digest), uintmax_t{1} << 32);
  EXPECT_THAT(store_->Read(digest), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(BlobStoreTest, ARemovedBlobIsGoneButWhoReadsItGoesOn) {
  ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("short life"));
  ASSERT_OK_AND_ASSIGN(ContentFile file, store_->Open(digest));
  ASSERT_OK(store_->Remove(digest));
  EXPECT_FALSE(store_->Has(digest));
  std::string content;
  EXPECT_OK(ReadContent(file, digest, [&](std::string_view piece) {
    content += piece;
    return absl::OkStatus();
  }));
  EXPECT_EQ(content, "short life");
}

TEST_F(BlobStoreTest, BlobsSurviveReopening) {
  ASSERT_OK_AND_ASSIGN(Digest digest, store_->Write("kept"));
  ASSERT_OK_AND_ASSIGN(store_, OpenDiskBlobStore(directory_.path()));
  EXPECT_THAT(store_->Read(digest), IsOkAndHolds("kept"));
}

TEST_F(BlobStoreTest, ManyThreadsMayWriteTheSameBlob) {
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] { good += store_->Write("shared").ok(); });
    }
  }
  EXPECT_EQ(good, 8);
  EXPECT_EQ(Files(), 1u);
  EXPECT_THAT(store_->Read(Digest::Of("shared")), IsOkAndHolds("shared"));
}

}  // namespace
}  // namespace zlayer
