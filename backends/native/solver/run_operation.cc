// StoreOperations::Run and what only it needs.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/image_config.h"
#include "backends/native/file/layer_draft.h"
#include "backends/native/file/owner.h"
#include "backends/native/solver/emulation.h"
#include "backends/native/solver/mount_points.h"
#include "backends/native/solver/output_lines.h"
#include "backends/native/solver/retries.h"
#include "backends/native/solver/run_mounts.h"
#include "backends/native/solver/store_operations.h"
#include "backends/native/solver/url_file.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/layer/ensure_trees.h"

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

void PauseFor(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, duration, stop, [] { return false; });
}

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

// What a RUN is made from, but for the layers below.
std::vector<StepPart> PartsOf(const v1::Run& run, const std::vector<std::string>& environment,
                              const ProcessUser& user, std::string_view runtime,
                              std::vector<StepPart> mounts) {
  std::vector<StepPart> parts = std::move(mounts);
  const auto add = [&](std::string name, std::string value) {
    parts.push_back({.name = std::move(name), .value = std::move(value), .files = nullptr});
  };
  add("the command", Join({run.argv().begin(), run.argv().end()}, "\n"));
  // Before the variables: HOME is often the user's.
  add("the user",
      fmt::format("{}:{}:{}", user.uid, user.gid, fmt::join(user.additional_gids, ",")));
  std::vector<std::string> names;
  for (const std::string& entry : environment) {
    names.push_back(entry.substr(0, entry.find('=')));
    add(fmt::format("the variable {}", ToUtf8(names.back())), entry);
  }
  add("the working directory", run.working_directory());
  add("the network mode", HostNetwork(run) ? "host" : "none");
  add("the security mode", fmt::format("{}", static_cast<int>(run.security())));
  add("the host name", run.hostname());
  add("the OCI runtime", std::string(runtime));
  // A process sees it: `env` prints it.
  add("the order of the variables", Join(names, "\n"));
  return parts;
}

// What `run` runs on: shared by the build that asked and the work, which may outlive it.
struct RunWork {
  NativeResources resources;
  std::shared_ptr<const v1::Graph> graph;  // holds `run`
  const v1::Run* run;
  std::string build_id;
  std::string name_space;
  std::shared_ptr<SpanSink> spans;
  KeyScope scope;
  uint32_t retries = 0;
  Filesystem files;
  ProcessUser user;
  std::vector<std::string> environment;
  RunMounts mounts;

  absl::StatusOr<LayerRef> Do(const StepSink& sink, std::stop_token stop);

 private:
  absl::StatusOr<ContainerRun> Container(std::stop_token stop);
  absl::StatusOr<LayerRef> MountedLayer(const LayerIndex& layer, std::string_view index) const;
  absl::Status TakeCaches(const StepSink& sink, const std::stop_token& stop,
                          std::vector<ContainerMount>* made);
  absl::Status Execute(const ContainerRun& container, const StepSink& sink,
                       std::stop_token stop) const;
  absl::StatusOr<ScopedDirectory> Attempt(ContainerRun container, const StepSink& sink,
                                          std::stop_token stop);
};

