#include "backends/native/exec/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::HasSubstr;

class RuntimeTest : public testing::Test {
 protected:
  std::string Script(const std::string& name, const std::string& text) {
    std::string path = directory_->path() + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << text;
    chmod(path.c_str(), 0755);
    return path;
  }

  absl::StatusOr<ScopedDirectory> directory_ = ScopedDirectory::Make(testing::TempDir(), "runtime");
};

TEST(ParseRuntimeVersionTest, ReadsTheFirstLine) {
  EXPECT_EQ(ParseRuntimeVersion("crun version 1.8.1\ncommit: f8a0\n"), "crun 1.8.1");
  EXPECT_EQ(ParseRuntimeVersion("runc version 1.1.5+ds1\nspec: 1.0.2-dev\n"), "runc 1.1.5+ds1");
  EXPECT_EQ(ParseRuntimeVersion("youki version  0.3.0"), "youki 0.3.0");
  EXPECT_EQ(ParseRuntimeVersion(""), "");
  EXPECT_EQ(ParseRuntimeVersion("usage: thing"), "");
}

TEST_F(RuntimeTest, FindsOneByPath) {
  auto runtime = FindRuntime(Script("my-runtime", "echo crun version 9.9"));
  ASSERT_OK(runtime);
  EXPECT_EQ(runtime->version, "crun 9.9");
  EXPECT_TRUE(runtime->is_crun);
}

TEST_F(RuntimeTest, OthersAreLikeRunc) {
  auto runtime = FindRuntime(Script("other", "echo runc version 1.2.3"));
  ASSERT_OK(runtime);
  EXPECT_FALSE(runtime->is_crun);
}

TEST_F(RuntimeTest, SaysWhatIsMissing) {
  EXPECT_THAT(FindRuntime("no-such-runtime"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-runtime")));
}

TEST_F(RuntimeTest, RefusesWhatIsNoRuntime) {
  EXPECT_THAT(FindRuntime(Script("thing", "echo hello")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("OCI runtime")));
}

TEST_F(RuntimeTest, SaysWhyItDoesNotStart) {
  std::string path = directory_->path() + "/broken";
  std::ofstream(path) << "\x7f"
                         "ELF";
  chmod(path.c_str(), 0755);
  EXPECT_THAT(FindRuntime(path), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("broken: Exec format error")));
}

}  // namespace
}  // namespace zlayer
