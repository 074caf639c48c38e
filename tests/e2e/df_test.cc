// What `zlayer df` says of the disk, compared with `du`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;

class DfTest : public BusyboxTest {
 protected:
  Finished Shell(const std::string& script) {
    return Execute({"sh", "-ec", script, "sh", directory_.path()});
  }

  uint64_t Du() { return std::stoull(Shell("sync; du -s --block-size=1 \"$1/root\"").out); }

  // While nothing changes (what was written is marked as synced some seconds later): the sums are
  // those of du.
  Json Df() {
    Json usage;
    const bool quiet = WaitUntil(
        [&] {
          const uint64_t before = Du();
          const Finished df = Zlayer({"df", "-v", "--format", "json"});
          EXPECT_EQ(df.exit_code, 0) << df.err;
          usage = Json::parse(df.out, nullptr, false);
          return Du() == before && Number(usage["total_bytes"]) == before;
        },
        60);
    EXPECT_TRUE(quiet) << "df says " << usage["total_bytes"] << ", du " << Du();
    uint64_t sum = 0;
    for (const Json& category : usage["categories"]) {
      sum += Number(category["bytes"]);
    }
    EXPECT_EQ(sum, Number(usage["total_bytes"]));
    return usage;
  }

  // 64 bits are strings in JSON.
  static uint64_t Number(const Json& value) { return std::stoull(value.get<std::string>()); }

  static uint64_t Bytes(const Json& usage, const std::string& name) {
    for (const Json& category : usage["categories"]) {
      if (category["name"] == name) {
        return Number(category["bytes"]);
      }
    }
    ADD_FAILURE() << name;
    return 0;
  }
};

TEST_F(DfTest, SumsAreThoseOfTheDisk) {
  const Json base = Df();
  EXPECT_GT(Bytes(base, "images"), 500'000u);
  EXPECT_EQ(Bytes(base, "unused"), 0u);

  // Trees with hard links, contents that images share, logs, a context.
  WriteContext("Dockerfile",
               "FROM busybox AS made\nRUN head -c 3000000 /dev/urandom > /a && ln /a /b && "
               "mkdir -p /d/e && ln /a /d/e/c\nFROM busybox\nCOPY file /\nRUN cp /file /copy\n");
  WriteContext("file", std::string(200'000, 'f'));
  Build({"-t", "app:1"});
  Build({"--target", "made", "-t", "made:1"});
  WriteContext("file", std::string(200'000, 'g'));
  Build({"-t", "app:1"});
  const Json built = Df();
  EXPECT_GT(Bytes(built, "images"), Bytes(base, "images") + 3'000'000);
  EXPECT_LT(Bytes(built, "images"), Bytes(base, "images") + 6'000'000);
  EXPECT_GT(Bytes(built, "nameless"), 200'000u);
  EXPECT_GT(Bytes(built, "builds"), 0u);

  // An image out as a layout and in again, under another name: nothing is stored twice.
  ASSERT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", Path("layout"), "made:1"}).exit_code,
            0);
  ASSERT_EQ(Zlayer({"import", Path("layout"), "made:2"}).exit_code, 0);
  Df();

  // An image that goes leaves what the cache needs.
  ASSERT_EQ(Zlayer({"rmi", "made:1", "made:2"}).exit_code, 0);
  const Json removed = Df();
  EXPECT_GT(Bytes(removed, "cache"), 3'000'000u);
  EXPECT_LT(Bytes(removed, "images"), Bytes(built, "images") - 3'000'000);

  // Things that a crash or somebody left.
  ASSERT_EQ(Shell("cd \"$1/root\"; mkdir -p tmp/run-x trees/999/a; cp ../context/file tmp/run-x/; "
                  "cp ../context/file trees/999/a/; cp ../context/file packs/999; "
                  "ln packs/999 tmp/second-name")
                .exit_code,
            0);
  const Json leftovers = Df();
  EXPECT_GT(Bytes(leftovers, "temporary") + Bytes(leftovers, "unused"), 600'000u);
  EXPECT_LT(Bytes(leftovers, "temporary") + Bytes(leftovers, "unused"), 800'000u);
}

TEST_F(DfTest, WhatHoldsWhat) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY file /\n");
  WriteContext("file", std::string(900'000, 'f'));
  Build({"-t", "app:1"});
  const Json usage = Df();
  std::map<std::string, std::string> held;  // by kind and category
  for (const Json& item : usage["items"]) {
    held[item["kind"].get<std::string>() + " " + item["category"].get<std::string>()] +=
        item["held_by"].dump();
  }
  EXPECT_THAT(held["pack images"], HasSubstr("app:1"));
  EXPECT_THAT(held["blob images"], HasSubstr("busybox:latest"));
  EXPECT_THAT(held["layer images"], HasSubstr("cache"));
  EXPECT_EQ(held.count("log builds"), 1u);

  const Finished table = Zlayer({"df"});
  EXPECT_THAT(table.out, HasSubstr("CATEGORY"));
  EXPECT_THAT(table.out, HasSubstr("RECLAIMABLE"));
  EXPECT_THAT(table.out, HasSubstr("\ntotal "));
  EXPECT_THAT(table.out, testing::Not(HasSubstr("HELD BY")));
  EXPECT_THAT(Zlayer({"df", "-v"}).out, HasSubstr("HELD BY"));
}

// It neither waits for builds nor keeps them waiting.
TEST_F(DfTest, WhileBuildsRun) {
  WriteContext("Dockerfile",
               "FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8; do mkdir -p /d$i && "
               "cp /bin/busybox /d$i/; rm -r /d$i; done; sleep 1\n");
  Process build(Cli({"build", "--no-cache", Context()}));
  for (int i = 0; i < 10; ++i) {
    const Finished df = Zlayer({"df", "-v"});
    EXPECT_EQ(df.exit_code, 0) << df.err;
  }
  EXPECT_EQ(build.Wait().exit_code, 0);
}

}  // namespace
}  // namespace zlayer::e2e
