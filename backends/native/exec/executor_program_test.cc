// Programs of the machine that run without privileges.
#include "backends/native/exec/executor_fixture.h"
#include "base/strings.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ExecutorProgramTest : public ExecutorFixture {
 protected:
  Result RunShell(const std::string& script, std::stop_token stop = {}) {
    ProgramRun run;
    run.id = "program-1";
    run.argv = {"/bin/sh", "-c", script};
    run.env = {"PATH=/usr/bin:/bin", "MARK=here"};
    run.scratch = scratch_.path();
    run.files = {{"note", "in memory"}};
    run.max_bytes = max_bytes_;
    run.max_seconds = max_seconds_;
    Result result;
    result.exit = executor_->RunProgram(
        run,
        [&](std::string_view data, bool is_stderr) {
          (is_stderr ? result.err : result.out) += data;
        },
        stop);
    return result;
  }

  void SetUp() override {
    ExecutorFixture::SetUp();
    if (!IsSkipped()) {
      ASSERT_OK_AND_ASSIGN(scratch_, ScopedDirectory::Make(root_.path(), "scratch-"));
    }
  }

  uint64_t max_bytes_ = uint64_t{64} << 20;
  uint32_t max_seconds_ = 60;
  ScopedDirectory scratch_;
};

TEST_F(ExecutorProgramTest, RunsWithItsArgumentsEnvironmentAndFiles) {
  Result result = RunShell("echo $MARK; cat /run/note; pwd; echo bad >&2; exit 3");
  ASSERT_OK(result.exit);
  EXPECT_EQ(result.exit->exit_code, 3);
  EXPECT_EQ(result.out, "here\nin memory/work\n");
  EXPECT_EQ(result.err, "bad\n");
}

TEST_F(ExecutorProgramTest, IsNobodyWithoutPrivilegesForEver) {
  Result result = RunShell("id -u; id -g; id -G; cat /proc/self/status");
  ASSERT_OK(result.exit);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("65534\n65534\n65534\n"), HasSubstr("CapPrm:\t0000000000000000"),
                    HasSubstr("CapEff:\t0000000000000000"), HasSubstr("CapBnd:\t0000000000000000"),
                    HasSubstr("NoNewPrivs:\t1")));
}

TEST_F(ExecutorProgramTest, WritesToItsDirectoryOnlyAndSeesNoMoreOfTheMachineThanItNeeds) {
  Result result = RunShell(
      "echo kept > /work/file; ls /; for d in / /etc /usr /run /tmp /proc; do "
      "echo x > $d/zlayer-test && echo wrote to $d; done; kill -9 1; ls /proc | grep -c '^[0-9]'; "
      "echo end");
  ASSERT_OK(result.exit);
  EXPECT_THAT(result.out, AllOf(Not(HasSubstr("wrote to")), Not(HasSubstr("home")),
                                Not(HasSubstr("root")), HasSubstr("end\n")));
  EXPECT_THAT(ReadFile(scratch_.path() + "/file"), IsOkAndHolds("kept\n"));
}

TEST_F(ExecutorProgramTest, IsStoppedWithAllThatItStarted) {
  const std::string marker = scratch_.path().substr(scratch_.path().rfind('/') + 1);
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(Eventually([&] { return access((scratch_.path() + "/up").c_str(), F_OK) == 0; }));
    stop.request_stop();
  });
  Result result =
      RunShell("setsid sh -c 'sleep 1000; : " + marker + "' & touch up; sleep 1000; : " + marker,
               stop.get_token());
  EXPECT_THAT(result.exit, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(ProcessesWith(marker).empty());
}

TEST_F(ExecutorProgramTest, LeavesNothingRunningWhenItEnds) {
  const std::string marker = scratch_.path().substr(scratch_.path().rfind('/') + 1);
  Result result = RunShell("setsid sh -c 'sleep 1000; : " + marker + "' & exit 0");
  ASSERT_OK(result.exit);
  EXPECT_TRUE(ProcessesWith(marker).empty());
}

TEST_F(ExecutorProgramTest, IsStoppedAtItsLimits) {
  max_seconds_ = 1;
  EXPECT_THAT(RunShell("sleep 1000").exit,
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("after 1 seconds")));
  max_seconds_ = 60;
  max_bytes_ = uint64_t{8} << 20;
  EXPECT_THAT(
      RunShell("for i in 1 2 3 4 5 6; do head -c 4000000 /dev/zero > f$i; done; sleep 1000").exit,
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("8 MiB")));
  // One file cannot be larger at any moment.
  Result result = RunShell("rm f*; head -c 9000000 /dev/zero > large");
  ASSERT_OK(result.exit);
  EXPECT_NE(result.exit->exit_code, 0);
}

TEST_F(ExecutorProgramTest, SaysThatAProgramIsNotThere) {
  ProgramRun run;
  run.id = "program-2";
  run.argv = {"/usr/bin/no-such-program"};
  run.scratch = scratch_.path();
  run.max_seconds = 10;
  EXPECT_THAT(executor_->RunProgram(run, [](std::string_view, bool) {}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not installed")));
}

}  // namespace
}  // namespace zlayer
