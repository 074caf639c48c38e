#include "tests/e2e/daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "base/strings.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

constexpr char kDaemon[] = "daemon/zlayerd";
constexpr char kClient[] = "client/cli/zlayer";

std::string Contents(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, size_t{1} << 30);
  return content.ok() ? *std::move(content) : std::string();
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::string& standard_input) {
  files_ = *ScopedDirectory::Make("/tmp", "zlayer-process-");
  EXPECT_OK(WriteFileAtomically(files_.path() + "/in", standard_input));
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string in = files_.path() + "/in";
  const std::string out = files_.path() + "/out";
  const std::string err = files_.path() + "/err";
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  const int error = posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << argv[0];
  if (error != 0) {
    pid_ = -1;
  }
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Process::Signal(int signal) {
  // -1 means every process there is.
  ASSERT_GT(pid_, 0) << "it was not started, or has ended";
  kill(pid_, signal);
}

std::string Process::OutSoFar() const { return Contents(files_.path() + "/out"); }

std::string Process::ErrSoFar() const { return Contents(files_.path() + "/err"); }

Finished Process::Wait(double seconds) {
  if (pid_ <= 0) {
    ADD_FAILURE() << "it was not started, or has ended";
    return {};
  }
  int status = 0;
  if (!WaitUntil([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, seconds)) {
    ADD_FAILURE() << "still running after " << seconds << " s";
    kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
  }
  pid_ = -1;
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = OutSoFar(),
          .err = Contents(files_.path() + "/err")};
}

Finished Execute(const std::vector<std::string>& argv, const std::string& standard_input) {
  return Process(argv, standard_input).Wait();
}

std::vector<pid_t> ProcessesWith(std::string_view text) {
  std::vector<pid_t> found;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    if (ParseUint(entry->d_name).has_value() &&
        Contents(std::string("/proc/") + entry->d_name + "/cmdline").find(text) !=
            std::string::npos) {
      found.push_back(static_cast<pid_t>(*ParseUint(entry->d_name)));
    }
  }
  closedir(proc);
  return found;
}

void DaemonTest::SetUp() {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-e2e-"));
  ASSERT_OK(MakeDirectories(Context()));
  // The client's cache of digests is the test's own, too.
  ASSERT_EQ(setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1), 0);
}

void BusyboxTest::SetUp() {
  DaemonTest::SetUp();
  if (!IsSkipped()) {
    StartDaemon();
    ImportBusybox();
  }
}

void DaemonTest::TearDown() {
  if (daemon_ != nullptr) {
    StopDaemon();
  }
}

void DaemonTest::StartDaemon(const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {kDaemon, "--root", Root(), "--address", Address()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  daemon_ = std::make_unique<Process>(argv);
  ASSERT_TRUE(WaitUntil([&] { return Zlayer({"info"}).exit_code == 0; })) << daemon_->Wait(0).err;
}

void DaemonTest::StopDaemon(int signal) {
  daemon_->Signal(signal);
  const Finished finished = daemon_->Wait();
  EXPECT_EQ(finished.exit_code, signal == SIGKILL ? 128 + SIGKILL : 0) << finished.err;
  daemon_.reset();
}

std::vector<std::string> DaemonTest::Cli(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {kClient, "--address", Address()});
  return arguments;
}

Finished DaemonTest::Zlayer(const std::vector<std::string>& arguments,
                            const std::string& standard_input) const {
  return Execute(Cli(arguments), standard_input);
}

void DaemonTest::ImportBusybox(const std::string& name, const std::string& extra) {
  const Finished made = Execute({"sh", "-ec", R"(
    mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root"
    chmod 1777 "$1/tmp"
    cp /bin/busybox "$1/bin/busybox"
    for applet in $(/bin/busybox --list); do
      [ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' > "$1/etc/passwd"
    echo 'app:x:1000:1001:app:/home/app:/bin/sh' >> "$1/etc/passwd"
    printf 'root:x:0:\napp:x:1001:\nextra:x:2000:app\n' > "$1/etc/group"
    (cd "$1"; eval "$2")
    tar -C "$1" --xattrs --xattrs-include=user.* --sort=name --mtime=@1700000000 -cf "$1.tar" .)",
                                 "sh", Path("busybox"), extra});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Finished imported = Zlayer({"import", Path("busybox.tar"), name});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
}

void DaemonTest::WriteContext(const std::string& path, std::string_view content) {
  const std::string full = Context() + "/" + path;
  ASSERT_OK(MakeDirectories(full.substr(0, full.find_last_of('/'))));
  ASSERT_OK(WriteFileAtomically(full, content));
}

std::vector<Json> DaemonTest::Build(const std::vector<std::string>& arguments, int exit_code) {
  std::vector<std::string> command = {"build", "--progress", "json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.push_back(Context());
  const Finished finished = Zlayer(command);
  EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
  return ParseEvents(finished.out);
}

std::vector<std::string> DaemonTest::TemporaryFiles() const {
  std::vector<std::string> names;
  DIR* directory = opendir((Root() + "/tmp").c_str());
  if (directory == nullptr) {
    return names;
  }
  while (const dirent* entry = readdir(directory)) {
    if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..") {
      names.emplace_back(entry->d_name);
    }
  }
  closedir(directory);
  return names;
}

std::vector<Json> ParseEvents(const std::string& lines) {
  std::vector<Json> events;
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);) {
    Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(event.is_discarded()) << line;
    if (!event.is_discarded()) {
      events.push_back(std::move(event));
    }
  }
  return events;
}

std::vector<std::string> Executed(const std::vector<Json>& events) {
  std::map<std::pair<int, int>, std::string> texts;
  std::vector<std::string> executed;
  for (const Json& event : events) {
    if (event.contains("instruction_started")) {
      const Json& started = event["instruction_started"];
      texts[{started.value("stage", 0), started.value("index", 0)}] = started["instruction"];
    }
    if (event.contains("instruction_complete")) {
      const Json& complete = event["instruction_complete"];
      if (!complete.at("cached").get<bool>()) {
        executed.push_back(texts[{complete.value("stage", 0), complete.value("index", 0)}]);
      }
    }
  }
  return executed;
}

Json Find(const std::vector<Json>& events, const std::string& kind) {
  Json found;
  for (const Json& event : events) {
    if (event.contains(kind)) {
      found = event[kind];
    }
  }
  return found;
}

}  // namespace zlayer::e2e
