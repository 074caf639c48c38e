// What the tests of the executor share: trees with a busybox, a scratch directory for each run.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_FIXTURE_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/native/exec/executor.h"
#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {

// Waits for what happens soon, and long enough on a machine that is busy.
inline bool Eventually(const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

// Processes of the machine whose command line contains `marker`.
inline std::vector<std::string> ProcessesWith(const std::string& marker) {
  std::vector<std::string> result;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    auto command = ReadFile(entry.path().string() + "/cmdline");
    if (command.ok() && command->find(marker) != std::string::npos) {
      result.push_back(entry.path().filename().string());
    }
  }
  return result;
}

class ExecutorFixture : public testing::Test {
 protected:
  struct Result {
    absl::StatusOr<ContainerExit> exit;
    std::string out;
    std::string err;
  };

  void SetUp() override {
    if (geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    if (access("/bin/busybox", X_OK) != 0) {
      GTEST_SKIP() << "needs /bin/busybox (package busybox-static)";
    }
    auto root = ScopedDirectory::Make(testing::TempDir(), "exec");
    ASSERT_OK(root);
    root_ = *std::move(root);
    MakeBusybox(1);
    StartExecutor("");
  }

  // `runtime` as ExecutorOptions has it.
  void StartExecutor(const std::string& runtime) {
    executor_.reset();
    ExecutorOptions options;
    options.trees_directory = root_.path() + "/trees";
    options.runtime = runtime;
    auto executor = Executor::Start(options);
    ASSERT_OK(executor);
    executor_ = *std::move(executor);
    if (std::string reason = executor_->unavailable_reason(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  std::string Tree(uint64_t number) const {
    return root_.path() + "/trees/" + std::to_string(number);
  }

  void MakeBusybox(uint64_t number) {
    std::string bin = Tree(number) + "/bin";
    ASSERT_OK(MakeDirectories(bin));
    std::filesystem::copy_file("/bin/busybox", bin + "/busybox");
    for (const char* applet : {"sh",   "echo",  "sleep", "ls",       "cat",      "mount", "id",
                               "grep", "rm",    "mkdir", "hostname", "kill",     "dd",    "env",
                               "pwd",  "chmod", "wc",    "touch",    "ifconfig", "find",  "stat"}) {
      std::filesystem::create_symlink("busybox", bin + "/" + applet);
    }
  }

  void WriteFile(const std::string& path, std::string_view content) {
    ASSERT_OK(MakeDirectories(std::filesystem::path(path).parent_path().string()));
    std::ofstream(path) << content;
  }

  // `sh -c script` on tree 1, with a scratch directory of its own.
  ContainerRun Script(const std::string& script) {
    ContainerRun run;
    run.id = "run-" + RandomHex();
    run.lower = {1};
    run.scratch = root_.path() + "/scratch-" + run.id;
    EXPECT_OK(MakeDirectories(run.scratch));
    run.mount_points = {"dev/", "etc/", "etc/hosts", "etc/resolv.conf", "proc/", "sys/"};
    run.argv = {"/bin/sh", "-c", script};
    run.env = {"PATH=/bin"};
    run.working_directory = "/";
    return run;
  }

  Result Run(const ContainerRun& run, std::stop_token stop = {}) {
    Result result;
    result.exit = executor_->Run(
        run,
        [&](std::string_view data, bool is_stderr) {
          (is_stderr ? result.err : result.out).append(data);
        },
        stop);
    return result;
  }

  Result RunScript(const std::string& script) { return Run(Script(script)); }

  // Paths of what the run wrote, sorted.
  static std::vector<std::string> Written(const ContainerRun& run) {
    std::vector<std::string> result;
    std::filesystem::path upper = run.scratch + "/upper";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(upper)) {
      result.push_back(entry.path().lexically_relative(upper).string());
    }
    std::sort(result.begin(), result.end());
    return result;
  }

  ScopedDirectory root_;
  std::unique_ptr<Executor> executor_;
};

MATCHER_P(ExitsWith, code, "") {
  *result_listener << (arg.exit.ok() ? "exit code " + std::to_string(arg.exit->exit_code)
                                     : arg.exit.status().ToString())
                   << "\nstdout: " << arg.out << "\nstderr: " << arg.err;
  return arg.exit.ok() && arg.exit->exit_code == code;
}

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_EXECUTOR_FIXTURE_H_
