// A server with fakes of the services behind the calls, and a client of it, for the tests of calls.
#ifndef ZLAYER_DAEMON_SERVICE_CALLS_FIXTURE_H_
#define ZLAYER_DAEMON_SERVICE_CALLS_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "daemon/events/event_log.h"
#include "daemon/service/call_host.h"
#include "daemon/service/download_stream.h"
#include "daemon/service/event_stream.h"
#include "daemon/service/server.h"
#include "daemon/service/unary_call.h"
#include "daemon/service/upload_stream.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/build.grpc.pb.h"
#include "zlayer/v1/image.grpc.pb.h"

namespace zlayer {

// Something that happens once, on another thread.
class Signal {
 public:
  void Set() {
    MutexLock lock(&mutex_);
    set_ = true;
    changed_.NotifyAll();
  }
  // False where it did not happen in a time that is long for any machine.
  bool Wait() {
    MutexLock lock(&mutex_);
    return changed_.WaitFor(&mutex_, std::chrono::seconds(60), {},
                            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return set_; });
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mutex_) = false;
};

// What a test makes the server do.
struct Behaviour {
  UnaryHandler<v1::GetBuildRequest, v1::BuildStatus> unary;
  std::function<
      std::unique_ptr<UploadHandler<v1::UploadContextRequest, v1::UploadContextResponse>>()>
      upload;
  std::function<std::unique_ptr<UploadHandler<v1::ImportImageRequest, v1::ImportImageResponse>>()>
      import;
  Producer<v1::ExportImageResponse> producer;
  std::function<absl::StatusOr<WatchPosition>(const v1::WatchBuildRequest&)> watch =
      [](const v1::WatchBuildRequest& request) -> absl::StatusOr<WatchPosition> {
    return WatchPosition{request.build_id(), request.after_sequence(), !request.no_follow()};
  };
};

class FakeBuildService : public v1::BuildService::CallbackService {
 public:
  FakeBuildService(const CallHost& host, EventLogs* logs, const Behaviour& behaviour)
      : host_(host), logs_(logs), behaviour_(behaviour) {}

  grpc::ServerUnaryReactor* GetBuild(grpc::CallbackServerContext*,
                                     const v1::GetBuildRequest* request,
                                     v1::BuildStatus* response) override {
    return RunUnary(host_.quick, request, response, behaviour_.unary);
  }
  grpc::ServerWriteReactor<v1::BuildEvent>* WatchBuild(
      grpc::CallbackServerContext*, const v1::WatchBuildRequest* request) override {
    return StreamEvents(host_, logs_, [this, request] { return behaviour_.watch(*request); });
  }
  grpc::ServerBidiReactor<v1::UploadContextRequest, v1::UploadContextResponse>* UploadContext(
      grpc::CallbackServerContext* context) override {
    return ReceiveStream(host_, context, behaviour_.upload());
  }

 private:
  const CallHost host_;
  EventLogs* const logs_;
  const Behaviour& behaviour_;
};

class FakeImageService : public v1::ImageService::CallbackService {
 public:
  FakeImageService(const CallHost& host, const Behaviour& behaviour)
      : host_(host), behaviour_(behaviour) {}

  grpc::ServerReadReactor<v1::ImportImageRequest>* ImportImage(
      grpc::CallbackServerContext* context, v1::ImportImageResponse* response) override {
    return ReceiveOnce(host_, context, response, behaviour_.import());
  }
  grpc::ServerWriteReactor<v1::ExportImageResponse>* ExportImage(
      grpc::CallbackServerContext* context, const v1::ExportImageRequest*) override {
    return SendStream(host_, context, behaviour_.producer);
  }

 private:
  const CallHost host_;
  const Behaviour& behaviour_;
};

// Counts what is read from logs.
class CountingLogs : public EventLogs {
 public:
  explicit CountingLogs(std::unique_ptr<EventLogs> logs) : logs_(std::move(logs)) {}

  absl::StatusOr<v1::BuildEvent> Append(const std::string& id, v1::BuildEvent event) override {
    return logs_->Append(id, std::move(event));
  }
  absl::StatusOr<v1::BuildEvent> Begin(const std::string& id, v1::BuildEvent first) override {
    return logs_->Begin(id, std::move(first));
  }
  absl::StatusOr<v1::BuildEvent> Last(const std::string& id) override { return logs_->Last(id); }
  absl::StatusOr<std::unique_ptr<EventReader>> Read(const std::string& id,
                                                    uint64_t after) override {
    absl::StatusOr<std::unique_ptr<EventReader>> reader = logs_->Read(id, after);
    if (!reader.ok()) {
      return reader.status();
    }
    return std::make_unique<Reader>(*std::move(reader), &events_read_);
  }
  std::unique_ptr<Subscription> Subscribe(const std::string& id,
                                          std::function<void()> wake) override {
    ++subscribed_;
    return logs_->Subscribe(id, std::move(wake));
  }
  std::vector<std::string> Watched() override { return logs_->Watched(); }
  absl::StatusOr<std::vector<std::string>> Ids() override { return logs_->Ids(); }
  absl::Status Remove(const std::string& id) override { return logs_->Remove(id); }
  void Close(const std::string& id) override { logs_->Close(id); }

