// zlayerd: parses flags, starts what must start before threads, serves until it is told to stop.
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/native/exec/executor.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/service_manager.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "base/version.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "registry/root_directory.h"

namespace zlayer {
namespace {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Flags {
  std::string config_file;
  std::string root;
  std::string address;
  std::string log_format;
};

// The exit code where the command line says all there is to do.
std::optional<int> ParseFlags(int argc, char** argv, Flags* flags) {
  CLI::App app("zlayerd builds container images.");
  app.footer("Example: zlayerd --config /etc/zlayerd.yaml");
  app.set_version_flag("--version", fmt::format("zlayerd {}", kVersion));
  app.add_option("--config", flags->config_file, "Configuration file (YAML)");
  app.add_option("--root", flags->root, "Directory that everything is kept in");
  app.add_option("--address", flags->address, "Where to serve: unix:///PATH");
  app.add_option("--log-format", flags->log_format, "How the daemon's log is written")
      ->check(CLI::IsMember({"text", "json"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}; see zlayerd --help\n", error.what());
    return kExitUsage;
  }
  return std::nullopt;
}

absl::StatusOr<Config> Configure(const Flags& flags) {
  Config config = DefaultConfig();
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, LoadConfig(flags.config_file, config));
  }
  if (!flags.root.empty()) {
    config.root = flags.root;
  }
  if (!flags.address.empty()) {
    config.address = flags.address;
  }
  if (!flags.log_format.empty()) {
    config.log.format = flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  }
  return config;
}

// From now on the signals that end the daemon are read from the descriptor; threads inherit that.
absl::StatusOr<UniqueFd> TakeSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return ErrnoError("blocking signals");
  }
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  return fd.valid() ? absl::StatusOr<UniqueFd>(std::move(fd)) : ErrnoError("signalfd");
}

void ReadSignal(int fd) {
  signalfd_siginfo info;
  while (read(fd, &info, sizeof(info)) < 0 && errno == EINTR) {
  }
}

// Until then, the C library gives back what it keeps of freed memory: all pages that hold nothing.
void AwaitSignal(int fd) {
  constexpr std::chrono::milliseconds kTrimInterval = std::chrono::seconds(10);
  pollfd event = {fd, POLLIN, 0};
  while (poll(&event, 1, kTrimInterval.count()) <= 0) {
    malloc_trim(0);
  }
  ReadSignal(fd);
}

// A service manager waits for as long as it was told: it must not kill a daemon that drains.
std::string DrainingMessage(std::chrono::nanoseconds drain_timeout) {
  constexpr std::chrono::seconds kToEndCalls{15};
  return fmt::format(
      "STOPPING=1\nSTATUS=Stopping; running builds may end first\nEXTEND_TIMEOUT_USEC={}",
      std::chrono::ceil<std::chrono::microseconds>(drain_timeout + kToEndCalls).count());
}

// A first signal lets running builds end, a second one does not. `draining` is called between.
absl::Status ServeUntilSignal(Daemon& daemon, const UniqueFd& signals,
                              const std::function<void()>& draining) {
  const Log log(LogModule::kDaemon);
  UniqueFd drained(eventfd(0, EFD_CLOEXEC));
  if (!drained.valid()) {
    return ErrnoError("eventfd");
  }
  AwaitSignal(signals.get());
  log.Info("drain begins; running builds may end first, a second signal stops them");
  draining();
  std::stop_source hurry;
  std::jthread drain([&] {
    daemon.Drain(hurry.get_token());
    eventfd_write(drained.get(), 1);
  });
  pollfd events[] = {{drained.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
  while ((events[0].revents & POLLIN) == 0) {
    if (poll(events, 2, -1) > 0 && (events[1].revents & POLLIN) != 0) {
      ReadSignal(signals.get());
      log.Info("second signal; running builds are stopped");
      hurry.request_stop();
    }
  }
  log.Info("drain ended");
  return absl::OkStatus();
}

// Tells the manager that the daemon is ready, alive, and stopping.
absl::Status ServeManaged(Daemon& daemon, const UniqueFd& signals, const ServiceManager& manager,
                          std::chrono::nanoseconds drain_timeout) {
  Watchdog watchdog(&manager, [&](std::stop_token stop) {
    const absl::Status status = daemon.CheckAlive(std::move(stop));
    if (!status.ok() && !absl::IsCancelled(status)) {
      Log(LogModule::kDaemon).Error("the daemon does not work", {{"error", status}});
    }
    return status.ok();
  });
  manager.Notify("READY=1\nSTATUS=Serving");
  return ServeUntilSignal(daemon, signals, [&] { manager.Notify(DrainingMessage(drain_timeout)); });
}

absl::Status Run(Config config) {
  ASSIGN_OR_RETURN(ServiceManager manager, ServiceManager::FromEnvironment());
  {
    // Another daemon's root is left alone before anything is started in it.
    ASSIGN_OR_RETURN(RootDirectory root, OpenRootDirectory(config.root));
    config.root = root.path;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Executor> executor,
                   Executor::Start({config.root + "/trees", config.native.runtime}));
  ASSIGN_OR_RETURN(UniqueFd signals, TakeSignals());
  if (!executor->unavailable_reason().empty()) {
    Log(LogModule::kExecutor)
        .Warn("RUN cannot be carried out", {{"reason", executor->unavailable_reason()}});
  }
  std::vector<PassedSocket> sockets = manager.TakeSockets();
  const std::string where = sockets.empty()
                                ? config.address
                                : fmt::format("{} socket{} of the service manager", sockets.size(),
                                              sockets.size() == 1 ? "" : "s");
  ASSIGN_OR_RETURN(std::unique_ptr<Daemon> daemon,
                   Daemon::Start(config, executor.get(), std::move(sockets)));
  Log(LogModule::kDaemon)
      .Info("serving", {{"version", kVersion}, {"root", config.root}, {"address", where}});
  RETURN_IF_ERROR(ServeManaged(*daemon, signals, manager, config.queue.drain_timeout));
  daemon.reset();
  Log(LogModule::kDaemon).Info("stopped");
  return absl::OkStatus();
}

// What is wrong before there is a log is said to whoever started this; the log says the rest.
int Main(const Flags& flags) {
  absl::StatusOr<Config> config = Configure(flags);
  if (!config.ok()) {
    fmt::print(stderr, "{}\n", Message(config.status()));
    return kExitFailed;
  }
  SetUpLog(config->log);
  if (absl::Status status = Run(*std::move(config)); !status.ok()) {
    Log(LogModule::kDaemon).Error(Message(status));
    return kExitFailed;
  }
  return kExitDone;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  // Each of the C library's arenas keeps what its threads freed: with eight a processor, an upload
  // of 20,000 files after another takes 240 MiB instead of 100.
  mallopt(M_ARENA_MAX, 2);
  zlayer::Flags flags;
  if (std::optional<int> exit_code = zlayer::ParseFlags(argc, argv, &flags)) {
    return *exit_code;
  }
  return zlayer::Main(flags);
}
