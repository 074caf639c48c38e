// The cache, seen from outside: what runs again, why, and what builds share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CacheTest : public BusyboxTest {
 protected:
  // Why each step ran, or did not, in order of stages and places.
  static std::vector<std::string> Reasons(const std::vector<Json>& events) {
    std::map<std::pair<int, int>, std::string> reasons;
    for (const Json& event : events) {
      if (event.contains("instruction_complete")) {
        const Json& complete = event["instruction_complete"];
        reasons[{complete["stage"].get<int>(), complete["index"].get<int>()}] =
            complete["reason"].get<std::string>();
      }
    }
    std::vector<std::string> in_order;
    for (const auto& [place, reason] : reasons) {
      in_order.push_back(reason);
    }
    return in_order;
  }

  std::vector<std::string> Why(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"-t", "app:1"});
    return Reasons(Build(arguments));
  }
};

constexpr char kDockerfile[] = R"(FROM busybox
COPY src /src
ARG FLAGS=none
RUN cat /src/* > /out; echo $FLAGS > /flags
)";

TEST_F(CacheTest, EveryMissHasItsReason) {
  WriteContext("Dockerfile", kDockerfile);
  WriteContext("src/a", "1");
  WriteContext("src/b", "1");
  EXPECT_THAT(Why(), ElementsAre("first time", "configuration", "first time"));
  EXPECT_THAT(Why(), ElementsAre("hit", "configuration", "hit"));
  WriteContext("src/b", "2");
  EXPECT_THAT(Why(), ElementsAre("miss: file src/b changed", "configuration",
                                 "miss: \"COPY src /src\" before it made something else"));
  EXPECT_THAT(Why({"--build-arg", "FLAGS=all"}),
              ElementsAre("hit", "configuration", "miss: the variable FLAGS changed"));
  EXPECT_THAT(Why({"--no-cache"}), ElementsAre("no_cache", "configuration", "no_cache"));
  WriteContext("Dockerfile", std::string(kDockerfile) + "RUN true\n");
  EXPECT_THAT(Why(),
              ElementsAre("hit", "configuration", "hit", "first time: the instruction is new"));
  WriteContext("Dockerfile", std::string(kDockerfile) + "RUN false || true\n");
  EXPECT_THAT(Why(), ElementsAre("hit", "configuration", "hit",
                                 "miss: the instruction changed, it was \"RUN true\""));
  ImportBusybox("busybox:latest", "echo x > new");
  EXPECT_THAT(Why(), ElementsAre("hit", "configuration", "miss: the base image busybox changed",
                                 "miss: the base image busybox changed"));
  usleep(1'100'000);
  EXPECT_THAT(Why({"--cache-ttl", "1s"}),
              ElementsAre(StartsWith("expired: it was made "), "configuration",
                          StartsWith("expired: it was made "), StartsWith("expired")));
  StopDaemon();
  StartDaemon();
  EXPECT_THAT(Why(), ElementsAre("hit", "configuration", "hit", "hit"));
}

TEST_F(CacheTest, AStageThatCameOutTheSameChangesNothingAboveIt) {
  WriteContext("Dockerfile", R"(FROM busybox AS tools
RUN echo tool > /tool
FROM tools AS app
RUN cat /tool > /copy
FROM busybox
COPY --from=tools /tool /tool
)");
  ASSERT_THAT(Why({"--target", "app"}), ElementsAre("first time", "first time"));
  EXPECT_THAT(Why({"--target", "app", "--no-cache-filter", "TOOLS"}),
              ElementsAre("no_cache", "content hit"));
  EXPECT_THAT(Why({"--no-cache-filter", "tools"}), ElementsAre("no_cache", "first time"));
  EXPECT_THAT(Why({"--no-cache-filter", "tools"}), ElementsAre("no_cache", "hit"));
  const Json warning = Find(Build({"--no-cache-filter", "tool"}), "warning");
  EXPECT_EQ(warning["message"].get<std::string>(),
            "no_cache_stages names \"tool\", but the target needs no such stage; it needs tools");
}

TEST_F(CacheTest, ABuildArgumentThatAStageDoesNotUseChangesNothingThere) {
  WriteContext("Dockerfile", R"(FROM busybox AS a
RUN echo a > /a
FROM busybox
ARG VERSION
COPY --from=a /a /a
RUN echo $VERSION > /version
)");
  Why({"--build-arg", "VERSION=1"});
  EXPECT_THAT(Why({"--build-arg", "VERSION=2"}),
              ElementsAre("hit", "configuration", "hit", "miss: the variable VERSION changed"));
}

TEST_F(CacheTest, BuildsOfTheSameThingExecuteItOnce) {
  WriteContext("Dockerfile", R"(FROM busybox
RUN echo begun; while [ ! -e /tmp/never ] && [ $((i=i+1)) -lt 20 ]; do sleep 0.05; done; head -c 8 /dev/urandom > /r
)");
  std::vector<std::unique_ptr<Process>> builds;
  for (int i = 0; i < 4; ++i) {
    builds.push_back(std::make_unique<Process>(
        Cli({"build", "--progress", "json", "-t", "same:" + std::to_string(i), Context()})));
  }
  std::set<std::string> images;
  int executed = 0;
  int shared = 0;
  for (auto& build : builds) {
    const Finished finished = build->Wait();
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> events = ParseEvents(finished.out);
    images.insert(Find(events, "build_complete")["image_id"].get<std::string>());
    const std::vector<std::string> reasons = Reasons(events);
    ASSERT_EQ(reasons.size(), 1u);
    executed += reasons[0] == "first time" ? 1 : 0;
    shared += reasons[0].starts_with("shared with build ") || reasons[0] == "hit" ? 1 : 0;
    EXPECT_THAT(finished.out, HasSubstr(reasons[0] == "hit" ? "hit" : "YmVndW4K")) << finished.out;
  }
  EXPECT_EQ(images.size(), 1u);
  EXPECT_EQ(executed, 1);
  EXPECT_EQ(shared, 3);
}

TEST_F(CacheTest, CancelingTheBuildThatBeganLeavesTheOther) {
  WriteContext("Dockerfile", R"(FROM busybox
RUN echo begun; sleep 2; head -c 8 /dev/urandom > /r
)");
  Process first(Cli({"build", "--progress", "json", Context()}));
  ASSERT_TRUE(WaitUntil([&] { return first.OutSoFar().find("YmVndW4K") != std::string::npos; }));
  Process second(Cli({"build", "--progress", "json", Context()}));
  ASSERT_TRUE(WaitUntil(
      [&] { return second.OutSoFar().find("instruction_waiting") != std::string::npos; }));
  first.Signal(SIGINT);
  EXPECT_NE(first.Wait().exit_code, 0);
  const Finished finished = second.Wait();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(Reasons(ParseEvents(finished.out)), ElementsAre(StartsWith("shared with build")));
}

// Builds whose RUN uses cache mounts that only one may have at a time.
class LockedMountTest : public CacheTest {
 protected:
  static std::string Mount(const std::string& id, const std::string& target) {
    return "--mount=type=cache,sharing=locked,id=" + id + ",target=" + target + " ";
  }

  std::unique_ptr<Process> Start(const std::string& run) {
    WriteContext("Dockerfile", "FROM busybox\nRUN " + run + "\n");
    return std::make_unique<Process>(Cli({"build", "--progress", "json", Context()}));
  }
  // A build that has `id` until EndHolder.
  std::unique_ptr<Process> StartHolder(const std::string& id) {
    std::unique_ptr<Process> holder =
        Start(Mount(id, "/m") + "echo has it; while [ ! -e /m/end ]; do sleep 0.02; done");
    EXPECT_TRUE(WaitUntil([&] { return !Find(SoFar(*holder), "output").is_null(); }));
    return holder;
  }
  void EndHolder() {
    Execute({"sh", "-c", "for mount in " + Root() + "/cache-mounts/*; do touch $mount/end; done"});
  }

  static std::vector<Json> SoFar(const Process& build) {
    const std::string out = build.OutSoFar();
    return ParseEvents(out.substr(0, out.rfind('\n') + 1));
  }
  static std::string IdOf(const Process& build) {
    const std::vector<Json> events = SoFar(build);
    return events.empty() ? "" : events.front()["build_id"].get<std::string>();
  }
  // Until the build has said that many times that it waits. The last reason.
  static std::string WaitsFor(const Process& build, size_t times = 1) {
    std::vector<std::string> reasons;
    EXPECT_TRUE(WaitUntil([&] {
      reasons.clear();
      for (const Json& event : SoFar(build)) {
        if (event.contains("instruction_waiting")) {
          reasons.push_back(event["instruction_waiting"]["reason"].get<std::string>());
        }
      }
      return reasons.size() >= times;
    }));
    return reasons.empty() ? "" : reasons.back();
  }
};

TEST_F(LockedMountTest, OrdersThatCrossDoNotBlockEachOther) {
  const std::unique_ptr<Process> holder = StartHolder("b");
  const std::unique_ptr<Process> one = Start(Mount("a", "/1") + Mount("b", "/2") + "echo one");
  EXPECT_EQ(WaitsFor(*one), "build " + IdOf(*holder) + " uses the cache mount b");
  // It asks for b first, which would be the holder's, and gets none before a.
  const std::unique_ptr<Process> two = Start(Mount("b", "/1") + Mount("a", "/2") + "echo two");
  EXPECT_EQ(WaitsFor(*two), "build " + IdOf(*one) + " uses the cache mount a");
  EndHolder();
  for (Process* build : {holder.get(), one.get(), two.get()}) {
    const Finished finished = build->Wait();
    EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  }
}

TEST_F(LockedMountTest, WorkThatIsSharedWaitsOnWhenOneOfItsBuildsIsCanceled) {
  const std::unique_ptr<Process> holder = StartHolder("a");
  const std::string run = Mount("a", "/m") + "echo shared; head -c 8 /dev/urandom > /r";
  const std::unique_ptr<Process> first = Start(run);
  EXPECT_EQ(WaitsFor(*first), "build " + IdOf(*holder) + " uses the cache mount a");
  const std::unique_ptr<Process> second = Start(run);
  // For the work, and what that waits for.
  EXPECT_EQ(WaitsFor(*second, 2), "build " + IdOf(*holder) + " uses the cache mount a");
  first->Signal(SIGINT);
  EXPECT_NE(first->Wait().exit_code, 0);
  EndHolder();
  const Finished finished = second->Wait();
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(Reasons(ParseEvents(finished.out)), ElementsAre(StartsWith("shared with build")));
  EXPECT_EQ(holder->Wait().exit_code, 0);
}

TEST_F(LockedMountTest, AWaitThatAllHaveLeftEnds) {
  const std::unique_ptr<Process> holder = StartHolder("a");
  const std::string run = Mount("a", "/m") + "echo shared";
  const std::unique_ptr<Process> first = Start(run);
  WaitsFor(*first);
  const std::unique_ptr<Process> second = Start(run);
  WaitsFor(*second, 2);
  for (Process* build : {first.get(), second.get()}) {
    build->Signal(SIGINT);
    EXPECT_NE(build->Wait().exit_code, 0);
  }
  // Nothing of it is left that would take the mount, or that later builds would share.
  EndHolder();
  EXPECT_EQ(holder->Wait().exit_code, 0);
  const std::unique_ptr<Process> third = Start(run);
  const Finished finished = third->Wait();
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(Reasons(ParseEvents(finished.out)), ElementsAre(StartsWith("miss: ")));
}

TEST_F(CacheTest, ABuildIsExplained) {
  WriteContext("Dockerfile", "FROM busybox AS app\nRUN echo a\nRUN echo b\n");
  Build({"-t", "app:1"});
  WriteContext("Dockerfile", "FROM busybox AS app\nRUN echo a\nRUN echo c\n");
  const Finished built = Zlayer({"build", "--explain", "-t", "app:1", Context()});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr("#1 CACHED (hit)"));
  EXPECT_THAT(built.out, HasSubstr("(miss: the instruction changed, it was \"RUN echo b\")"));
  const Finished explained = Zlayer({"explain", "@latest"});
  ASSERT_EQ(explained.exit_code, 0) << explained.err;
  EXPECT_THAT(explained.out, HasSubstr("app 1/2"));
  EXPECT_THAT(explained.out, HasSubstr("miss: the instruction changed, it was \"RUN echo b\""));
}

}  // namespace
}  // namespace zlayer::e2e
