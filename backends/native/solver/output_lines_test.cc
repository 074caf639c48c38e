#include "backends/native/solver/output_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace zlayer {
namespace {

using ::testing::ElementsAre;

class OutputLinesTest : public ::testing::Test {
 protected:
  std::vector<std::string> seen_;
  OutputLines lines_{[this](std::string_view data, bool partial) {
    seen_.push_back(std::string(data) + (partial ? "[partial]" : ""));
  }};
};

TEST_F(OutputLinesTest, JoinsPiecesAndCutsAtNewlines) {
  lines_.Add("on");
  lines_.Add("e\ntwo\n\nthr");
  EXPECT_THAT(seen_, ElementsAre("one\n", "two\n", "\n"));
  lines_.Finish();
  EXPECT_THAT(seen_, ElementsAre("one\n", "two\n", "\n", "thr"));
}

TEST_F(OutputLinesTest, LongLinesComeInParts) {
  const std::string line(OutputLines::kMaxLine + 10, 'x');
  lines_.Add(line + "\nnext\n");
  ASSERT_EQ(seen_.size(), 3u);
  EXPECT_EQ(seen_[0], std::string(OutputLines::kMaxLine, 'x') + "[partial]");
  EXPECT_EQ(seen_[1], "xxxxxxxxxx\n");
  EXPECT_EQ(seen_[2], "next\n");
}

TEST_F(OutputLinesTest, ALineOfExactlyTheLimitIsWhole) {
  const std::string line(OutputLines::kMaxLine - 1, 'x');
  lines_.Add(line + "\n");
  EXPECT_THAT(seen_, ElementsAre(line + "\n"));
}

TEST_F(OutputLinesTest, FinishAfterANewlineAddsNothing) {
  lines_.Add("a\n");
  lines_.Finish();
  lines_.Finish();
  EXPECT_THAT(seen_, ElementsAre("a\n"));
}

}  // namespace
}  // namespace zlayer
