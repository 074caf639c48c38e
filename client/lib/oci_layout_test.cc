#include "client/lib/oci_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/tar_writer.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

class OciLayoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "layout"));
    layout_ = directory_.path() + "/in";
    target_ = directory_.path() + "/out";
    ASSERT_OK(MakeDirectories(layout_ + "/blobs/sha256"));
    Write("oci-layout", "{}");
    Write("index.json", "[]");
    Write("blobs/sha256/aa", std::string(3'000'000, 'a'));
    Write("blobs/sha256/bb", "");
  }

  void Write(const std::string& path, std::string_view content) {
    ASSERT_OK(WriteFileAtomically(layout_ + "/" + path, content));
  }

  std::string Archive() {
    std::string archive;
    EXPECT_OK(ArchiveLayout(
        layout_,
        [&archive](std::string_view data) {
          archive.append(data);
          return absl::OkStatus();
        },
        std::stop_token()));
    return archive;
  }

  // Unpacks `archive` in pieces, then ends with `last`.
  absl::Status Unpack(const std::string& archive, absl::Status last = absl::OkStatus()) {
    size_t done = 0;
    return UnpackLayout(
        [&]() -> absl::StatusOr<std::string_view> {
          std::string_view piece = std::string_view(archive).substr(done, 100'000);
          done += piece.size();
          if (piece.empty() && !last.ok()) {
            return last;
          }
          return piece;
        },
        target_);
  }

  // What is in the test's directory besides the layout.
  std::vector<std::string> Others() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().filename() != "in") {
        names.push_back(entry.path().filename().string());
      }
    }
    return names;
  }

  std::string ArchiveOf(const TarHeader& header) {
    std::string archive;
    TarWriter tar([&archive](std::string_view data) {
      archive.append(data);
      return absl::OkStatus();
    });
    EXPECT_OK(tar.Entry(header));
    EXPECT_OK(tar.Finish());
    return archive;
  }

  ScopedDirectory directory_;
  std::string layout_;
  std::string target_;
};

TEST_F(OciLayoutTest, ComesBackFromItsArchive) {
  ASSERT_OK(Unpack(Archive()));
  EXPECT_THAT(ReadFile(target_ + "/oci-layout"), IsOkAndHolds("{}"));
  EXPECT_THAT(ReadFile(target_ + "/index.json"), IsOkAndHolds("[]"));
  EXPECT_THAT(ReadFile(target_ + "/blobs/sha256/aa"), IsOkAndHolds(std::string(3'000'000, 'a')));
  EXPECT_THAT(ReadFile(target_ + "/blobs/sha256/bb"), IsOkAndHolds(""));
  EXPECT_THAT(Others(), ::testing::ElementsAre("out"));
}

TEST_F(OciLayoutTest, OtherFilesStayOutOfTheArchive) {
  std::string before = Archive();
  Write("notes.txt", "mine");
  Write("blobs/sha256/.aa.tmp", "half");
  EXPECT_EQ(Archive(), before);
}

TEST_F(OciLayoutTest, ADirectoryThatIsNoLayoutIsRefused) {
  ASSERT_EQ(unlink((layout_ + "/index.json").c_str()), 0);
  EXPECT_THAT(ArchiveLayout(layout_, [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("it has no index.json")));
}

TEST_F(OciLayoutTest, ABlobThatIsNoFileIsRefused) {
  ASSERT_EQ(mkfifo((layout_ + "/blobs/sha256/cc").c_str(), 0600), 0);
  EXPECT_THAT(ArchiveLayout(layout_, [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("blobs/sha256/cc")));
}

TEST_F(OciLayoutTest, ArchivingStopsWhenTold) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(ArchiveLayout(
                  layout_, [](std::string_view) { return absl::OkStatus(); }, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(OciLayoutTest, AnEmptyTargetIsTaken) {
  ASSERT_OK(MakeDirectories(target_));
  target_ += "/";
  EXPECT_OK(Unpack(Archive()));
}

TEST_F(OciLayoutTest, ATargetWithContentIsKept) {
  ASSERT_OK(MakeDirectories(target_));
  ASSERT_OK(WriteFileAtomically(target_ + "/mine", "x"));
  EXPECT_THAT(Unpack(Archive()), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(ReadFile(target_ + "/mine"), IsOkAndHolds("x"));
}

TEST_F(OciLayoutTest, NothingIsLeftOfABrokenArchive) {
  std::string archive = Archive();
  EXPECT_THAT(Unpack(archive.substr(0, 2'000'000)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Unpack("no archive at all"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Unpack(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Others(), ::testing::ElementsAre());
}

TEST_F(OciLayoutTest, AnErrorOfTheSourceIsReturned) {
  EXPECT_THAT(Unpack("", NotFound("no such image")),
              StatusIs(absl::StatusCode::kNotFound, "no such image"));
  EXPECT_THAT(Unpack(Archive(), DataLoss("the last piece")),
              StatusIs(absl::StatusCode::kDataLoss, "the last piece"));
  EXPECT_THAT(Others(), ::testing::ElementsAre());
}

TEST_F(OciLayoutTest, NothingLeavesTheFolder) {
  TarHeader header;
  for (const char* path : {"../evil", "blobs/../../evil", "/evil", "blobs/sha256/..", "evil",
                           "blobs/sha256/a/b", "blobs/evil"}) {
    header.path = path;
    EXPECT_THAT(Unpack(ArchiveOf(header)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("which no OCI layout has")))
        << path;
  }
  header.path = "blobs";
  header.type = TarHeader::Type::kSymlink;
  header.link_target = "/tmp";
  EXPECT_THAT(Unpack(ArchiveOf(header)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Others(), ::testing::ElementsAre());
}

}  // namespace
}  // namespace zlayer
