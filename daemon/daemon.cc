#include "daemon/daemon.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "backends/native/native_backend.h"
#include "backends/native/net/remote_sources.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "daemon/build/build_file.h"
#include "daemon/build/build_runner.h"
#include "daemon/build/plan.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/config/registries.h"
#include "daemon/events/event_log.h"
#include "daemon/pipeline/pipeline_runner.h"
#include "daemon/pipeline/pipeline_store.h"
#include "daemon/pipeline/send_image.h"
#include "daemon/queue/build_queue.h"
#include "daemon/queue/history.h"
#include "daemon/queue/scheduler.h"
#include "daemon/service/build_service.h"
#include "daemon/service/cache_service.h"
#include "daemon/service/image_service.h"
#include "daemon/service/pipeline_service.h"
#include "daemon/service/registry_service.h"
#include "daemon/service/server.h"
#include "daemon/service/system_service.h"
#include "daemon/trace/build_traces.h"
#include "registry/client/urls.h"
#include "registry/gc/collector.h"
#include "registry/server/registry_server.h"
#include "registry/store.h"
#include "registry/transfer/blob_pull.h"
#include "registry/transfer/puller.h"
#include "registry/transfer/pusher.h"

namespace zlayer {
namespace {

// Calls wait on these for the disk, not for a processor: the submissions that wait together are
// synced together, so their number decides how many a second there are on a slow disk.
constexpr size_t kQuickThreads = 32;
// Few: what runs long on these is bounded by the disk.
constexpr size_t kTransferThreads = 4;
constexpr std::chrono::seconds kCallGrace{2};

// The result of one CheckAlive, which may not wait for it any more.
struct Probe {
  Mutex mutex;
  CondVar answered;
  std::optional<absl::Status> answer ABSL_GUARDED_BY(mutex);
};

std::string BackendOfEnvironment() {
  const char* name = std::getenv("ZLAYER_BACKEND");
  return name == nullptr ? "" : name;
}

void LogBackend(const v1::BackendInfo& backend) {
  const Log log(LogModule::kDaemon);
  if (backend.available()) {
    log.Info("backend available",
             {{"backend", backend.name()},
              {"targets", Join({backend.targets().begin(), backend.targets().end()}, ",")},
              {"features", Join({backend.features().begin(), backend.features().end()}, ",")}});
  } else {
    log.Warn("backend not available",
             {{"backend", backend.name()}, {"reason", backend.unavailable_reason()}});
  }
}

// The registry server asks nobody who they are.
void LogServedImages(const std::vector<std::string>& addresses, bool writable) {
  const Log log(LogModule::kDaemon);
  log.Info("serving images", {{"addresses", Join(addresses, ",")}, {"writable", writable}});
  if (writable && !std::all_of(addresses.begin(), addresses.end(), IsLoopback)) {
    log.Warn(
        "whoever reaches the registry may push and delete images: see that only those can who "
        "may, or set server.address to a port alone, or server.writable to false",
        {{"addresses", Join(addresses, ",")}});
  }
}

// Members are destroyed in the reverse of the order in which they depend on each other.
class LocalDaemon : public Daemon {
 public:
  LocalDaemon(const Config& config, Executor* executor, std::vector<PassedSocket> sockets)
      : config_(config), executor_(executor), sockets_(std::move(sockets)) {}

  ~LocalDaemon() override {
    std::stop_source hurry;
    hurry.request_stop();
    Drain(hurry.get_token());
  }

