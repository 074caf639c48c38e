#include "backends/native/solver/emulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Platform Linux(const std::string& architecture) {
  v1::Platform platform;
  platform.set_os("linux");
  platform.set_architecture(architecture);
  return platform;
}

class EmulationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "binfmt"));
  }
  void Register(const std::string& name, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(directory_.path() + "/" + name, text));
  }
  absl::Status Check(const std::string& architecture, const std::string& host = "amd64") {
    return CheckCanRun(Linux(architecture), Linux(host), directory_.path());
  }

  ScopedDirectory directory_;
};

TEST_F(EmulationTest, TheHostsOwnNeedNothing) {
  EXPECT_OK(Check("amd64"));
  EXPECT_OK(Check("386"));
  EXPECT_OK(Check(""));
  EXPECT_OK(Check("arm64", "arm64"));
  v1::Platform old = Linux("arm");
  old.set_variant("v6");
  EXPECT_OK(CheckCanRun(old, Linux("arm"), directory_.path()));
}

TEST_F(EmulationTest, OthersNeedTheirEmulator) {
  const absl::Status missing = Check("arm64");
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr("linux/arm64"), HasSubstr("qemu-aarch64"),
                                      HasSubstr("qemu-user-static"))));
  EXPECT_EQ(DetailOf(missing).reason(), "BINFMT_NOT_REGISTERED");
  EXPECT_EQ(DetailOf(missing).subject(), "linux/arm64");
  Register("qemu-aarch64", "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n");
  EXPECT_OK(Check("arm64"));
  Register("qemu-s390x", "disabled\n");
  EXPECT_THAT(Check("s390x"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not enabled")));
  EXPECT_THAT(Check("386", "arm64"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("qemu-i386")));
  EXPECT_THAT(Check("amd64", "386"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("qemu-x86_64")));
}

TEST_F(EmulationTest, AnArchitectureIsNoPath) {
  ASSERT_OK(MakeDirectories(directory_.path() + "/qemu-x"));
  Register("secret", "enabled");
  EXPECT_THAT(Check("x/../secret"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace zlayer
