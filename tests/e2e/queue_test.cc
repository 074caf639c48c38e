// The queue as its users see it: order, positions and reasons, limits, attempts, an orderly end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QueueTest : public DaemonTest {
 protected:
  void Start(const std::string& config) {
    ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"), config));
    StartDaemon({"--config", Path("zlayerd.yaml")});
  }

  // A build that runs until it is canceled.
  std::string StartBusyBuild() {
    ImportBusybox();
    WriteContext("Dockerfile", "FROM busybox\nRUN echo running; sleep 600\n");
    const std::string id = Submit("default", "busy");
    AwaitOutput(id);
    WriteContext("Dockerfile", "FROM scratch\nLABEL a=b\n");
    return id;
  }
  void AwaitOutput(const std::string& id) {
    ASSERT_TRUE(WaitUntil([&] { return Zlayer({"builds", "logs", id}).out == "running\n"; }));
  }

  Finished TrySubmit(const std::string& name_space, const std::string& tag) {
    return Zlayer({"--namespace", name_space, "build", "--detach", "-t", tag, Context()});
  }
  std::string Submit(const std::string& name_space, const std::string& tag) {
    const Finished submitted = TrySubmit(name_space, tag);
    EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
    return submitted.out.substr(0, submitted.out.find('\n'));
  }

  Json Show(const std::string& id) {
    const Finished shown = Zlayer({"builds", "show", "--format", "json", id});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    const Json status = Json::parse(shown.out, nullptr, false);
    return status.is_object() ? status : Json::object();
  }
  bool Has(const std::string& id, const std::string& state) {
    return Show(id).value("state", "") == state;
  }

  std::vector<Json> Events(const std::string& id) {
    return ParseEvents(Zlayer({"builds", "watch", "--progress", "json", id}).out);
  }

  // "position: reason" of what a watcher was told so far.
  static std::vector<std::string> Told(const std::vector<Json>& events) {
    std::vector<std::string> told;
    for (const Json& event : events) {
      if (event.contains("build_waiting")) {
        const Json& waiting = event["build_waiting"];
        told.push_back(std::to_string(waiting.value("position", 0)) + ": " +
                       waiting.value("reason", ""));
      }
    }
    return told;
  }
  // Whole lines only.
  static std::vector<std::string> ToldSoFar(const Process& watcher) {
    const std::string out = watcher.OutSoFar();
    return Told(ParseEvents(out.substr(0, out.rfind('\n') + 1)));
  }

  // When the build started, in a form that sorts.
  std::string Started(const std::string& id) {
    std::string time = Show(id).value("started", "");
    time = time.substr(0, time.find('Z'));
    if (time.find('.') == std::string::npos) {
      time += '.';
    }
    time.resize(std::string("2026-01-01T00:00:00.000000000").size(), '0');
    return time;
  }
};

TEST_F(QueueTest, NamespacesTakeTurnsAndWatchersSeeWhereTheyStand) {
  Start("queue:\n  max_running: 1\n  max_queued: 4\n  max_queued_per_namespace: 3\n");
  const std::string busy = StartBusyBuild();
  const std::string a1 = Submit("a", "a1");
  const std::string a2 = Submit("a", "a2");
  const std::string a3 = Submit("a", "a3");

  const Finished refused = TrySubmit("a", "a4");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("3 builds of namespace \"a\" wait, which is the most for one "
                                     "namespace (queue.max_queued_per_namespace)"));
  const std::string b1 = Submit("b", "b1");
  const Finished full = TrySubmit("c", "c1");
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("4 builds wait, which is the most (queue.max_queued)"));

  // a and b take turns: a1, b1, a2, a3.
  const std::string reason = "1 build runs, which is the most (queue.max_running)";
  EXPECT_EQ(Show(b1)["waiting"]["position"], 1);
  EXPECT_EQ(Show(a2)["waiting"]["position"], 2);
  EXPECT_EQ(Show(a3)["waiting"]["reason"], reason);
  EXPECT_FALSE(Show(busy).contains("waiting"));
  Process watcher(Cli({"builds", "watch", "--progress", "json", a3}));
  EXPECT_TRUE(WaitUntil([&] { return !ToldSoFar(watcher).empty(); }));
  ASSERT_EQ(Zlayer({"builds", "cancel", a1}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return ToldSoFar(watcher).size() > 1; }));
  EXPECT_THAT(ToldSoFar(watcher), ElementsAre("3: " + reason, "2: " + reason));

  ASSERT_EQ(Zlayer({"builds", "cancel", busy}).exit_code, 0);
  const std::vector<Json> seen = ParseEvents(watcher.Wait().out);
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(seen.front().contains("build_queued"));
  EXPECT_TRUE(seen.back().contains("build_complete"));
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i]["sequence"], std::to_string(i + 1));
  }
  EXPECT_LT(Started(a2), Started(b1));
  EXPECT_LT(Started(b1), Started(a3));
}

