// What a canceled build and a killed daemon leave behind, and what watchers see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DurabilityTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (!IsSkipped()) {
      StartDaemon();
      ImportBusybox();
      // Found among all processes of the machine by this test's own directory.
      marker_ = directory_.path();
      WriteContext("Dockerfile", "FROM busybox\nRUN echo first > /first\nRUN echo running; "
                                 "sleep 600; echo " + marker_ + "\n");
    }
  }

  // Submits a build that blocks in its second RUN, and waits until it is there.
  std::string StartBlockingBuild() {
    const Finished submitted = Zlayer({"build", "--detach", Context()});
    EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
    const std::string id = submitted.out.substr(0, submitted.out.find('\n'));
    EXPECT_TRUE(WaitUntil([&] { return Zlayer({"builds", "logs", id}).out == "running\n"; }));
    holders_ = MountHolders();
    return id;
  }

  std::string State(const std::string& id) {
    const Finished shown = Zlayer({"builds", "show", "--format", "json", id});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    const Json status = Json::parse(shown.out, nullptr, false);
    return status.is_object() ? status.value("state", "") : "";
  }

  std::vector<Json> Events(const std::string& id) {
    return ParseEvents(Zlayer({"builds", "watch", "--progress", "json", id}).out);
  }

  // Processes of the RUN: its shell has the marker on its command line, and so has crun's spec, but
  // not the test and its client.
  bool RunIsGone() {
    for (pid_t pid : ProcessesWith("sleep 600; echo " + marker_)) {
      if (pid != getpid()) {
        return false;
      }
    }
    return true;
  }

  // Processes below the daemon that have an overlay mounted.
  std::set<pid_t> MountHolders() const {
    std::set<pid_t> holders;
    for (pid_t pid : ProcessesWith("")) {
      if (HasOverlay(pid) && DescendsFrom(pid, daemon_->pid())) {
        holders.insert(pid);
      }
    }
    return holders;
  }

  static bool HasOverlay(pid_t pid) {
    const auto mounts = ReadFile("/proc/" + std::to_string(pid) + "/mountinfo");
    return mounts.ok() && mounts->find("upperdir=") != std::string::npos;
  }

  static bool DescendsFrom(pid_t pid, pid_t ancestor) {
    while (pid > 1 && pid != ancestor) {
      const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
      if (!stat.ok()) {
        return false;
      }
      pid = std::atoi(stat->c_str() + stat->rfind(')') + 4);
    }
    return pid == ancestor;
  }

  // A mount namespace, with its mounts, goes with its last process.
  bool MountsAreGone() const { return std::none_of(holders_.begin(), holders_.end(), HasOverlay); }

  static int Terminals(const std::vector<Json>& events) {
    int count = 0;
    for (const Json& event : events) {
      count += event.contains("build_complete") || event.contains("build_failed") ||
               event.contains("build_canceled");
    }
    return count;
  }

  std::string marker_;
  std::set<pid_t> holders_;
};

TEST_F(DurabilityTest, ACanceledBuildLeavesNothing) {
  const std::string id = StartBlockingBuild();
  EXPECT_FALSE(RunIsGone());
  EXPECT_FALSE(MountsAreGone());
  ASSERT_EQ(Zlayer({"builds", "cancel", id}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return State(id) == "CANCELED"; }));
  EXPECT_TRUE(RunIsGone());
  EXPECT_TRUE(MountsAreGone());
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
  EXPECT_EQ(Terminals(Events(id)), 1);
}

TEST_F(DurabilityTest, InterruptingTheClientCancels) {
  Process client(Cli({"build", "--progress", "json", Context()}));
  ASSERT_TRUE(WaitUntil([&] { return client.OutSoFar().find("\"output\"") != std::string::npos; }));
  const std::string id = ParseEvents(client.OutSoFar().substr(0, client.OutSoFar().find('\n')))
                             .front()["build_id"];
  client.Signal(SIGINT);
  EXPECT_EQ(client.Wait().exit_code, 130);
  EXPECT_EQ(State(id), "CANCELED");
  EXPECT_TRUE(RunIsGone());
}

TEST_F(DurabilityTest, AKilledClientCancelsNothing) {
  Process client(Cli({"build", "--progress", "json", Context()}));
  ASSERT_TRUE(WaitUntil([&] { return client.OutSoFar().find("\"output\"") != std::string::npos; }));
  const std::string id = ParseEvents(client.OutSoFar().substr(0, client.OutSoFar().find('\n')))
                             .front()["build_id"];
  client.Signal(SIGKILL);
  client.Wait();
  EXPECT_EQ(State(id), "RUNNING");
  EXPECT_FALSE(RunIsGone());
  Zlayer({"builds", "cancel", id});
}

