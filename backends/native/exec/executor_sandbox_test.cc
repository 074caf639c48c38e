// What a process sees and may do inside.
#include <sys/resource.h>

#include "backends/native/exec/executor_fixture.h"

namespace zlayer {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

class ExecutorSandboxTest : public ExecutorFixture {};

TEST_F(ExecutorSandboxTest, SystemCallsAreFiltered) {
  std::filesystem::copy_file("backends/native/exec/probe", Tree(1) + "/bin/probe");
  ContainerRun run = Script("grep Seccomp: /proc/self/status; /bin/probe");
  Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out,
            "Seccomp:\t2\n"
            "keyctl EPERM\nmount EPERM\nunshare EPERM\nclone EPERM\nclone3 ENOSYS\n"
            "io_uring ENOSYS\nvsock EPERM\nsocket ok\npersonality ok\naslr ENOSYS\nchroot ok\n");
}

TEST_F(ExecutorSandboxTest, CapabilitiesAreBounded) {
  Result result = RunScript("grep ^Cap /proc/self/status");
  EXPECT_EQ(result.out,
            "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
            "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n");
}

TEST_F(ExecutorSandboxTest, PrivilegedRunsMayDoWhatTheDaemonMay) {
  ContainerRun run = Script(
      "grep -e ^CapEff -e ^CapBnd -e ^Seccomp: /proc/self/status; mount -t tmpfs tmpfs /sys && "
      "echo mounted; echo 1 > /proc/sys/vm/drop_caches && echo written; ls /dev/loop0 /dev/fuse");
  run.privileged = true;
  const std::string own = *ReadFile("/proc/self/status");
  const auto line = [&](const std::string& field) {
    const size_t at = own.find(field);
    return own.substr(at, own.find('\n', at) - at + 1);
  };
  const Result result = Run(run);
  EXPECT_THAT(result, ExitsWith(0));
  const std::string effective = line("CapEff:");
  EXPECT_EQ(result.out, effective + "CapBnd" + effective.substr(6) +
                            "Seccomp:\t0\nmounted\nwritten\n/dev/fuse\n/dev/loop0\n");
}

TEST_F(ExecutorSandboxTest, UserAndGroups) {
  ContainerRun run = Script("id -u; id -g; id -G; grep CapEff /proc/self/status");
  run.uid = 1000;
  run.gid = 1001;
  run.additional_gids = {7, 8};
  EXPECT_EQ(Run(run).out, "1000\n1001\n1001 7 8\nCapEff:\t0000000000000000\n");
}

TEST_F(ExecutorSandboxTest, NoNetworkButLoopback) {
  Result result = RunScript("grep -c : /proc/net/dev; ifconfig lo");
  EXPECT_THAT(result.out, testing::StartsWith("1\n"));
  EXPECT_THAT(result.out, HasSubstr("UP LOOPBACK RUNNING"));
}

TEST_F(ExecutorSandboxTest, HostNetworkIsTheHosts) {
  ContainerRun run = Script("ls -l /proc/self/ns/net");
  run.host_network = true;
  std::string own = std::filesystem::read_symlink("/proc/self/ns/net").string();
  EXPECT_THAT(Run(run).out, HasSubstr(own));
  run = Script("ls -l /proc/self/ns/net");
  EXPECT_THAT(Run(run).out, Not(HasSubstr(own)));
}

TEST_F(ExecutorSandboxTest, ResolvConfAndHosts) {
  ContainerRun run = Script("cat /etc/resolv.conf /etc/hosts; echo x >> /etc/hosts");
  run.resolv_conf = "nameserver 192.0.2.1\n";
  run.hosts = "127.0.0.1 localhost\n";
  Result result = Run(run);
  EXPECT_EQ(result.out, "nameserver 192.0.2.1\n127.0.0.1 localhost\n");
  EXPECT_THAT(result.err, HasSubstr("Read-only"));
}

TEST_F(ExecutorSandboxTest, HostNameAndWorkingDirectory) {
  ContainerRun run = Script("hostname; pwd");
  run.hostname = "builder";
  run.working_directory = "/bin";
  EXPECT_EQ(Run(run).out, "builder\n/bin\n");
}

TEST_F(ExecutorSandboxTest, ProcessesOfTheMachineAreOutOfSight) {
  EXPECT_EQ(RunScript("echo /proc/[0-9]*").out, "/proc/1\n");
}

TEST_F(ExecutorSandboxTest, FilesOfTheMachineAreOutOfSight) {
  Result result = RunScript("ls /; grep -c overlay /proc/self/mounts; cat /proc/self/mounts");
  EXPECT_THAT(result.out, testing::StartsWith("bin\ndev\netc\nproc\nsys\n1\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("cgroup")));
}

TEST_F(ExecutorSandboxTest, KernelSettingsAreReadOnly) {
  Result result = RunScript("echo 1 > /proc/sys/vm/drop_caches");
  EXPECT_THAT(result.err, HasSubstr("/proc/sys/vm/drop_caches: Read-only"));
}

TEST_F(ExecutorSandboxTest, DevicesAreTheHarmlessOnes) {
  Result result = RunScript(
      "echo /dev/*; echo x > /dev/null && dd if=/dev/urandom bs=4 count=1 "
      "2>/dev/null | wc -c");
  EXPECT_THAT(result, ExitsWith(0));
  EXPECT_EQ(result.out,
            "/dev/core /dev/fd /dev/full /dev/mqueue /dev/null /dev/ptmx /dev/pts /dev/random "
            "/dev/shm /dev/stderr /dev/stdin /dev/stdout /dev/tty /dev/urandom /dev/zero\n4\n");
}

TEST_F(ExecutorSandboxTest, TheMachinesNullDeviceCannotBeChanged) {
  EXPECT_THAT(RunScript("chmod 600 /proc/self/fd/0 /dev/null"), ExitsWith(0));
  auto status = std::filesystem::status("/dev/null");
  EXPECT_NE(status.permissions() & std::filesystem::perms::others_write,
            std::filesystem::perms::none);
}

TEST_F(ExecutorSandboxTest, LimitsAreNotAboveTheDaemons) {
  rlimit own;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &own), 0);
  Result result = RunScript("ulimit -H -n; ulimit -c; umask");
  uint64_t hard = std::min<uint64_t>(own.rlim_max, 1048576);
  EXPECT_EQ(result.out, std::to_string(hard) + "\n0\n0022\n");
}

TEST_F(ExecutorSandboxTest, SignalsAreNotIgnored) {
  signal(SIGPIPE, SIG_IGN);
  StartExecutor("");
  ContainerRun run = Script("");
  run.argv = {"/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"};
  // 32 and 33 are the C library's own; its posix_spawn leaves them ignored.
  EXPECT_THAT(Run(run).out, AnyOf("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
                                  "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n"));
  signal(SIGPIPE, SIG_DFL);
}

}  // namespace
}  // namespace zlayer