TEST_F(QueueTest, WhatWaitsSurvivesAKillInItsOrder) {
  Start("queue:\n  max_running: 1\n");
  const std::string busy = StartBusyBuild();
  const std::string a1 = Submit("a", "a1");
  const std::string a2 = Submit("a", "a2");
  const std::string b1 = Submit("b", "b1");
  StopDaemon(SIGKILL);
  StartDaemon({"--config", Path("zlayerd.yaml")});
  ASSERT_TRUE(WaitUntil([&] { return Has(busy, "RUNNING"); }));
  EXPECT_EQ(Show(b1)["waiting"]["position"], 1);
  EXPECT_EQ(Show(a2)["waiting"]["position"], 2);
  ASSERT_EQ(Zlayer({"builds", "cancel", busy}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return Has(a2, "SUCCEEDED"); }));
  EXPECT_LT(Started(a1), Started(b1));
  EXPECT_LT(Started(b1), Started(a2));
  EXPECT_EQ(Events(b1).front()["time"], Show(b1)["created"]);
}

TEST_F(QueueTest, ABuildThatTheDaemonDiesOfFailsInTheEnd) {
  Start("queue:\n  max_attempts: 2\n");
  const std::string id = StartBusyBuild();
  StopDaemon(SIGKILL);
  StartDaemon({"--config", Path("zlayerd.yaml")});
  ASSERT_TRUE(WaitUntil([&] {
    return Zlayer({"builds", "logs", id}).out == "running\nrunning\n";
  }));
  EXPECT_EQ(Show(id)["attempt"], 2);
  StopDaemon(SIGKILL);
  StartDaemon({"--config", Path("zlayerd.yaml")});
  ASSERT_TRUE(WaitUntil([&] { return Has(id, "FAILED"); }));
  EXPECT_EQ(Show(id)["failure"]["error"], "the daemon died 2 times while it ran this build");
  EXPECT_EQ(Show(id)["failure"]["detail"]["reason"], "DAEMON_DIED");
}

TEST_F(QueueTest, AnOrderlyEndCountsNoAttemptAndTellsWhoWatches) {
  Start("queue:\n  max_running: 1\n  max_attempts: 1\n  drain_timeout: 1h\n");
  const std::string busy = StartBusyBuild();
  const std::string waiting = Submit("a", "a1");
  for (int restart = 0; restart < 2; ++restart) {
    Process watcher(Cli({"builds", "watch", "--progress", "json", waiting}));
    ASSERT_TRUE(WaitUntil([&] { return !ToldSoFar(watcher).empty(); }));
    daemon_->Signal(SIGTERM);
    EXPECT_TRUE(
        WaitUntil([&] { return ToldSoFar(watcher).back() == "0: the daemon is shutting down"; }));
    EXPECT_TRUE(Has(busy, "RUNNING"));
    EXPECT_THAT(TrySubmit("a", "late").err, HasSubstr("shutting down"));
    EXPECT_EQ(Zlayer({"info"}).exit_code, 3);  // no daemon that serves
    daemon_->Signal(SIGTERM);
    EXPECT_EQ(daemon_->Wait(20).exit_code, 0);
    StartDaemon({"--config", Path("zlayerd.yaml")});
    ASSERT_TRUE(WaitUntil([&] { return Has(busy, "RUNNING"); }));
    watcher.Signal(SIGKILL);
  }
  EXPECT_EQ(Show(busy)["attempt"], 1);
  ASSERT_EQ(Zlayer({"builds", "cancel", busy}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return Has(waiting, "SUCCEEDED"); }));
}

TEST_F(QueueTest, BuildsBeyondTheHistoryAreForgotten) {
  Start("history:\n  max_builds: 2\n");
  WriteContext("Dockerfile", "FROM scratch\nLABEL a=b\n");
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(Submit("default", "app"));
    ASSERT_TRUE(WaitUntil([&] { return Has(ids.back(), "SUCCEEDED"); }));
  }
  // A start sweeps at once.
  StopDaemon();
  StartDaemon({"--config", Path("zlayerd.yaml")});
  EXPECT_TRUE(WaitUntil([&] { return Zlayer({"builds", "show", ids[1]}).exit_code == 1; }));
  EXPECT_EQ(Zlayer({"builds", "show", ids[0]}).exit_code, 1);
  EXPECT_TRUE(Has(ids[2], "SUCCEEDED"));
  EXPECT_EQ(Events(ids[3]).back().contains("build_complete"), true);
  EXPECT_TRUE(WaitUntil([&] {
    return Execute({"ls", Root() + "/builds"}).out ==
           std::min(ids[2], ids[3]) + "\n" + std::max(ids[2], ids[3]) + "\n";
  }));
  EXPECT_EQ(Zlayer({"inspect", "app"}).exit_code, 0);
}

}  // namespace
}  // namespace zlayer::e2e
