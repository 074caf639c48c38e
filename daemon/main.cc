// zlayerd: parses flags, starts what must start before threads, serves until it is told to stop.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
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
};

// The exit code where the command line says all there is to do.
std::optional<int> ParseFlags(int argc, char** argv, Flags* flags) {
  CLI::App app("zlayerd builds container images.");
  app.footer("Example: zlayerd --config /etc/zlayerd.yaml");
  app.set_version_flag("--version", fmt::format("zlayerd {}", kVersion));
  app.add_option("--config", flags->config_file, "Configuration file (YAML)");
  app.add_option("--root", flags->root, "Directory that everything is kept in");
  app.add_option("--address", flags->address, "Where to serve: unix:///PATH");
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
  return config;
}

void SetUpLog(const Config& config) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("zlayerd"));
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  spdlog::flush_on(spdlog::level::trace);
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
  UniqueFd drained(eventfd(0, EFD_CLOEXEC));
  if (!drained.valid()) {
    return ErrnoError("eventfd");
  }
  ReadSignal(signals.get());
  spdlog::info("stopping; running builds may end first, a second signal ends them");
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
      hurry.request_stop();
    }
  }
  return absl::OkStatus();
}

// Tells the manager that the daemon is ready, alive, and stopping.
absl::Status ServeManaged(Daemon& daemon, const UniqueFd& signals, const ServiceManager& manager,
                          std::chrono::nanoseconds drain_timeout) {
  Watchdog watchdog(&manager, [&](std::stop_token stop) {
    const absl::Status status = daemon.CheckAlive(std::move(stop));
    if (!status.ok() && !absl::IsCancelled(status)) {
      spdlog::error("the daemon does not work: {}", Message(status));
    }
    return status.ok();
  });
  manager.Notify("READY=1\nSTATUS=Serving");
  return ServeUntilSignal(daemon, signals, [&] { manager.Notify(DrainingMessage(drain_timeout)); });
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(Config config, Configure(flags));
  SetUpLog(config);
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
    spdlog::warn("RUN cannot be carried out: {}", executor->unavailable_reason());
  }
  std::vector<PassedSocket> sockets = manager.TakeSockets();
  const std::string where = sockets.empty()
                                ? config.address
                                : fmt::format("{} socket{} of the service manager", sockets.size(),
                                              sockets.size() == 1 ? "" : "s");
  ASSIGN_OR_RETURN(std::unique_ptr<Daemon> daemon,
                   Daemon::Start(config, executor.get(), std::move(sockets)));
  spdlog::info("zlayerd {} serving on {}", kVersion, where);
  RETURN_IF_ERROR(ServeManaged(*daemon, signals, manager, config.queue.drain_timeout));
  daemon.reset();
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  zlayer::Flags flags;
  if (std::optional<int> exit_code = zlayer::ParseFlags(argc, argv, &flags)) {
    return *exit_code;
  }
  if (absl::Status status = zlayer::Run(flags); !status.ok()) {
    fmt::print(stderr, "{}\n", zlayer::Message(status));
    return zlayer::kExitFailed;
  }
  return zlayer::kExitDone;
}
