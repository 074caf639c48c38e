// A zlayerd of its own for a test, and the zlayer command line to drive it: the built programs,
// nothing of ours linked in.
#ifndef ZLAYER_TESTS_E2E_DAEMON_H_
#define ZLAYER_TESTS_E2E_DAEMON_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace zlayer::e2e {

using Json = nlohmann::json;

// A program that ran to its end.
struct Finished {
  int exit_code = -1;      // 128 + signal where it was killed
  std::string out;
  std::string err;
};

// Starts a program found in PATH or by path.
class Process {
 public:
  Process(const std::vector<std::string>& argv, const std::string& standard_input = "");
  Process(const Process&) = delete;
  ~Process();              // kills what still runs

  pid_t pid() const { return pid_; }
  void Signal(int signal);
  // Waits at most `seconds`, then kills; call once.
  Finished Wait(double seconds = 60);
  // What it wrote to standard output so far.
  std::string OutSoFar() const;
  std::string ErrSoFar() const;

 private:
  pid_t pid_ = -1;
  ScopedDirectory files_;  // holds its standard input, output and error
};

Finished Execute(const std::vector<std::string>& argv, const std::string& standard_input = "");

// Waits until `condition` holds, at most `seconds`; returns whether it does.
template <typename Condition>
bool WaitUntil(Condition condition, double seconds = 20) {
  for (double waited = 0; !condition(); waited += 0.01) {
    if (waited >= seconds) {
      return false;
    }
    usleep(10'000);
  }
  return true;
}

// Pids of processes whose command line contains `text`, or of all where it is empty.
std::vector<pid_t> ProcessesWith(std::string_view text);

// Base of the tests. Skips where it cannot work: without root.
class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Starts zlayerd on this test's root and waits until it serves.
  void StartDaemon(const std::vector<std::string>& flags = {});
  // Asks it to end and waits.
  void StopDaemon(int signal = SIGTERM);

  // zlayer with this daemon's address.
  std::vector<std::string> Cli(std::vector<std::string> arguments) const;
  Finished Zlayer(const std::vector<std::string>& arguments,
                  const std::string& standard_input = "") const;

  // Imports a busybox root filesystem as `name`, with what `extra` (a shell script run within its
  // directory) adds.
  void ImportBusybox(const std::string& name = "busybox:latest", const std::string& extra = "");

  // Writes a file below the build context.
  void WriteContext(const std::string& path, std::string_view content);
  std::string Context() const { return directory_.path() + "/context"; }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string Root() const { return directory_.path() + "/root"; }
  std::string Address() const { return "unix://" + directory_.path() + "/zlayerd.sock"; }

  // Builds the context with JSON progress; fails the test unless it ends with `exit_code`.
  std::vector<Json> Build(const std::vector<std::string>& arguments = {}, int exit_code = 0);

  // What a daemon that does nothing must not hold: scratch files.
  std::vector<std::string> TemporaryFiles() const;

  ScopedDirectory directory_;
  std::unique_ptr<Process> daemon_;
};

// With a daemon that runs, and a busybox image.
class BusyboxTest : public DaemonTest {
 protected:
  void SetUp() override;
};

// The instructions of a build that were not cached, by their text.
std::vector<std::string> Executed(const std::vector<Json>& events);
// The event of a kind ("build_complete"), null where there is none; the last of several.
Json Find(const std::vector<Json>& events, const std::string& kind);
// The events in JSON lines.
std::vector<Json> ParseEvents(const std::string& lines);

}  // namespace zlayer::e2e

#endif  // ZLAYER_TESTS_E2E_DAEMON_H_
