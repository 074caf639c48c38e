// What goes wrong around the daemon is one clear sentence, and leaves nothing behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class FaultsTest : public DaemonTest {
 protected:
  // A daemon that cannot start: its one sentence.
  std::string Refused(std::vector<std::string> flags = {}, std::vector<std::string> before = {}) {
    std::vector<std::string> argv = std::move(before);
    argv.insert(argv.end(), {"daemon/zlayerd", "--root", Root(), "--address", Address()});
    argv.insert(argv.end(), flags.begin(), flags.end());
    const Finished finished = Execute(argv);
    EXPECT_EQ(finished.exit_code, 1) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    return finished.err;
  }

  std::string Fails(const std::vector<std::string>& arguments) {
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, 1) << finished.out << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    return finished.err;
  }

  // The daemon's memory, in MiB.
  uint64_t ResidentMiB() const {
    std::ifstream status("/proc/" + std::to_string(daemon_->pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) {
        return ParseUint(Split(Trim(std::string_view(line).substr(6)), ' ')[0]).value_or(0) / 1024;
      }
    }
    return 0;
  }

  // Bytes in files of the daemon that have no name: they go with it, however it ends.
  uint64_t UnnamedBytes() const {
    uint64_t bytes = 0;
    const std::string fds = "/proc/" + std::to_string(daemon_->pid()) + "/fd";
    std::error_code error;
    for (const auto& fd : std::filesystem::directory_iterator(fds, error)) {
      struct stat info;
      if (stat(fd.path().c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 0) {
        bytes += static_cast<uint64_t>(info.st_size);
      }
    }
    return bytes;
  }

  std::string StoredFiles() const {
    return Execute(
               {"sh", "-c", "cd \"$1\" && find blobs packs indexes trees tmp | sort", "sh", Root()})
        .out;
  }
};

// The root on a file system of its own that is soon full.
class FullDiskTest : public FaultsTest {
 protected:
  void SetUp() override {
    FaultsTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    ASSERT_OK(MakeDirectories(Root()));
    ASSERT_EQ(mount("tmpfs", Root().c_str(), "tmpfs", 0, "size=48m,mode=0700"), 0);
    StartDaemon();
    ImportBusybox();
  }
  void TearDown() override {
    FaultsTest::TearDown();
    umount2(Root().c_str(), MNT_DETACH);
  }

  void ExpectThatItWorks() {
    EXPECT_THAT(TemporaryFiles(), IsEmpty());
    WriteContext("Dockerfile", "FROM busybox\nRUN echo works > /works\n");
    Build({"--no-cache"});
  }
};

TEST_F(FullDiskTest, AContextThatDoesNotFitIsRefused) {
  const std::string before = StoredFiles();
  WriteContext("Dockerfile", "FROM busybox\nCOPY large /\n");
  WriteContext("large", std::string(60 * kMiB, 'x'));
  EXPECT_THAT(Fails({"build", "--progress", "json", Context()}),
              AllOf(HasSubstr("the daemon's root"), HasSubstr("make room")));
  EXPECT_EQ(StoredFiles(), before);
  ExpectThatItWorks();
}

TEST_F(FullDiskTest, AnArchiveThatDoesNotFitIsRefused) {
  const std::string before = StoredFiles();
  ASSERT_EQ(Execute({"sh", "-c", "cd \"$1\"; head -c 60M /dev/urandom > large; tar -cf l.tar large",
                     "sh", directory_.path()})
                .exit_code,
            0);
  EXPECT_THAT(Fails({"import", Path("l.tar"), "large"}),
              AllOf(HasSubstr(Root()), HasSubstr("make room")));
  EXPECT_EQ(StoredFiles(), before);
  ExpectThatItWorks();
}

TEST_F(FullDiskTest, ACommandThatFillsItFailsAndIsUndone) {
  WriteContext("Dockerfile", "FROM busybox\nRUN head -c 100000000 /dev/zero > /large\n");
  const std::vector<Json> events = Build({}, 1);
  EXPECT_THAT(Find(events, "build_failed").dump(), HasSubstr("Dockerfile:2"));
  ExpectThatItWorks();
}

TEST_F(FullDiskTest, WithoutAnyRoomSubmissionsAreRefusedUntilThereIsSome) {
  WriteContext("Dockerfile", "FROM busybox\nENV a=b\n");
  EXPECT_NE(Execute({"sh", "-c", "cat /dev/zero > \"$1/filler\"", "sh", Root()}).exit_code, 0);
  // Whichever write meets it first, the sentence says why; where rows still fit, the build works.
  const Finished full = Zlayer({"build", "--progress", "json", Context()});
  EXPECT_TRUE(full.exit_code == 0 || full.err.find("full") != std::string::npos ||
              full.err.find("No space left") != std::string::npos)
      << full.exit_code << full.err;
  ASSERT_EQ(unlink((Root() + "/filler").c_str()), 0);
  ExpectThatItWorks();
}

