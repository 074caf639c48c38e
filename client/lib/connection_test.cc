#include "client/lib/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/default_address.h"
#include "client/lib/fake_daemon.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

TEST(ChooseAddressTest, TheFlagGoesBeforeTheEnvironment) {
  EXPECT_EQ(ChooseAddress("unix:///flag", "unix:///env"), "unix:///flag");
  EXPECT_EQ(ChooseAddress("", "unix:///env"), "unix:///env");
  EXPECT_EQ(ChooseAddress("", ""), DefaultAddress());
  EXPECT_EQ(ChooseAddress("", nullptr), DefaultAddress());
}

TEST(OpenTest, OtherAddressesAreRefused) {
  for (std::string address :
       {std::string("localhost:80"), std::string("unix:"), std::string("unix://relative/x"),
        std::string("/run/socket"), "unix:///" + std::string(108, 'x')}) {
    EXPECT_THAT(Connection::Open(address), StatusIs(absl::StatusCode::kInvalidArgument)) << address;
  }
  EXPECT_OK(Connection::Open("unix:relative"));
}

class CallTest : public FakeDaemonTest {
 protected:
  absl::Status Submit() {
    return Call(*connection_, connection_->builds(), &v1::BuildService::StubInterface::SubmitBuild,
                v1::SubmitBuildRequest(), kCallTimeout, stop_.get_token())
        .status();
  }
};

TEST_F(CallTest, NamesAnAddressWithoutDaemon) {
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("no daemon answers at " + address_)));
  EXPECT_THAT(connection_->Connect(std::chrono::seconds(5)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address_)));
  EXPECT_FALSE(connection_->IsReady());
}

TEST_F(CallTest, PassesTheStatusOfTheDaemonOn) {
  StartDaemon();
  EXPECT_OK(connection_->Connect(std::chrono::seconds(5)));
  EXPECT_TRUE(connection_->IsReady());
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("older")));
}

TEST_F(CallTest, AStopCancels) {
  StartDaemon();
  stop_.request_stop();
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