absl::StatusOr<ContainerRun> RunWork::Container(std::stop_token stop) {
  static std::atomic<uint64_t> next_run{0};
  ContainerRun container{
      .id = fmt::format("{}-{}", build_id, next_run.fetch_add(1)),
      .argv = std::vector<std::string>(run->argv().begin(), run->argv().end()),
      .env = environment,
      .working_directory = run->working_directory(),
      .uid = user.uid,
      .gid = user.gid,
      .additional_gids = user.additional_gids,
      .host_network = HostNetwork(*run),
      .privileged = run->security() == v1::SECURITY_INSECURE,
  };
  // Only now: what the key holds is `environment`.
  container.env.insert(container.env.end(), run->proxy_env().begin(), run->proxy_env().end());
  if (!run->hostname().empty()) {
    container.hostname = run->hostname();
  }
  {
    const ScopedSpan span(spans.get(), "trees");
    ASSIGN_OR_RETURN(container.lower,
                     EnsureTrees(resources.store->layers(), files.view.layers(), stop));
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
absl::StatusOr<LayerRef> RunWork::MountedLayer(const LayerIndex& layer,
                                               std::string_view index) const {
  RecordStore& records = resources.store->records();
  const Digest key = FileKey(scope, layer.ContentDigest());
  ASSIGN_OR_RETURN(LayerRef found, RecordedLayer(*resources.store, key));
  if (found != nullptr) {
    records.Touch(key);
    return found;
  }
  ASSIGN_OR_RETURN(LayerRef added, resources.store->layers().Add(index, ""));
  RETURN_IF_ERROR(records.Put(name_space, CacheRecord{.key = key,
                                                      .layer = added->id(),
                                                      .build = build_id,
                                                      .created_ns = resources.clock->NowNs(),
                                                      .description = "mount"}));
  return added;
}

absl::Status RunWork::TakeCaches(const StepSink& sink, const std::stop_token& stop,
                                 std::vector<ContainerMount>* made) {
  CacheMountUser user{.name_space = name_space, .build = build_id};
  user.waiting = [&sink](std::string_view id, std::string_view holder) {
    v1::BuildEvent event;
    v1::InstructionWaiting& waiting = *event.mutable_instruction_waiting();
    waiting.set_reason(holder.empty()
                           ? fmt::format("the cache mount {} is being removed", ToUtf8(id))
                           : fmt::format("build {} uses the cache mount {}", holder, ToUtf8(id)));
    waiting.set_build_id(std::string(holder));
    sink(std::move(event));
  };
  absl::Status taken;
  resources.pool->Outside(
      [&] { taken = mounts.TakeCaches(&resources.store->cache_mounts(), user, stop, made); });
  return taken;
}

absl::Status RunWork::Execute(const ContainerRun& container, const StepSink& sink,
                              std::stop_token stop) const {
  const auto tell = [&](bool is_stderr) {
    return [&sink, is_stderr](std::string_view data, bool partial) {
      v1::BuildEvent event;
      event.mutable_output()->set_data(std::string(data));
      event.mutable_output()->set_is_stderr(is_stderr);
      event.mutable_output()->set_partial(partial);
      sink(std::move(event));
    };
  };
  OutputLines standard_output(tell(false));
  OutputLines standard_error(tell(true));
  const int64_t begin_ns = MonotonicNs();
  const absl::StatusOr<ContainerExit> exit = resources.executor->Run(
      container,
      [&](std::string_view data, bool is_stderr) {
        (is_stderr ? standard_error : standard_output).Add(data);
      },
      std::move(stop));
  standard_output.Finish();
  standard_error.Finish();
  RETURN_IF_ERROR(exit.status());
  if (spans != nullptr) {
    spans->Add("mount", "", begin_ns, exit->mounted_ns);
    spans->Add("runtime", "", exit->mounted_ns, MonotonicNs());
  }
  return exit->exit_code == 0 ? absl::OkStatus() : RunFailed(*run, exit->exit_code);
}

// The directory with what the command wrote. That of one that failed is gone.
absl::StatusOr<ScopedDirectory> RunWork::Attempt(ContainerRun container, const StepSink& sink,
                                                 std::stop_token stop) {
  if (mounts.has_caches()) {
    RETURN_IF_ERROR(TakeCaches(sink, stop, &container.mounts));
  }
  ASSIGN_OR_RETURN(ScopedDirectory scratch, ScopedDirectory::Make(resources.store->tmp(), "run-"));
  container.scratch = scratch.path();
  const absl::Status executed = Execute(container, sink, std::move(stop));
  mounts.ReleaseCaches();
  RETURN_IF_ERROR(executed);
  return scratch;
}

absl::StatusOr<LayerRef> RunWork::Do(const StepSink& sink, std::stop_token stop) {
  RETURN_IF_ERROR(CheckCanRun(scope.platform, HostPlatform(), resources.binfmt_directory));
  if (const std::string why = resources.executor->unavailable_reason(); !why.empty()) {
    return FailedPrecondition(fmt::format("RUN needs an OCI runtime: {}", why));
  }
  ASSIGN_OR_RETURN(ContainerRun container, Container(stop));
  ASSIGN_OR_RETURN(container.mount_points, MissingMountPoints(files.view, mounts.MountPoints()));
  const auto add_layer = [&](const LayerIndex& layer, std::string_view index) {
    return MountedLayer(layer, index);
  };
  ASSIGN_OR_RETURN(container.mounts, mounts.Prepare(&resources.store->layers(), add_layer, stop));
  ScopedDirectory scratch;
  const RetryOptions retry{.retries = retries,
                           .pause = resources.retry_pause,
                           .wait = [this](std::chrono::nanoseconds pause, std::stop_token stopped) {
                             resources.pool->Outside([&] { PauseFor(pause, stopped); });
                           }};
  RETURN_IF_ERROR(WithRetries(
      retry,
      [&]() -> absl::Status {
        ASSIGN_OR_RETURN(scratch, Attempt(container, sink, stop));
        return absl::OkStatus();
      },
      sink, stop));
  const ScopedSpan span(spans.get(), "index");
  return resources.store->layers().AddTree(scratch.path() + "/upper", std::move(stop));
}

}  // namespace

// A file that the graph itself holds, as the only one of a tree.
absl::StatusOr<Filesystem> StoreOperations::InlineFile(const v1::Mount& mount,
                                                       std::stop_token stop) const {
  const Filesystem nothing{.view = Rootfs(), .layers = &resources_.store->layers()};
  LayerDraft draft(&nothing, /*now_ns=*/0);
  const CopyOptions options{.destination = "/",
                            .mode = mount.has_mode() ? fmt::format("{:o}", mount.mode()) : ""};
  RETURN_IF_ERROR(
      draft.Copy({{.pattern = mount.source(), .inline_file = &mount.from().inline_()}}, options));
  ASSIGN_OR_RETURN(const std::string index,
                   draft.Finish(&resources_.store->contents(), std::move(stop)));
  ASSIGN_OR_RETURN(LayerRef layer, resources_.store->layers().Add(index, ""));
  return Filesystem{.view = Rootfs({std::move(layer)}), .layers = nothing.layers};
}

absl::StatusOr<Step> StoreOperations::Run(const v1::Run& run, const Site& site) {
  ASSIGN_OR_RETURN(ProcessUser user, ResolveUser(site.state.files, run.user()));
  std::vector<std::string> environment = Environment(run, user);
  const auto open = [&](const v1::Mount& mount) -> absl::StatusOr<Filesystem> {
    if (mount.from().kind_case() == v1::Input::kInline) {
      return InlineFile(mount, site.stop);
    }
    v1::Copy::Source source;
    *source.mutable_from() = mount.from();
    source.set_path(mount.source());
    return Input(mount.from(), UrlFileName(source), site);
  };
  ASSIGN_OR_RETURN(RunMounts mounts, RunMounts::Open(run, site.state.files.view, open));
  const std::string runtime = resources_.executor->runtime_version();
  const std::vector<Digest> contents = ContentChain(site.state);
  RunKey key{.run = &run,
             .environment = &environment,
             .user = &user,
             .host_network = HostNetwork(run),
             .mounts = mounts.Keys(),
             .runtime = runtime,
             .chain = &site.state.chain};
  Step step;
  step.key = KeyOf(site.scope, key);
  if (contents != site.state.chain) {
    key.chain = &contents;
    step.content_key = KeyOf(site.scope, key);
  }
  step.chain = site.state.chain;
  step.parts = PartsOf(run, environment, user, runtime, mounts.Parts());
  auto work = std::make_shared<RunWork>(RunWork{.resources = resources_,
                                                .graph = job_.graph,
                                                .run = &run,
                                                .build_id = job_.build_id,
                                                .name_space = job_.name_space,
                                                .spans = job_.spans,
                                                .scope = site.scope,
                                                .retries = job_.retries,
                                                .files = site.state.files,
                                                .user = std::move(user),
                                                .environment = std::move(environment),
                                                .mounts = std::move(mounts)});
  step.make = [work = std::move(work)](const StepSink& sink, std::stop_token stop) {
    return work->Do(sink, std::move(stop));
  };
  return step;
}

}  // namespace zlayer