TEST_F(FaultsTest, ABrokenRuntimeIsNamedWithWhatItSaid) {
  ASSERT_OK(WriteFileAtomically(Path("crun"), "#!/bin/sh\necho 'I am broken' >&2\nexit 1\n"));
  ASSERT_EQ(chmod(Path("crun").c_str(), 0755), 0);
  ASSERT_OK(
      WriteFileAtomically(Path("zlayerd.yaml"), "native:\n  runtime: " + Path("crun") + "\n"));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  ImportBusybox();
  WriteContext("Dockerfile", "FROM busybox\nRUN true\n");
  EXPECT_THAT(Fails({"build", "--progress", "json", Context()}), HasSubstr(Path("crun")));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(FaultsTest, ARootThatCannotBeReadIsRefused) {
  ASSERT_OK(MakeDirectories(Root(), 0700));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_THAT(Refused({}, {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}),
              AllOf(HasSubstr(Root()), HasSubstr("--root")));
}

TEST_F(FaultsTest, ARootOfAnotherUserIsRefused) {
  ASSERT_OK(MakeDirectories(Root(), 0700));
  ASSERT_EQ(chown(Root().c_str(), 1000, 1000), 0);
  EXPECT_THAT(Refused(), AllOf(HasSubstr(Root()), HasSubstr("user 1000")));
}

TEST_F(FaultsTest, ADatabaseOfALaterVersionIsRefusedAndNotTouched) {
  StartDaemon();
  StopDaemon();
  // Bytes 60 to 63 of an SQLite file are PRAGMA user_version (sqlite.org/fileformat.html, 1.3).
  ASSERT_EQ(Execute({"sh", "-c",
                     "printf '\\0\\0\\003\\347' | dd of=\"$1/meta.db\" bs=1 seek=60 conv=notrunc",
                     "sh", Root()})
                .exit_code,
            0);
  ASSERT_OK_AND_ASSIGN(const std::string before, ReadFile(Root() + "/meta.db"));
  EXPECT_THAT(Refused(), AllOf(HasSubstr("meta.db"), HasSubstr("999")));
  EXPECT_THAT(ReadFile(Root() + "/meta.db"), IsOkAndHolds(before));
}

TEST_F(FaultsTest, AnAddressThatAnotherProgramServesIsRefused) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  Path("zlayerd.sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  EXPECT_THAT(Refused(), HasSubstr(Path("zlayerd.sock")));
  EXPECT_EQ(access(Path("zlayerd.sock").c_str(), F_OK), 0);
}

TEST_F(FaultsTest, ASocketThatNoProcessServesIsReplaced) {
  StartDaemon();
  StopDaemon(SIGKILL);
  EXPECT_EQ(access(Path("zlayerd.sock").c_str(), F_OK), 0);
  StartDaemon();
}

TEST_F(FaultsTest, AWatcherThatStopsReadingCostsNoMemoryAndLosesNothing) {
  StartDaemon();
  ImportBusybox();
  // 50 MB in lines of 1 KiB.
  WriteContext("Dockerfile",
               "FROM busybox\nRUN sleep 1; yes $(printf %01023d 0) | head -n 50000\n");
  const Finished submitted = Zlayer({"build", "--detach", Context()});
  const std::string id = submitted.out.substr(0, submitted.out.find('\n'));
  Process stopped(Cli({"builds", "watch", "--progress", "json", id}));
  ASSERT_TRUE(WaitUntil([&] { return !stopped.OutSoFar().empty(); }));
  stopped.Signal(SIGSTOP);
  const uint64_t before = ResidentMiB();
  EXPECT_EQ(Zlayer({"builds", "watch", "--progress", "json", id}).exit_code, 0);
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(ResidentMiB(), before + 24);
#else
  EXPECT_GT(before, 0u);
#endif
  stopped.Signal(SIGCONT);
  const Finished watched = stopped.Wait(120);
  EXPECT_EQ(watched.exit_code, 0) << watched.err;
  uint64_t sequence = 0;
  for (const Json& event : ParseEvents(watched.out)) {
    ASSERT_EQ(event.value("sequence", ""), std::to_string(++sequence));
  }
  EXPECT_GT(sequence, 50'000u);
}

TEST_F(FaultsTest, HalfAContextLeavesNothing) {
  StartDaemon();
  const std::string before = StoredFiles();
  Process client({"sh", "-c",
                  "(cd \"$1\"; head -c 30M /dev/urandom > half; tar -c half; sleep 30) | "
                  "exec client/cli/zlayer --address \"$2\" build -",
                  "sh", directory_.path(), Address()});
  EXPECT_TRUE(WaitUntil([&] { return UnnamedBytes() + 2 * kMiB > 30 * kMiB; }));
  const std::string zlayer = Address() + std::string("\0build\0-", 8);
  for (pid_t pid : ProcessesWith(zlayer)) {
    kill(pid, SIGKILL);
  }
  EXPECT_TRUE(WaitUntil([&] { return UnnamedBytes() < kMiB; }));
  EXPECT_EQ(StoredFiles(), before);
}

}  // namespace
}  // namespace zlayer::e2e