  absl::Status Open() {
    if (sockets_.empty()) {
      // Before anything is recovered or run.
      RETURN_IF_ERROR(CheckAddress(config_.address));
    }
    const Clock* clock = SystemClock();
    ASSIGN_OR_RETURN(store_, Store::Open(config_.root, clock));
    ASSIGN_OR_RETURN(collector_, StartCollector(GcOptions(), store_.get(), clock));
    ASSIGN_OR_RETURN(RegistryClientOptions registries, RegistryOptionsOf(config_));
    registries.tmp_directory = store_->tmp();
    registries_ = MakeRegistryClient(registries);
    puller_ = MakePuller(&store_->images(), &store_->repositories(), registries_.get(), clock,
                         {config_.pull.fresh, config_.pull.absent});
    pusher_ = MakePusher(store_->image_parts(), &store_->images(), &store_->repositories(),
                         registries_.get(), puller_.get());
    remote_ = MakeRemoteSources(RemoteOptions());
    NativeBackendOptions native;
    native.executor = executor_;
    native.store = store_.get();
    native.remote = remote_.get();
    native.max_parallel = config_.native.max_parallel;
    native.allow_insecure = !Trim(config_.native.entitlements).empty();
    native.clock = clock;
    backend_ = MakeNativeBackend(native);
    LogBackend(backend_->Info());
    const std::string logs = store_->root() + "/builds";
    RETURN_IF_ERROR(MakeDirectories(logs, 0700));
    logs_ = OpenEventLogs(logs, clock);
    traces_ = std::make_unique<BuildTraces>(logs, clock);
    queue_ = OpenBuildQueue(&store_->database(), clock);
    ASSIGN_OR_RETURN(pipelines_, PipelineStore::Open(&store_->database(), clock));
    runner_ = MakeBuildRunner({.store = store_.get(),
                               .backend = backend_.get(),
                               .queue = queue_.get(),
                               .remote = remote_.get(),
                               .traces = traces_.get(),
                               .puller = puller_.get(),
                               .pusher = pusher_.get(),
                               .clock = clock,
                               .default_backend = BackendOfEnvironment(),
                               .other_contexts = [this] { return pipelines_->ContextsInUse(); }});
    SchedulerOptions options;
    options.max_running = config_.queue.max_running;
    options.max_running_per_namespace = config_.queue.max_running_per_namespace;
    options.max_queued = config_.queue.max_queued;
    options.max_queued_per_namespace = config_.queue.max_queued_per_namespace;
    options.max_attempts = config_.queue.max_attempts;
    options.drain_timeout = config_.queue.drain_timeout;
    ASSIGN_OR_RETURN(scheduler_, StartScheduler(options, queue_.get(), logs_.get(), runner_.get()));
    pipeline_runner_ = StartPipelineRunner({.store = pipelines_.get(),
                                            .queue = queue_.get(),
                                            .scheduler = scheduler_.get(),
                                            .send = MakeImageSender(pusher_.get(), &store_->uses()),
                                            .draining = draining_.get_token()});
    RETURN_IF_ERROR(Serve());
    history_ =
        KeepHistory({config_.history.max_age, config_.history.max_builds},
                    {queue_.get(), logs_.get(), clock, [this](int64_t before, uint64_t keep) {
                       return pipelines_->RemoveExpired(before, keep);
                     }});
    return absl::OkStatus();
  }

  void Drain(std::stop_token hurry) override {
    draining_.request_stop();
    if (server_ != nullptr) {
      server_->SetServing(false);
    }
    if (scheduler_ != nullptr) {
      scheduler_->Drain(std::move(hurry));
    }
    if (pipeline_runner_ != nullptr) {
      pipeline_runner_->Stop();
    }
    stopping_.request_stop();
    if (server_ != nullptr) {
      server_->Shutdown(kCallGrace);
    }
  }

  absl::Status CheckAlive(std::stop_token stop) override {
    auto probe = std::make_shared<Probe>();
    quick_.Submit([this, probe] {
      absl::Status status =
          store_->database().WriteUnsynced([](Connection&) { return absl::OkStatus(); });
      MutexLock lock(&probe->mutex);
      probe->answer = std::move(status);
      probe->answered.NotifyAll();
    });
    MutexLock lock(&probe->mutex);
    const bool answered = probe->answered.Wait(
        &probe->mutex, std::move(stop),
        [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return probe->answer.has_value(); });
    return answered ? *probe->answer : Cancelled("the daemon stops");
  }

 private:
  absl::Status Serve() {
    CallHost host;
    host.quick = &quick_;
    host.transfers = &transfers_;
    host.stopping = stopping_.get_token();
    build_service_ = MakeBuildService(BuildOptions(host));
    ImageServiceOptions images;
    images.host = host;
    images.store = store_.get();
    images.puller = puller_.get();
    image_service_ = MakeImageService(images);
    cache_service_ =
        MakeCacheService({host.stopping, store_.get(), collector_.get(), SystemClock()});
    SystemServiceOptions system;
    system.pool = &quick_;
    system.stopping = host.stopping;
    system.store = store_.get();
    system.queue = queue_.get();
    system.backends = {backend_.get()};
    system.max_running = config_.queue.max_running;
    system.draining = draining_.get_token();
    system_service_ = MakeSystemService(system);
    registry_service_ =
        MakeRegistryService({host, store_.get(), registries_.get(), puller_.get(), pusher_.get()});
    pipeline_service_ =
        MakePipelineService({host, pipelines_.get(), pipeline_runner_.get(), &store_->contexts()});
    const std::vector<grpc::Service*> services = {build_service_.get(), pipeline_service_.get(),
                                                  image_service_.get(), registry_service_.get(),
                                                  cache_service_.get(), system_service_.get()};
    if (!config_.server.address.empty()) {
      blob_pull_ = std::make_unique<BlobPull>(&store_->images(), puller_.get());
      ASSIGN_OR_RETURN(registry_server_,
                       RegistryServer::Start(ServerOptions(), &store_->repositories()));
      blob_pull_->ServesOn(registry_server_->addresses());
      LogServedImages(registry_server_->addresses(), config_.server.writable);
    }
    ASSIGN_OR_RETURN(server_, sockets_.empty() ? StartServer(config_.address, services)
                                               : StartServerOn(std::move(sockets_), services));
    return absl::OkStatus();
  }

