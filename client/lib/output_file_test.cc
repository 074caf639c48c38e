#include "client/lib/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OutputFileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_->path() + "/" + name; }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_->path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  absl::StatusOr<ScopedDirectory> directory_ =
      ScopedDirectory::Make(::testing::TempDir(), "output-file-");
};

TEST_F(OutputFileTest, AppearsWhenItIsComplete) {
  ASSERT_OK(WriteOutput(Path("f"), "old"));
  {
    ASSERT_OK_AND_ASSIGN(OutputFile file, OutputFile::Create(Path("f")));
    ASSERT_OK(file.Write("new"));
    EXPECT_THAT(ReadFile(Path("f")), IsOkAndHolds("old"));
    ASSERT_OK(file.Finish());
  }
  EXPECT_THAT(ReadFile(Path("f")), IsOkAndHolds("new"));
  EXPECT_THAT(Names(), ElementsAre("f"));
}

TEST_F(OutputFileTest, IsNotThereWhereItIsNeverComplete) {
  {
    ASSERT_OK_AND_ASSIGN(OutputFile file, OutputFile::Create(Path("f")));
    ASSERT_OK(file.Write("a part"));
  }
  EXPECT_TRUE(Names().empty());
  EXPECT_THAT(WriteOutput(Path("no/f"), ""),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/f")));
}

TEST_F(OutputFileTest, ALinkStaysOne) {
  ASSERT_OK(WriteOutput(Path("f"), "a longer one"));
  ASSERT_EQ(symlink("f", Path("link").c_str()), 0);
  ASSERT_OK(WriteOutput(Path("link"), "new"));
  EXPECT_THAT(ReadFile(Path("f")), IsOkAndHolds("new"));
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link")));
}

// As /dev/null is, which root could replace.
TEST_F(OutputFileTest, WhatIsNoFileIsWrittenTo) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  absl::StatusOr<std::string> read;
  {
    const std::jthread reader([&] { read = ReadFile(Path("fifo")); });
    ASSERT_OK(WriteOutput(Path("fifo"), "through it"));
  }
  EXPECT_THAT(read, IsOkAndHolds("through it"));
  EXPECT_TRUE(std::filesystem::is_fifo(Path("fifo")));
}

}  // namespace
}  // namespace zlayer
