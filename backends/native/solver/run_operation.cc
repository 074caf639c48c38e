// Operations::Run and what only it needs.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/image_config.h"
#include "backends/native/file/layer_draft.h"
#include "backends/native/file/owner.h"
#include "backends/native/solver/mount_points.h"
#include "backends/native/solver/operations.h"
#include "backends/native/solver/output_lines.h"
#include "backends/native/solver/run_mounts.h"
#include "backends/native/solver/url_file.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/layer/tree.h"

namespace zlayer {
namespace {

constexpr size_t kMaxTrees = 500;

std::string Hosts(std::string_view hostname) {
  return fmt::format("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
                     hostname);
}

// The process's environment: the graph's, with PATH and HOME where they are missing.
std::vector<std::string> Environment(const v1::Run& run, const ProcessUser& user) {
  std::vector<std::string> environment(run.env().begin(), run.env().end());
  const auto add_missing = [&](std::string_view name, std::string_view value) {
    const std::string prefix = fmt::format("{}=", name);
    if (std::none_of(environment.begin(), environment.end(),
                     [&](const std::string& entry) { return entry.starts_with(prefix); })) {
      environment.push_back(prefix + std::string(value));
    }
  };
  add_missing("PATH", kDefaultPath);
  add_missing("HOME", user.home);
  return environment;
}

// NETWORK_DEFAULT means the host's.
bool HostNetwork(const v1::Run& run) { return run.network() != v1::NETWORK_NONE; }

absl::Status RunFailed(const v1::Run& run, int exit_code) {
  const bool shell = run.argv_size() == 3 && run.argv(1) == "-c";
  std::vector<std::string> words(run.argv().begin(), run.argv().end());
  v1::ErrorDetail detail;
  detail.set_reason("RUN_FAILED");
  detail.set_exit_code(exit_code);
  const std::string command = ToUtf8(shell ? run.argv(2) : Join(words, " "));
  const std::string how = exit_code > 128 ? fmt::format("was killed by signal {} (exit code {})",
                                                        exit_code - 128, exit_code)
                                          : fmt::format("exited with code {}", exit_code);
  return WithDetail(
      absl::AbortedError(fmt::format("the command \"{}\" {}", command.substr(0, 1000), how)),
      detail);
}

}  // namespace

absl::StatusOr<ContainerRun> Operations::Container(const v1::Run& run, const StageState& state,
                                                   const ProcessUser& user,
                                                   const std::vector<std::string>& environment,
                                                   std::stop_token stop) const {
  static std::atomic<uint64_t> next_run{0};
  ContainerRun container{
      .id = fmt::format("{}-{}", job_.build_id, next_run.fetch_add(1)),
      .argv = std::vector<std::string>(run.argv().begin(), run.argv().end()),
      .env = environment,
      .working_directory = run.working_directory(),
      .uid = user.uid,
      .gid = user.gid,
      .additional_gids = user.additional_gids,
      .host_network = HostNetwork(run),
      .privileged = run.security() == v1::SECURITY_INSECURE,
  };
  // Only now: what the key holds is `environment`.
  container.env.insert(container.env.end(), run.proxy_env().begin(), run.proxy_env().end());
  if (!run.hostname().empty()) {
    container.hostname = run.hostname();
  }
  for (const LayerRef& layer : state.files.view.layers()) {
    if (layer->size() == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(const uint64_t tree, resources_.store->layers().EnsureTree(layer, stop));
    container.lower.push_back(tree);
  }
  if (container.lower.size() > kMaxTrees) {
    return FailedPrecondition(
        fmt::format("a RUN can stand on at most {} layers, here are {}; join instructions",
                    kMaxTrees, container.lower.size()));
  }
  container.hosts = Hosts(container.hostname);
  if (absl::StatusOr<std::string> hosts_own = ReadFile("/etc/resolv.conf"); hosts_own.ok()) {
    container.resolv_conf = *std::move(hosts_own);
  }
  return container;
}

// What a mount shows, found again by its content: a COPY of the same files makes the same layer.
absl::StatusOr<LayerRef> Operations::MountedLayer(const KeyScope& scope, const LayerIndex& layer,
                                                  std::string_view index) const {
  const Digest key = FileKey(scope, layer.ContentDigest());
  ASSIGN_OR_RETURN(OperationResult result, Cached(key, {}));
  if (!result.cached) {
    ASSIGN_OR_RETURN(result, Keep(key, {}, index, ""));
  }
  return std::move(result.layer);
}

// A file that the graph itself holds, as the only one of a tree.
absl::StatusOr<Filesystem> Operations::InlineFile(const v1::Mount& mount, const KeyScope& scope,
                                                  std::stop_token stop) const {
  StageState nothing;
  nothing.files.layers = &resources_.store->layers();
  LayerDraft draft(&nothing.files, /*now_ns=*/0);
  const CopyOptions options{.destination = "/",
                            .mode = mount.has_mode() ? fmt::format("{:o}", mount.mode()) : ""};
  RETURN_IF_ERROR(
      draft.Copy({{.pattern = mount.source(), .inline_file = &mount.from().inline_()}}, options));
  ASSIGN_OR_RETURN(const OperationResult made, MakeLayer(draft, scope, nothing, std::move(stop)));
  return Filesystem{.view = Rootfs({made.layer}), .layers = nothing.files.layers};
}

absl::StatusOr<OperationResult> Operations::Run(const v1::Run& run, const KeyScope& scope,
                                                const StageState& state, const Output& output,
                                                const TransferProgress& progress,
                                                std::stop_token stop) const {
  ASSIGN_OR_RETURN(const ProcessUser user, ResolveUser(state.files, run.user()));
  const std::vector<std::string> environment = Environment(run, user);
  const auto open = [&](const v1::Mount& mount) -> absl::StatusOr<Filesystem> {
    if (mount.from().kind_case() == v1::Input::kInline) {
      return InlineFile(mount, scope, stop);
    }
    v1::Copy::Source source;
    *source.mutable_from() = mount.from();
    source.set_path(mount.source());
    return Input(mount.from(), UrlFileName(source), progress, stop);
  };
  ASSIGN_OR_RETURN(RunMounts mounts, RunMounts::Open(run, state.files.view, open));
  const std::string runtime = resources_.executor->runtime_version();
  const Digest key = KeyOf(scope, RunKey{.run = &run,
                                         .environment = &environment,
                                         .user = &user,
                                         .host_network = HostNetwork(run),
                                         .mounts = mounts.Keys(),
                                         .runtime = runtime,
                                         .chain = &state.chain});
  ASSIGN_OR_RETURN(OperationResult cached, Cached(key, state.chain));
  if (cached.cached) {
    return cached;
  }
  if (const std::string why = resources_.executor->unavailable_reason(); !why.empty()) {
    return FailedPrecondition(fmt::format("RUN needs an OCI runtime: {}", why));
  }
  ASSIGN_OR_RETURN(ContainerRun container, Container(run, state, user, environment, stop));
  ASSIGN_OR_RETURN(container.mount_points,
                   MissingMountPoints(state.files.view, mounts.MountPoints()));
  const auto add_layer = [&](const LayerIndex& layer, std::string_view index) {
    return MountedLayer(scope, layer, index);
  };
  ASSIGN_OR_RETURN(container.mounts, mounts.Prepare(&resources_.store->layers(), add_layer, stop));
  if (mounts.has_caches()) {
    absl::Status taken;
    resources_.pool->Outside([&] {
      taken = mounts.TakeCaches(&resources_.store->cache_mounts(), job_.name_space, stop,
                                &container.mounts);
    });
    RETURN_IF_ERROR(taken);
  }
  ASSIGN_OR_RETURN(const ScopedDirectory scratch,
                   ScopedDirectory::Make(resources_.store->tmp(), "run-"));
  container.scratch = scratch.path();
  OutputLines standard_output(
      [&](std::string_view data, bool partial) { output(data, false, partial); });
  OutputLines standard_error(
      [&](std::string_view data, bool partial) { output(data, true, partial); });
  const absl::StatusOr<ContainerExit> exit = resources_.executor->Run(
      container,
      [&](std::string_view data, bool is_stderr) {
        (is_stderr ? standard_error : standard_output).Add(data);
      },
      stop);
  standard_output.Finish();
  standard_error.Finish();
  RETURN_IF_ERROR(exit.status());
  if (exit->exit_code != 0) {
    return RunFailed(run, exit->exit_code);
  }
  const std::string upper = scratch.path() + "/upper";
  LayerIndexBuilder builder;
  RETURN_IF_ERROR(ScanTree(upper, &builder, std::move(stop)));
  ASSIGN_OR_RETURN(const std::string index, builder.Serialize());
  return Keep(key, state.chain, index, upper);
}

}  // namespace zlayer