  CollectorOptions GcOptions() const {
    CollectorOptions options;
    options.automatic = config_.gc.automatic;
    options.interval = config_.gc.interval;
    options.nameless_images = config_.gc.nameless_images;
    const auto share = [](const Config::Gc::Size& size) {
      return DiskShare{size.bytes, size.percent};
    };
    for (const Config::Gc::Policy& policy : config_.gc.policies) {
      AutomaticPolicy& automatic = options.policies.emplace_back();
      automatic.filter.name_space = policy.name_space;
      for (const std::string& type : policy.types) {
        automatic.filter.types.push_back(ParseCacheType(type).value_or(CacheType::kRecord));
      }
      automatic.keep_duration = policy.keep_duration;
      automatic.reserved = share(policy.reserved);
      automatic.max_used = share(policy.max_used);
      automatic.min_free = share(policy.min_free);
    }
    return options;
  }

  RegistryServerOptions ServerOptions() const {
    RegistryServerOptions options;
    const std::string& address = config_.server.address;
    options.http.addresses = {ParseUint(address).has_value() ? "127.0.0.1:" + address : address};
    options.http.certificate_file = config_.server.tls_cert;
    options.http.key_file = config_.server.tls_key;
    options.name_space = config_.server.name_space;
    options.writable = config_.server.writable;
    options.fetch = [this](const std::string& name_space, const Digest& blob,
                           std::stop_token stop) {
      return blob_pull_->Fetch(name_space, blob, std::move(stop));
    };
    return options;
  }

  RemoteSourcesOptions RemoteOptions() const {
    RemoteSourcesOptions options;
    options.store = store_.get();
    options.executor = executor_;
    options.http.max_bytes = uint64_t{config_.native.max_download_mib} << 20;
    options.git.max_bytes = options.http.max_bytes;
    return options;
  }

  BuildServiceOptions BuildOptions(const CallHost& host) {
    BuildServiceOptions options;
    options.host = host;
    options.queue = queue_.get();
    options.logs = logs_.get();
    options.scheduler = scheduler_.get();
    options.traces = traces_.get();
    options.uploads.store = store_.get();
    options.uploads.plan = [this](const std::string& name_space, const v1::BuildSpec& spec,
                                  std::stop_token stop) {
      std::unique_ptr<ImageResolver> resolver = MakeImageResolver(puller_.get(), name_space, spec);
      return PlanWithoutContext(spec, *resolver, std::move(stop));
    };
    options.plan = [this](const std::string& name_space, const v1::BuildSpec& spec,
                          std::stop_token stop) {
      return PlanRequest({store_.get(), puller_.get()}, name_space, spec, std::move(stop));
    };
    options.check = [this](const std::string& name_space, const v1::BuildSpec& spec,
                           std::stop_token stop) {
      return CheckRequest({store_.get(), puller_.get()}, name_space, spec, std::move(stop));
    };
    return options;
  }

  const Config config_;
  Executor* const executor_;
  std::vector<PassedSocket> sockets_;  // until they are served
  std::stop_source draining_;          // nothing is accepted any more
  std::stop_source stopping_;          // open streams end
  std::unique_ptr<Store> store_;
  std::unique_ptr<Collector> collector_;
  std::unique_ptr<RegistryClient> registries_;
  std::unique_ptr<Puller> puller_;
  std::unique_ptr<Pusher> pusher_;
  std::unique_ptr<BlobPull> blob_pull_;
  std::unique_ptr<RemoteSources> remote_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<EventLogs> logs_;
  std::unique_ptr<BuildTraces> traces_;
  std::unique_ptr<BuildQueue> queue_;
  std::unique_ptr<PipelineStore> pipelines_;
  std::unique_ptr<BuildRunner> runner_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<PipelineRunner> pipeline_runner_;
  std::unique_ptr<History> history_;
  ThreadPool quick_{kQuickThreads};
  ThreadPool transfers_{kTransferThreads};
  std::unique_ptr<v1::BuildService::CallbackService> build_service_;
  std::unique_ptr<v1::PipelineService::CallbackService> pipeline_service_;
  std::unique_ptr<v1::ImageService::CallbackService> image_service_;
  std::unique_ptr<v1::RegistryService::CallbackService> registry_service_;
  std::unique_ptr<v1::CacheService::CallbackService> cache_service_;
  std::unique_ptr<v1::SystemService::CallbackService> system_service_;
  std::unique_ptr<RegistryServer> registry_server_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config, Executor* executor,
                                                      std::vector<PassedSocket> sockets) {
  auto daemon = std::make_unique<LocalDaemon>(config, executor, std::move(sockets));
  RETURN_IF_ERROR(daemon->Open());
  return daemon;
}

}  // namespace zlayer
