#include "client/lib/stoppable_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

class StoppableReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_.Reset(ends[0]);
    write_end_.Reset(ends[1]);
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
  std::stop_source stop_;
};

TEST_F(StoppableReaderTest, ReadsToTheEnd) {
  ASSERT_OK(WriteFully(write_end_.get(), "hello"));
  write_end_.Reset();
  StoppableReader reader(read_end_.get(), stop_.get_token());
  EXPECT_THAT(reader.ReadAll(5), IsOkAndHolds("hello"));
}

TEST_F(StoppableReaderTest, KeepsTheLimit) {
  ASSERT_OK(WriteFully(write_end_.get(), "hello"));
  write_end_.Reset();
  StoppableReader reader(read_end_.get(), stop_.get_token());
  EXPECT_THAT(reader.ReadAll(4), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(StoppableReaderTest, AStopEndsAWait) {
  StoppableReader reader(read_end_.get(), stop_.get_token());
  std::jthread stopper([this] { stop_.request_stop(); });
  char byte;
  EXPECT_THAT(reader.Read(&byte, 1), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StoppableReaderTest, AStopBeforeItBeganCounts) {
  stop_.request_stop();
  StoppableReader reader(read_end_.get(), stop_.get_token());
  EXPECT_THAT(reader.ReadAll(1), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StoppableReaderTest, AnErrorIsReported) {
  StoppableReader reader(write_end_.get(), stop_.get_token());
  read_end_.Reset();  // makes poll() return for the write end
  char byte;
  EXPECT_FALSE(reader.Read(&byte, 1).ok());
}

}  // namespace
}  // namespace zlayer
