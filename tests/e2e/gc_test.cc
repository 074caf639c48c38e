// `zlayer cache`: what is listed, what goes, and that builds never notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GcTest : public BusyboxTest {
 protected:
  std::vector<Json> List(const std::vector<std::string>& filters = {}) {
    std::vector<std::string> arguments = {"cache", "ls", "--format", "json"};
    for (const std::string& filter : filters) {
      arguments.insert(arguments.end(), {"--filter", filter});
    }
    const Finished ls = Zlayer(arguments);
    EXPECT_EQ(ls.exit_code, 0) << ls.err;
    return ParseEvents(ls.out);
  }

  Json Prune(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"cache", "prune", "--format", "json"});
    const Finished prune = Zlayer(arguments);
    EXPECT_EQ(prune.exit_code, 0) << prune.err;
    return Json::parse(prune.out, nullptr, false);
  }

  static uint64_t Removed(const Json& prune, const std::string& type) {
    for (const Json& removed : prune["removed"]) {
      if (removed["type"] == type) {
        return std::stoull(removed["objects"].get<std::string>());
      }
    }
    return 0;
  }

  uint64_t Unused() {
    const Finished df = Zlayer({"df", "--format", "json"});
    EXPECT_EQ(df.exit_code, 0) << df.err;
    const Json usage = Json::parse(df.out, nullptr, false);
    for (const Json& category : usage["categories"]) {
      if (category["name"] == "unused") {
        return std::stoull(category["bytes"].get<std::string>());
      }
    }
    ADD_FAILURE() << df.out;
    return 0;
  }
};

TEST_F(GcTest, ListsAndPrunes) {
  WriteContext(
      "Dockerfile",
      "FROM busybox\nCOPY file /\n"
      "RUN --mount=type=cache,id=c,target=/c head -c 300000 /dev/urandom >/c/f && cp /c/f /r\n");
  WriteContext("file", std::string(100'000, 'f'));
  Build({"-t", "app"});
  EXPECT_EQ(List({"type=record"}).size(), 2u);
  const std::vector<Json> mounts = List({"type=cache-mount"});
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0]["id"], "c");
  EXPECT_GE(std::stoull(mounts[0]["bytes"].get<std::string>()), 300'000u);
  EXPECT_EQ(List({"until=1h"}).size(), 0u);
  EXPECT_THAT(Zlayer({"cache", "ls"}).out, HasSubstr("cache-mount"));

  EXPECT_EQ(Removed(Prune({"--dry-run"}), "record"), 2u);
  EXPECT_EQ(Removed(Prune({"--keep-duration", "1h"}), "record"), 0u);
  EXPECT_EQ(Removed(Prune({"--filter", "type=cache-mount"}), "cache-mount"), 1u);
  EXPECT_EQ(Removed(Prune({"--all"}), "record"), 2u);
  EXPECT_EQ(List().size(), 0u);
  EXPECT_EQ(Unused(), 0u);
  // The image stays, and can be built again.
  EXPECT_EQ(Zlayer({"export", "-o", Path("app.tar"), "app"}).exit_code, 0);
  EXPECT_EQ(Executed(Build({"-t", "app"})).size(), 2u);
}

TEST_F(GcTest, WhatRemovedImagesLeaveGoes) {
  WriteContext("Dockerfile", "FROM busybox\nRUN head -c 2000000 /dev/urandom >/r\n");
  Build({"-t", "app"});
  ASSERT_EQ(Zlayer({"rmi", "app", "busybox"}).exit_code, 0);
  const Json prune = Prune();
  EXPECT_EQ(Removed(prune, "layer"), 2u);
  EXPECT_GE(std::stoull(prune["freed_bytes"].get<std::string>()), 2'000'000u);
  EXPECT_EQ(Unused(), 0u);
}

// A cache that may have one megabyte, and steps that write half of one each.
TEST_F(GcTest, TheDaemonKeepsItsLimitsByItself) {
  StopDaemon();
  ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"),
                                "gc:\n  interval: 100ms\n  policies:\n    - max_used: 1MB\n"));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  for (int i = 0; i < 6; ++i) {
    WriteContext("Dockerfile", "FROM busybox\nRUN head -c 500000 /dev/urandom >/r; echo " +
                                   std::to_string(i) + "\n");
    Build({"-t", "app"});
    ASSERT_EQ(Zlayer({"rmi", "app"}).exit_code, 0);
  }
  // Without a command to do so. What was made last is what stays.
  EXPECT_TRUE(WaitUntil([&] { return List({"type=record"}).size() == 2u; }));
  EXPECT_TRUE(WaitUntil([&] { return Unused() == 0; }));
  EXPECT_THAT(Executed(Build({"-t", "app"})), IsEmpty());
}

TEST_F(GcTest, TheDaemonMakesRoomOnAFullDisk) {
  WriteContext("Dockerfile", "FROM busybox\nRUN head -c 500000 /dev/urandom >/r\n");
  Build({"-t", "app"});
  ASSERT_EQ(Zlayer({"rmi", "app"}).exit_code, 0);
  EXPECT_EQ(List({"type=record"}).size(), 1u);
  StopDaemon();
  // No disk is so empty; and between two looks for changes there are hours.
  ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"),
                                "gc:\n  interval: 24h\n  policies:\n    - min_free: 100%\n"));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  EXPECT_TRUE(WaitUntil([&] { return List().empty(); }, 60));
}

TEST_F(GcTest, BuildsNeverNotice) {
  WriteContext(
      "Dockerfile",
      "FROM busybox AS one\nCOPY file /\nRUN cat /file >/one\n"
      "FROM busybox\nARG N\nCOPY --from=one /one /\nCOPY file /two\n"
      "RUN --mount=type=cache,target=/c echo $N >>/c/log && sleep 0.1\nRUN cat /one /two\n");
  std::atomic<bool> done{false};
  std::jthread pruning([&] {
    while (!done) {
      Prune();
    }
  });
  for (int i = 0; i < 12; ++i) {
    WriteContext("file", "content " + std::to_string(i % 3));
    Build({"-t", "app:" + std::to_string(i), "--build-arg", "N=" + std::to_string(i % 4)});
    if (i % 2 == 0) {
      EXPECT_EQ(Zlayer({"rmi", "app:" + std::to_string(i)}).exit_code, 0);
    }
  }
  done = true;
  pruning.join();
  for (int i = 1; i < 12; i += 2) {
    EXPECT_EQ(Zlayer({"export", "-o", Path("app.tar"), "app:" + std::to_string(i)}).exit_code, 0);
  }
  Prune();
  EXPECT_EQ(Unused(), 0u);
}

TEST_F(GcTest, AKillWhilePruningLosesNothing) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY file /\nRUN head -c 100000 /dev/urandom >/r\n");
  for (int round = 0; round < 3; ++round) {
    WriteContext("file", "content " + std::to_string(round));
    Build({"-t", "kept"});
    WriteContext("file", "other content " + std::to_string(round));
    Build();
    Process prune(Cli({"cache", "prune"}));
    usleep(static_cast<useconds_t>(round) * 15'000);
    StopDaemon(SIGKILL);
    prune.Wait();
    StartDaemon();
    EXPECT_EQ(Zlayer({"export", "-o", Path("kept.tar"), "kept"}).exit_code, 0);
    Prune();
    EXPECT_EQ(Unused(), 0u);
  }
}

}  // namespace
}  // namespace zlayer::e2e
