#include "client/cli/explanation.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

class ExplanationTest : public ::testing::Test {
 protected:
  ExplanationTest() {
    Add("build_plan {stages {index: 0 name: 'a' instructions: 'RUN 1' instructions: 'RUN 2'}"
        " stages {index: 1 name: 'b' instructions: 'RUN 3'}}");
  }

  void Add(const std::string& text) {
    v1::BuildEvent event;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
    explanation_.Add(event);
  }
  void Start(int stage, int index, int line) {
    Add("instruction_started {stage: " + std::to_string(stage) + " index: " +
        std::to_string(index) + " source {file: 'D' first_line: " + std::to_string(line) + "}}");
  }

  Explanation explanation_;
};

TEST_F(ExplanationTest, StepsStandInTheOrderOfTheFile) {
  Add("instruction_complete {stage: 1 index: 0 cached: true reason: 'hit'}");
  Add("instruction_complete {stage: 0 index: 1 seconds: 0.4 reason: 'first time'}");
  Add("instruction_complete {stage: 0 index: 0 cached: true reason: 'content hit'}");
  EXPECT_EQ(explanation_.Text(),
            "STEP             WHY          INSTRUCTION\n"
            "a 1/2  cached    content hit  RUN 1\n"
            "a 2/2  ran 0.4s  first time   RUN 2\n"
            "b 1/1  cached    hit          RUN 3\n");
}

TEST_F(ExplanationTest, WhatRunsHasAReason) {
  Start(0, 0, 2);
  Add("instruction_missed {stage: 0 index: 0 reason: 'evicted'}");
  EXPECT_EQ(explanation_.Text(),
            "STEP            WHY      INSTRUCTION\n"
            "a 1/2  running  evicted  RUN 1\n");
}

TEST_F(ExplanationTest, WhatFailedAndWhatItCanceledHaveReasons) {
  Start(0, 0, 2);
  Add("instruction_missed {stage: 0 index: 0 reason: 'miss: file a changed'}");
  Start(1, 0, 5);
  Add("instruction_missed {stage: 1 index: 0 reason: 'first time'}");
  Add("build_failed {detail {source {file: 'D' first_line: 5}}}");
  EXPECT_EQ(explanation_.Text(),
            "STEP             WHY                   INSTRUCTION\n"
            "a 1/2  canceled  miss: file a changed  RUN 1\n"
            "b 1/1  failed    first time            RUN 3\n");
}

TEST_F(ExplanationTest, WhatWasCanceledHasAReason) {
  Start(0, 0, 2);
  Add("instruction_missed {stage: 0 index: 0 reason: 'first time'}");
  Start(1, 0, 5);
  Add("build_canceled {}");
  EXPECT_EQ(explanation_.Text(),
            "STEP             WHY                             INSTRUCTION\n"
            "a 1/2  canceled  first time                      RUN 1\n"
            "b 1/1  canceled  the cache was not asked for it  RUN 3\n");
}

TEST_F(ExplanationTest, ARestartBeginsAnew) {
  Start(0, 0, 2);
  Add("build_plan {stages {index: 0 name: 'a' instructions: 'RUN 1'}}");
  EXPECT_EQ(explanation_.Text(), "STEP    WHY  INSTRUCTION\n");
}

// A file's name is a stranger's.
TEST_F(ExplanationTest, NothingReachesTheTerminalAsItsCommand) {
  Start(0, 0, 2);
  Add("instruction_missed {stage: 0 index: 0 reason: 'miss: file \\033[31mred\\nline changed'}");
  EXPECT_EQ(explanation_.Text(),
            "STEP            WHY                          INSTRUCTION\n"
            "a 1/2  running  miss: file red line changed  RUN 1\n");
}

}  // namespace
}  // namespace zlayer
