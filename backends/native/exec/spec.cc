#include "backends/native/exec/spec.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

using Json = nlohmann::json;

// Docker's default set.
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",      "CAP_MKNOD",
    "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",           "CAP_SETFCAP",     "CAP_SETPCAP",
    "CAP_KILL",    "CAP_SYS_CHROOT",   "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE",
};

constexpr const char* kMaskedPaths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
};

constexpr const char* kReadonlyPaths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

// Programs of old close every descriptor up to the soft limit before they start another.
constexpr uint64_t kMaxFilesSoft = 65536;
constexpr uint64_t kMaxFilesHard = 1048576;

absl::Status CheckText(std::string_view text, std::string_view what) {
  if (text.find('\0') != std::string_view::npos) {
    return InvalidArgument(fmt::format("{} contains a NUL byte: \"{}\"", what,
                                       ToUtf8(text.substr(0, text.find('\0')))));
  }
  if (!IsUtf8(text)) {
    return InvalidArgument(fmt::format("{} is not valid UTF-8, which OCI runtimes require: \"{}\"",
                                       what, ToUtf8(text)));
  }
  return absl::OkStatus();
}

absl::Status CheckRun(const ContainerRun& run) {
  if (run.argv.empty() || run.argv[0].empty()) {
    return InvalidArgument("there is no command to run");
  }
  for (const std::string& argument : run.argv) {
    RETURN_IF_ERROR(CheckText(argument, "an argument of the command"));
  }
  for (const std::string& variable : run.env) {
    RETURN_IF_ERROR(CheckText(variable, "an environment variable"));
  }
  RETURN_IF_ERROR(CheckText(run.working_directory, "the working directory"));
  for (const ContainerMount& mount : run.mounts) {
    RETURN_IF_ERROR(CheckText(mount.target, "the target of a mount"));
    RETURN_IF_ERROR(CheckText(mount.source, "the source of a mount"));
    if (!mount.target.starts_with('/') || mount.target == "/") {
      return InvalidArgument(fmt::format("nothing can be mounted on \"{}\"", mount.target));
    }
  }
  if (!run.working_directory.starts_with('/')) {
    return InvalidArgument(
        fmt::format("the working directory \"{}\" is not an absolute path", run.working_directory));
  }
  return CheckText(run.hostname, "the host name");
}

Json ProcessJson(const ContainerRun& run, const SpecOptions& options) {
  Json user = {{"uid", run.uid}, {"gid", run.gid}, {"umask", 022}};
  if (!run.additional_gids.empty()) {
    user["additionalGids"] = run.additional_gids;
  }
  // Not inheritable: a program that gains no privilege by its file gets none (CVE-2022-24769).
  Json capabilities;
  for (const char* set : {"bounding", "effective", "permitted"}) {
    capabilities[set] = run.privileged ? Json(options.all_capabilities) : Json(kCapabilities);
  }
  if (run.privileged) {
    capabilities["inheritable"] = options.all_capabilities;
    capabilities["ambient"] = options.all_capabilities;
  }
  uint64_t hard = std::min(options.max_files, kMaxFilesHard);
  Json rlimits = Json::array({
      {{"type", "RLIMIT_NOFILE"}, {"hard", hard}, {"soft", std::min(hard, kMaxFilesSoft)}},
      {{"type", "RLIMIT_CORE"}, {"hard", 0}, {"soft", 0}},
  });
  return {{"terminal", false},
          {"user", std::move(user)},
          {"args", run.argv},
          {"env", run.env},
          {"cwd", run.working_directory},
          {"capabilities", std::move(capabilities)},
          {"rlimits", std::move(rlimits)},
          {"noNewPrivileges", false}};
}

Json Mount(const std::string& destination, const char* type, const std::string& source,
           const std::vector<std::string>& options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

Json TmpfsJson(const ContainerMount& mount) {
  std::vector<std::string> options = {"nosuid"};
  if (mount.size_bytes > 0) {
    options.push_back(fmt::format("size={}", mount.size_bytes));
  }
  if (mount.mode.has_value()) {
    options.push_back(fmt::format("mode={:o}", *mount.mode));
  }
  return Mount(mount.target, "tmpfs", "tmpfs", options);
}

Json BindJson(const ContainerMount& mount, const std::string& source) {
  return Mount(mount.target, "bind", source,
               mount.read_only ? std::vector<std::string>{"rbind", "ro"}
                               : std::vector<std::string>{"rbind"});
}

// Adds the run's mounts to the container's own.
void AddMounts(const ContainerRun& run, const SpecOptions& options, Json* mounts) {
  int trees = 0;
  for (const ContainerMount& mount : run.mounts) {
    Json added;
    switch (mount.kind) {
      case ContainerMount::Kind::kTrees: {
        const std::string root = fmt::format("{}/{}", options.tree_mounts, trees++);
        added = BindJson(mount, mount.source.empty() ? root : root + "/" + mount.source);
        break;
      }
      case ContainerMount::Kind::kDirectory:
        added = BindJson(mount, mount.source);
        break;
      case ContainerMount::Kind::kTmpfs:
        added = TmpfsJson(mount);
        break;
    }
    const auto same = std::find_if(mounts->begin(), mounts->end(), [&](const Json& other) {
      return other["destination"] == mount.target;
    });
    if (same != mounts->end()) {
      *same = std::move(added);
    } else {
      mounts->push_back(std::move(added));
    }
  }
}

Json MountsJson(const ContainerRun& run, const SpecOptions& options) {
  Json mounts = Json::array({
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", run.privileged ? "rw" : "ro"}),
      Mount("/etc/resolv.conf", "bind", options.resolv_conf, {"rbind", "ro"}),
      Mount("/etc/hosts", "bind", options.hosts, {"rbind", "ro"}),
  });
  AddMounts(run, options, &mounts);
  return mounts;
}

Json LinuxJson(const ContainerRun& run, const SpecOptions& options) {
  Json namespaces = Json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount"}) {
    namespaces.push_back({{"type", type}});
  }
  if (!run.host_network) {
    namespaces.push_back({{"type", "network"}});
  }
  Json result = {{"namespaces", std::move(namespaces)}, {"cgroupsPath", "/zlayer/" + run.id}};
  if (run.privileged) {
    for (const DeviceNode& device : options.devices) {
      result["devices"].push_back({{"path", device.path},
                                   {"type", device.is_block ? "b" : "c"},
                                   {"major", device.major},
                                   {"minor", device.minor}});
    }
    if (!options.seccomp_json.empty()) {  // runc, which makes a cgroup that forbids them else
      result["resources"]["devices"] = Json::array({{{"allow", true}, {"access", "rwm"}}});
    }
    return result;
  }
  result["maskedPaths"] = kMaskedPaths;
  result["readonlyPaths"] = kReadonlyPaths;
  if (!options.seccomp_json.empty()) {
    result["seccomp"] = Json::parse(options.seccomp_json, nullptr, /*allow_exceptions=*/false);
  }
  return result;
}

}  // namespace

absl::StatusOr<std::string> BuildSpec(const ContainerRun& run, const SpecOptions& options) {
  RETURN_IF_ERROR(CheckRun(run));
  Json spec = {{"ociVersion", "1.0.2"},
               {"process", ProcessJson(run, options)},
               {"root", {{"path", options.root}, {"readonly", false}}},
               {"hostname", run.hostname},
               {"mounts", MountsJson(run, options)},
               {"linux", LinuxJson(run, options)}};
  if (!options.seccomp_bpf.empty() && !run.privileged) {
    spec["annotations"] = {{"run.oci.seccomp_bpf_data", options.seccomp_bpf}};
  }
  return spec.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace zlayer