TEST_F(DurabilityTest, TwoWatchersSeeTheSame) {
  const std::string id = StartBlockingBuild();
  Process one(Cli({"builds", "watch", "--progress", "json", id}));
  Process two(Cli({"builds", "watch", "--progress", "json", id}));
  ASSERT_TRUE(WaitUntil([&] { return one.OutSoFar().find("\"output\"") != std::string::npos; }));
  Zlayer({"builds", "cancel", id});
  const Finished first = one.Wait();
  const Finished second = two.Wait();
  EXPECT_EQ(first.out, second.out);
  const std::vector<Json> events = ParseEvents(first.out);
  ASSERT_FALSE(events.empty());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence"], std::to_string(i + 1));
  }
  EXPECT_TRUE(events.back().contains("build_canceled"));
}

TEST_F(DurabilityTest, AKilledDaemonLeavesNoProcessAndTheBuildGoesOnAfterIt) {
  WriteContext("Dockerfile", "FROM busybox\nRUN echo first > /first\n"
                             "RUN echo running; sleep 3; echo " + marker_ + " > /dev/null; sleep 600\n");
  const std::string id = StartBlockingBuild();
  Process watcher(Cli({"builds", "watch", "--progress", "json", id}));
  ASSERT_TRUE(WaitUntil([&] { return watcher.OutSoFar().find("\"output\"") != std::string::npos; }));

  StopDaemon(SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return ProcessesWith(marker_ + " > /dev/null").empty(); }, 1));
  EXPECT_TRUE(WaitUntil([&] { return MountsAreGone() && TemporaryFiles().empty(); }, 1));

  StartDaemon();
  EXPECT_TRUE(WaitUntil([&] {
    const std::string seen = watcher.OutSoFar();
    const size_t again = seen.rfind("build_queued");
    return again != seen.find("build_queued") &&
           seen.find("\"output\"", again) != std::string::npos;
  }));
  Zlayer({"builds", "cancel", id});
  const std::vector<Json> seen = ParseEvents(watcher.Wait().out);
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i]["sequence"], std::to_string(i + 1));
  }
  EXPECT_EQ(Find(seen, "build_queued")["attempt"], 2);
  EXPECT_EQ(Terminals(seen), 1);
  EXPECT_TRUE(seen.back().contains("build_canceled"));
  // The row follows the event.
  EXPECT_TRUE(WaitUntil([&] { return State(id) == "CANCELED"; }));
  // What was done before the kill was not done again.
  EXPECT_THAT(Executed(seen), testing::ElementsAre("RUN echo first > /first"));
}

TEST_F(DurabilityTest, AnOrderlyEndPutsRunningBuildsBackIntoTheQueue) {
  const std::string id = StartBlockingBuild();
  daemon_->Signal(SIGTERM);
  // Draining: nothing is accepted. A second signal does not wait for what runs.
  EXPECT_TRUE(WaitUntil([&] { return Zlayer({"build", "--detach", Context()}).exit_code != 0; }));
  daemon_->Signal(SIGTERM);
  EXPECT_EQ(daemon_->Wait(20).exit_code, 0);
  daemon_.reset();
  EXPECT_TRUE(RunIsGone());
  StartDaemon();
  EXPECT_TRUE(WaitUntil([&] { return State(id) == "RUNNING"; }));
  Zlayer({"builds", "cancel", id});
  EXPECT_TRUE(WaitUntil([&] { return State(id) == "CANCELED"; }));
  EXPECT_EQ(Terminals(Events(id)), 1);
}

TEST_F(DurabilityTest, ASecondDaemonIsRefused) {
  const Finished second = Execute(
      {"daemon/zlayerd", "--root", Root(), "--address", "unix://" + Path("second.sock")});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr(std::to_string(daemon_->pid())));
  EXPECT_EQ(Zlayer({"info"}).exit_code, 0);
}

TEST_F(DurabilityTest, BuildsAreListedNewestFirst) {
  WriteContext("Dockerfile", "FROM busybox\nRUN true\n");
  Build({"-t", "one"});
  Build({"-t", "two"});
  const std::vector<Json> builds =
      ParseEvents(Zlayer({"builds", "ls", "--format", "json"}).out);
  ASSERT_EQ(builds.size(), 2u);
  EXPECT_EQ(builds[0]["title"], "two");
  EXPECT_EQ(builds[0]["state"], "SUCCEEDED");
  EXPECT_EQ(builds[1]["title"], "one");
}

}  // namespace
}  // namespace zlayer::e2e
