#include "daemon/build/backend_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ParseBackendKindTest, TakesEverySpelling) {
  const std::pair<const char*, BackendKind> names[] = {
      {"native", BackendKind::kNative},
      {"buildah-cli", BackendKind::kBuildahCli},
      {" Buildah ", BackendKind::kBuildahCli},
      {"CLI", BackendKind::kBuildahCli},
      {"buildah-sidecar", BackendKind::kBuildahSidecar},
      {"sidecar", BackendKind::kBuildahSidecar},
      {"buildd", BackendKind::kBuildahSidecar},
      {"sandbox", BackendKind::kSandbox},
      {"macOS-sandbox", BackendKind::kSandbox},
      {"hcs\n", BackendKind::kHcs},
      {"windows-hcs", BackendKind::kHcs},
  };
  for (const auto& [text, kind] : names) {
    EXPECT_THAT(ParseBackendKind(text), IsOkAndHolds(kind)) << text;
  }
  EXPECT_THAT(ParseBackendKind("docker"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"docker\""), HasSubstr("buildah-sidecar"))));
}

// The host's systems by those of images: what is chosen where nothing is said. Empty is a refusal.
TEST(SelectBackendTest, TheMatrix) {
  const struct {
    const char* host;
    const char* target;
    bool native;
  } cases[] = {
      {"linux", "", true},
      {"linux", "linux", true},
      {"linux", "windows", true},
      {"linux", "darwin", false},
      {"darwin", "linux", false},
      {"darwin", "windows", false},
      {"darwin", "darwin", false},
      {"windows", "linux", false},
      {"windows", "windows", false},
      {"windows", "darwin", false},
      {"", "", true},
  };
  for (const auto& [host, target, native] : cases) {
    const auto chosen = SelectBackend({.host = host, .target = target});
    EXPECT_EQ(chosen.ok(), native) << host << " " << target;
    EXPECT_EQ(DetailOf(chosen.status()).reason(), native ? "" : "BACKEND_UNAVAILABLE");
  }
}

TEST(SelectBackendTest, WhatIsNamedIsRefusedWithTheReason) {
  const struct {
    const char* name;
    const char* host;
    const char* why;
  } cases[] = {
      {"buildah", "linux", "does not drive Buildah"},
      {"sidecar", "darwin", "does not drive Buildah"},
      {"sandbox", "linux", "needs macOS"},
      {"sandbox", "darwin", "no sandbox of macOS"},
      {"hcs", "linux", "needs Windows"},
      {"hcs", "windows", "compute service"},
      {"native", "windows", "runs on Linux"},
  };
  for (const auto& [name, host, why] : cases) {
    const auto chosen = SelectBackend({.host = host, .target = "linux", .request = name});
    EXPECT_THAT(chosen.status(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(why)))
        << name << " " << host;
    EXPECT_EQ(DetailOf(chosen.status()).reason(), "BACKEND_UNAVAILABLE");
  }
}

TEST(SelectBackendTest, TheRequestComesBeforeTheEnvironment) {
  EXPECT_THAT(SelectBackend({.host = "linux", .request = "native", .environment = "hcs"}),
              IsOkAndHolds(BackendKind::kNative));
  EXPECT_THAT(SelectBackend({.host = "linux", .request = " ", .environment = "native"}),
              IsOkAndHolds(BackendKind::kNative));
  EXPECT_THAT(SelectBackend({.host = "linux", .environment = "hcs"}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("hcs")));
  EXPECT_THAT(SelectBackend({.host = "linux", .environment = "docker"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ZLAYER_BACKEND")));
  EXPECT_THAT(SelectBackend({.host = "linux", .request = "docker"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"docker\"")));
}

}  // namespace
}  // namespace zlayer