  uint64_t events_read() const { return events_read_; }
  uint64_t subscribed() const { return subscribed_; }

 private:
  class Reader : public EventReader {
   public:
    Reader(std::unique_ptr<EventReader> reader, std::atomic<uint64_t>* count)
        : reader_(std::move(reader)), count_(count) {}
    absl::StatusOr<bool> Next(v1::BuildEvent* event) override {
      absl::StatusOr<bool> next = reader_->Next(event);
      *count_ += next.ok() && *next ? 1 : 0;
      return next;
    }
    bool MayHaveNext() const override { return reader_->MayHaveNext(); }

   private:
    const std::unique_ptr<EventReader> reader_;
    std::atomic<uint64_t>* const count_;
  };

  const std::unique_ptr<EventLogs> logs_;
  std::atomic<uint64_t> events_read_ = 0;
  std::atomic<uint64_t> subscribed_ = 0;
};

inline v1::BuildEvent OutputEvent(const std::string& data) {
  v1::BuildEvent event;
  event.mutable_output()->set_data(data);
  return event;
}

inline v1::BuildEvent CanceledEvent() {
  v1::BuildEvent event;
  event.mutable_build_canceled()->set_reason("enough");
  return event;
}

class CallsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // The path of a socket must be short.
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-calls-");
    ASSERT_OK(directory);
    directory_ = *std::move(directory);
    std::string logs = directory_.path() + "/logs";
    ASSERT_OK(MakeDirectories(logs));
    logs_ = std::make_unique<CountingLogs>(OpenEventLogs(logs, SystemClock()));
    address_ = "unix://" + directory_.path() + "/s";
  }

  // Ends what still runs before the members that tests add to this are destroyed.
  void TearDown() override {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::seconds(0));
    }
    quick_.reset();
    transfers_.reset();
  }

  void Start() {
    host_.quick = quick_.get();
    host_.transfers = transfers_.get();
    host_.stopping = stopping_.get_token();
    builds_ = std::make_unique<FakeBuildService>(host_, logs_.get(), behaviour_);
    images_ = std::make_unique<FakeImageService>(host_, behaviour_);
    absl::StatusOr<std::unique_ptr<ApiServer>> server =
        StartServer(address_, {builds_.get(), images_.get()});
    ASSERT_OK(server);
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    build_stub_ = v1::BuildService::NewStub(channel_);
    image_stub_ = v1::ImageService::NewStub(channel_);
  }

  void Append(v1::BuildEvent event) { ASSERT_OK(logs_->Append("b", std::move(event))); }

  std::unique_ptr<grpc::ClientReader<v1::BuildEvent>> Watch(grpc::ClientContext* context,
                                                            uint64_t after = 0,
                                                            bool no_follow = false) {
    v1::WatchBuildRequest request;
    request.set_build_id("b");
    request.set_after_sequence(after);
    request.set_no_follow(no_follow);
    return build_stub_->WatchBuild(context, request);
  }

  static std::vector<uint64_t> ReadAll(grpc::ClientReader<v1::BuildEvent>& stream) {
    std::vector<uint64_t> numbers;
    v1::BuildEvent event;
    while (stream.Read(&event)) {
      numbers.push_back(event.sequence());
    }
    return numbers;
  }

  ScopedDirectory directory_;
  std::string address_;
  std::unique_ptr<CountingLogs> logs_;
  Behaviour behaviour_;
  CallHost host_;
  std::stop_source stopping_;
  std::unique_ptr<ThreadPool> quick_ = std::make_unique<ThreadPool>(2);
  std::unique_ptr<ThreadPool> transfers_ = std::make_unique<ThreadPool>(2);
  std::unique_ptr<FakeBuildService> builds_;
  std::unique_ptr<FakeImageService> images_;
  std::unique_ptr<ApiServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> build_stub_;
  std::unique_ptr<v1::ImageService::Stub> image_stub_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_CALLS_FIXTURE_H_
