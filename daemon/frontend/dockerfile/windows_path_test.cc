#include "daemon/frontend/dockerfile/windows_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

TEST(WindowsPath, BecomesOneWithSlashes) {
  const struct {
    const char* path;
    const char* slashed;
  } kCases[] = {
      {R"(C:\app)", "/app"},
      {"c:/app", "/app"},
      {R"(\app\)", "/app/"},
      {"/app", "/app"},
      {R"(C:app\x)", "app/x"},
      {R"(a\b/c)", "a/b/c"},
      {"C:\\", "/"},
      {"", ""},
      {".", "."},
      {R"(C:\..\x)", "/../x"},
      {"AB", "AB"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(SlashPath(test.path), IsOkAndHolds(std::string(test.slashed))) << test.path;
  }
}

TEST(WindowsPath, OfAnotherDriveOrHostIsRefused) {
  const struct {
    const char* path;
    const char* message;
  } kCases[] = {
      {R"(D:\app)", "drive C:"},  {"d:", "drive C:"},       {"C:", "without a path"},
      {R"(\\host\share)", "UNC"}, {R"(\\.\pipe\x)", "UNC"}, {"//host/share", "UNC"},
      {"a:b", "drive C:"},        {":", "drive C:"},        {"cc:x", "drive C:"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(SlashPath(test.path),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.message)))
        << test.path;
  }
}

TEST(WindowsPath, OfTheGraphGetsTheDrive) {
  EXPECT_EQ(DrivePath("/"), "C:\\");
  EXPECT_EQ(DrivePath("/app/x"), R"(C:\app\x)");
}

}  // namespace
}  // namespace zlayer
