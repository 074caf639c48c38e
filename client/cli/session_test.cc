#include "client/cli/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "client/cli/outcome.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

TEST(ExitCodeTest, FollowsTheStatus) {
  EXPECT_EQ(ExitCode(absl::OkStatus(), false), 0);
  EXPECT_EQ(ExitCode(NotFound("image"), false), 1);
  EXPECT_EQ(ExitCode(InvalidArgument("archive"), false), 1);
  EXPECT_EQ(ExitCode(Cancelled("by another"), false), 1);
  EXPECT_EQ(ExitCode(UsageError("flag"), false), 2);
  EXPECT_EQ(ExitCode(Unavailable("no daemon"), false), 3);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("no answer"), false), 3);
  EXPECT_EQ(ExitCode(Cancelled("by the user"), true), 130);
}

TEST(OutcomeTest, AFailedBuildIsOneWhateverItsCode) {
  v1::BuildEvent event;
  event.mutable_build_failed()->set_error("Dockerfile:3: it failed");
  event.mutable_build_failed()->set_code(14);
  event.mutable_build_failed()->mutable_detail()->set_exit_code(7);
  absl::Status status = OutcomeOf(event);
  EXPECT_EQ(Message(status), "Dockerfile:3: it failed");
  EXPECT_EQ(ExitCode(status, false), 1);
  EXPECT_EQ(DetailOf(status).exit_code(), 7);
}

TEST(OutcomeTest, ACanceledBuildIsNamed) {
  v1::BuildEvent event;
  event.set_build_id("b1");
  event.mutable_build_canceled();
  EXPECT_EQ(Message(OutcomeOf(event)), "build b1 was canceled");
  event.mutable_build_canceled()->set_reason("too old");
  EXPECT_EQ(Message(OutcomeOf(event)), "build b1 was canceled: too old");
  event.mutable_build_complete();
  EXPECT_OK(OutcomeOf(event));
}

TEST(SessionTest, AWrongAddressIsAUsageError) {
  GlobalOptions options;
  options.address = "tcp:80";
  Session session(&options, std::stop_token());
  absl::Status status = session.connection().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tcp:80")));
  EXPECT_EQ(ExitCode(status, false), 2);
}

TEST(FormatTableTest, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"A", "BB"}, {"long", "x"}, {"", ""}}), "A     BB\nlong  x\n      \n");
  EXPECT_EQ(FormatTable({}), "");
}

}  // namespace
}  // namespace zlayer
