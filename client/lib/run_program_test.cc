#include "client/lib/run_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr milliseconds kLong{60'000};
constexpr size_t kMuch = size_t{1} << 20;

absl::StatusOr<ProgramOutput> Shell(const std::string& script, std::string_view input = "",
                                    size_t max_output = kMuch, milliseconds limit = kLong,
                                    std::stop_token stop = {}) {
  return RunProgram({"sh", "-c", script}, input, max_output, limit, stop);
}

TEST(RunProgramTest, GivesInputAndTakesOutput) {
  ASSERT_OK_AND_ASSIGN(const ProgramOutput output, Shell("cat; exit 3", "some text"));
  EXPECT_EQ(output.text, "some text");
  EXPECT_EQ(output.exit_code, 3);
}

TEST(RunProgramTest, InputThatNobodyReadsDisturbsNobody) {
  ASSERT_OK_AND_ASSIGN(const ProgramOutput output, Shell("true", std::string(kMuch, 'x')));
  EXPECT_EQ(output.exit_code, 0);
}

TEST(RunProgramTest, MoreThanAPipeHolds) {
  ASSERT_OK_AND_ASSIGN(const ProgramOutput output, Shell("cat", std::string(500'000, 'x')));
  EXPECT_EQ(output.text.size(), 500'000u);
}

TEST(RunProgramTest, ASignalIsAnExitCode) {
  ASSERT_OK_AND_ASSIGN(const ProgramOutput output, Shell("kill -9 $$"));
  EXPECT_EQ(output.exit_code, 128 + 9);
}

TEST(RunProgramTest, AProgramThatIsMissingIsNotFound) {
  EXPECT_THAT(RunProgram({"no-such-program"}, "", kMuch, kLong, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-program")));
}

TEST(RunProgramTest, HasLimits) {
  EXPECT_THAT(Shell("cat", std::string(20'000, 's'), 1000),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("more than 1000 bytes"), Not(HasSubstr("ssss")))));
  EXPECT_THAT(Shell("exec sleep 600", "", kMuch, milliseconds{100}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Shell("exec sleep 600", "", kMuch, kLong, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(RunProgramTest, WhatTheProgramLeftRunningIsNotWaitedFor) {
  ASSERT_OK_AND_ASSIGN(const ProgramOutput output, Shell("sleep 20 & echo done"));
  EXPECT_EQ(output.text, "done\n");
}

}  // namespace
}  // namespace zlayer
