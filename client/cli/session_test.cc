#include "client/cli/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
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

TEST(SessionTest, AWrongAddressIsAUsageError) {
  GlobalOptions options;
  options.address = "tcp:80";
  Session session(&options, std::stop_token());
  absl::Status status = session.connection().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tcp:80")));
  EXPECT_EQ(ExitCode(status, false), 2);
}

TEST(ChooseNamespaceTest, TheFlagGoesBeforeTheEnvironment) {
  EXPECT_EQ(ChooseNamespace("flag", "env"), "flag");
  EXPECT_EQ(ChooseNamespace("", "env"), "env");
  EXPECT_EQ(ChooseNamespace("", nullptr), "");
}

TEST(FormatTableTest, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"A", "BB"}, {"long", "x"}, {"", ""}}), "A     BB\nlong  x\n      \n");
  EXPECT_EQ(FormatTable({}), "");
}

}  // namespace
}  // namespace zlayer
