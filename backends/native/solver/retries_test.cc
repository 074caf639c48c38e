#include "backends/native/solver/retries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/errors.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Status CommandFailed() {
  v1::ErrorDetail detail;
  detail.set_reason("RUN_FAILED");
  return WithDetail(absl::AbortedError("it exited with code 1"), detail);
}

class RetriesTest : public ::testing::Test {
 protected:
  // Attempts end with these, one after the other.
  absl::Status Run(uint32_t retries, std::vector<absl::Status> ends) {
    options_.retries = retries;
    options_.pause = std::chrono::seconds(3);
    options_.wait = [this](std::chrono::nanoseconds pause, std::stop_token) {
      EXPECT_EQ(pause, std::chrono::seconds(3));
      if (++waits_ == stop_in_wait_) {
        stop_.request_stop();
      }
    };
    return WithRetries(
        options_, [&] { return ends.at(attempts_++); },
        [this](v1::BuildEvent event) {
          const v1::InstructionRetried& retried = event.instruction_retried();
          EXPECT_EQ(retried.pause_seconds(), 3);
          EXPECT_EQ(retried.reason(), "it exited with code 1");
          told_.push_back(std::to_string(retried.attempt()) + "/" +
                          std::to_string(retried.attempts()));
        },
        stop_.get_token());
  }

  RetryOptions options_;
  std::stop_source stop_;
  size_t attempts_ = 0;
  int waits_ = 0;
  int stop_in_wait_ = 0;
  std::vector<std::string> told_;
};

TEST_F(RetriesTest, AFailedCommandIsTriedAgain) {
  EXPECT_OK(Run(3, {CommandFailed(), CommandFailed(), absl::OkStatus()}));
  EXPECT_EQ(attempts_, 3u);
  EXPECT_THAT(told_, ElementsAre("2/4", "3/4"));
}

TEST_F(RetriesTest, TheLastFailureIsTheResult) {
  EXPECT_THAT(Run(1, {CommandFailed(), CommandFailed()}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(told_, ElementsAre("2/2"));
}

TEST_F(RetriesTest, WithoutRetriesThereIsOneAttempt) {
  EXPECT_THAT(Run(0, {CommandFailed()}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(RetriesTest, WhatIsNoFailureOfTheCommandIsNotTriedAgain) {
  EXPECT_THAT(Run(3, {Cancelled("the build was canceled")}),
              StatusIs(absl::StatusCode::kCancelled));
  attempts_ = 0;
  EXPECT_THAT(Run(3, {FailedPrecondition("no runtime")}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(RetriesTest, ACancelEndsThePause) {
  stop_in_wait_ = 2;
  EXPECT_THAT(Run(5, {CommandFailed(), CommandFailed(), CommandFailed()}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(attempts_, 2u);
}

}  // namespace
}  // namespace zlayer
