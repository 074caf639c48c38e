// The kinds of calls over a real server and a unix socket.
#include <gmock/gmock.h>
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
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

   private:
    const std::unique_ptr<EventReader> reader_;
    std::atomic<uint64_t>* const count_;
  };

  const std::unique_ptr<EventLogs> logs_;
  std::atomic<uint64_t> events_read_ = 0;
  std::atomic<uint64_t> subscribed_ = 0;
};

v1::BuildEvent OutputEvent(const std::string& data) {
  v1::BuildEvent event;
  event.mutable_output()->set_data(data);
  return event;
}

v1::BuildEvent CanceledEvent() {
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

  void Start() {
    host_.quick = &quick_;
    host_.transfers = &transfers_;
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
  ThreadPool quick_{2};
  ThreadPool transfers_{2};
  std::unique_ptr<FakeBuildService> builds_;
  std::unique_ptr<FakeImageService> images_;
  std::unique_ptr<ApiServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> build_stub_;
  std::unique_ptr<v1::ImageService::Stub> image_stub_;
};

TEST_F(CallsTest, UnaryAnswers) {
  behaviour_.unary = [](const v1::GetBuildRequest& request,
                        std::stop_token) -> absl::StatusOr<v1::BuildStatus> {
    v1::BuildStatus status;
    status.set_title("about " + request.build_id());
    return status;
  };
  Start();
  grpc::ClientContext context;
  v1::GetBuildRequest request;
  request.set_build_id("x");
  v1::BuildStatus response;
  ASSERT_TRUE(build_stub_->GetBuild(&context, request, &response).ok());
  EXPECT_EQ(response.title(), "about x");
}

TEST_F(CallsTest, UnaryErrorsArrive) {
  behaviour_.unary = [](const v1::GetBuildRequest&,
                        std::stop_token) -> absl::StatusOr<v1::BuildStatus> {
    return NotFound("there is no such build");
  };
  Start();
  grpc::ClientContext context;
  v1::BuildStatus response;
  EXPECT_THAT(FromGrpc(build_stub_->GetBuild(&context, {}, &response)),
              StatusIs(absl::StatusCode::kNotFound, "there is no such build"));
}

TEST_F(CallsTest, UnaryHandlersAreStoppedAtTheDeadline) {
  Signal stopped;
  behaviour_.unary = [&](const v1::GetBuildRequest&,
                         std::stop_token stop) -> absl::StatusOr<v1::BuildStatus> {
    Signal wait;
    std::stop_callback on_stop(stop, [&] { wait.Set(); });
    if (wait.Wait()) {
      stopped.Set();
    }
    return Cancelled("stopped");
  };
  Start();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  v1::BuildStatus response;
  EXPECT_THAT(FromGrpc(build_stub_->GetBuild(&context, {}, &response)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(stopped.Wait());
}

TEST_F(CallsTest, WatcherReplaysFollowsAndEnds) {
  Append(OutputEvent("1"));
  Append(OutputEvent("2"));
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  v1::BuildEvent event;
  ASSERT_TRUE(stream->Read(&event));
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.sequence(), 2u);
  EXPECT_EQ(event.output().data(), "2");
  Append(OutputEvent("3"));
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.output().data(), "3");
  Append(CanceledEvent());
  EXPECT_THAT(ReadAll(*stream), ElementsAre(4));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, WatcherMissesNothingOfABuildThatIsUnderWay) {
  Start();
  constexpr int kEvents = 2000;
  grpc::ClientContext context;
  auto stream = Watch(&context);
  std::jthread writer([this] {
    for (int i = 1; i < kEvents; ++i) {
      Append(OutputEvent("line"));
    }
    Append(CanceledEvent());
  });
  std::vector<uint64_t> numbers = ReadAll(*stream);
  ASSERT_EQ(numbers.size(), static_cast<size_t>(kEvents));
  for (size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(numbers[i], i + 1);
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, WatcherResumesAfterAnEvent) {
  for (int i = 0; i < 4; ++i) {
    Append(OutputEvent("line"));
  }
  Append(CanceledEvent());
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context, 3);
  EXPECT_THAT(ReadAll(*stream), ElementsAre(4, 5));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, WatcherThatSawTheEndIsDone) {
  Append(OutputEvent("line"));
  Append(CanceledEvent());
  Start();
  for (uint64_t after : {uint64_t{2}, uint64_t{1000}}) {
    grpc::ClientContext context;
    auto stream = Watch(&context, after);
    EXPECT_THAT(ReadAll(*stream), ElementsAre());
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(CallsTest, WatcherAheadOfTheLogStillSeesTheEnd) {
  Append(OutputEvent("line"));
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context, 1000);
  Append(CanceledEvent());
  EXPECT_THAT(ReadAll(*stream), ElementsAre());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, WatcherThatDoesNotFollowEnds) {
  Append(OutputEvent("line"));
  Append(OutputEvent("line"));
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context, 0, true);
  EXPECT_THAT(ReadAll(*stream), ElementsAre(1, 2));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, WatchOfAnUnknownBuildFails) {
  behaviour_.watch = [](const v1::WatchBuildRequest&) -> absl::StatusOr<WatchPosition> {
    return NotFound("no such build");
  };
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  EXPECT_THAT(ReadAll(*stream), ElementsAre());
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CallsTest, BrokenWatcherDisturbsNobody) {
  Append(OutputEvent("1"));
  Start();
  grpc::ClientContext broken_context;
  auto broken = Watch(&broken_context);
  grpc::ClientContext context;
  auto stream = Watch(&context);
  v1::BuildEvent event;
  ASSERT_TRUE(broken->Read(&event));
  broken_context.TryCancel();
  EXPECT_THAT(FromGrpc(broken->Finish()), StatusIs(absl::StatusCode::kCancelled));
  Append(OutputEvent("2"));
  Append(CanceledEvent());
  EXPECT_THAT(ReadAll(*stream), ElementsAre(1, 2, 3));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, SlowWatcherHoldsNoEvents) {
  constexpr int kEvents = 400;
  for (int i = 0; i < kEvents; ++i) {
    Append(OutputEvent(std::string(60 * 1024, 'x')));
  }
  Append(CanceledEvent());
  behaviour_.unary = [](const v1::GetBuildRequest&, std::stop_token) {
    return absl::StatusOr<v1::BuildStatus>(v1::BuildStatus());
  };
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  v1::BuildEvent event;
  ASSERT_TRUE(stream->Read(&event));
  // A server that ran ahead would do so during these.
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext unary_context;
    v1::BuildStatus response;
    ASSERT_TRUE(build_stub_->GetBuild(&unary_context, {}, &response).ok());
  }
  EXPECT_LT(logs_->events_read(), kEvents / 2) << "more was read than fits gRPC's flow control";
  EXPECT_EQ(ReadAll(*stream).size(), static_cast<size_t>(kEvents));
  EXPECT_TRUE(stream->Finish().ok());
}

size_t Threads() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    count += task.path().empty() ? 0 : 1;
  }
  return count;
}

TEST_F(CallsTest, IdleWatchersCostNoThreads) {
  constexpr size_t kWatchers = 200;
  Append(OutputEvent("1"));
  Start();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::BuildEvent>>> streams;
  v1::BuildEvent event;
  for (size_t i = 0; i < kWatchers; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(Watch(contexts.back().get()));
    ASSERT_TRUE(streams.back()->Read(&event));
  }
  EXPECT_EQ(logs_->subscribed(), kWatchers);
  EXPECT_LT(Threads(), kWatchers / 2);
  Append(CanceledEvent());
  for (auto& stream : streams) {
    EXPECT_THAT(ReadAll(*stream), ElementsAre(2));
  }
}

TEST_F(CallsTest, StoppingEndsWatchersAndUploads) {
  Append(OutputEvent("1"));
  struct Endless : UploadHandler<v1::UploadContextRequest, v1::UploadContextResponse> {
    absl::Status Receive(v1::UploadContextRequest&, std::vector<v1::UploadContextResponse>* replies,
                         std::stop_token) override {
      replies->emplace_back();
      return absl::OkStatus();
    }
    absl::Status End(std::vector<v1::UploadContextResponse>*, std::stop_token) override {
      return absl::OkStatus();
    }
    bool Done() const override { return false; }
  };
  behaviour_.upload = [] { return std::make_unique<Endless>(); };
  Start();
  grpc::ClientContext watch_context;
  auto watch = Watch(&watch_context);
  v1::BuildEvent event;
  ASSERT_TRUE(watch->Read(&event));
  grpc::ClientContext upload_context;
  auto upload = build_stub_->UploadContext(&upload_context);
  v1::UploadContextResponse reply;
  ASSERT_TRUE(upload->Write({}));
  ASSERT_TRUE(upload->Read(&reply));

  stopping_.request_stop();
  server_->Shutdown(std::chrono::seconds(60));
  EXPECT_THAT(ReadAll(*watch), ElementsAre());
  EXPECT_THAT(FromGrpc(watch->Finish()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the daemon is stopping")));
  EXPECT_FALSE(upload->Read(&reply));
  EXPECT_THAT(FromGrpc(upload->Finish()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the daemon is stopping")));
}

// Answers each message with its data; counts what happens to it.
struct Counters {
  std::atomic<int> received = 0;
  std::atomic<int> ended = 0;
  Signal first;
  Signal dropped;
};

class Echo : public UploadHandler<v1::UploadContextRequest, v1::UploadContextResponse> {
 public:
  explicit Echo(Counters* counters) : counters_(counters) {}
  ~Echo() override { counters_->dropped.Set(); }

  absl::Status Receive(v1::UploadContextRequest& message,
                       std::vector<v1::UploadContextResponse>* replies, std::stop_token) override {
    ++counters_->received;
    counters_->first.Set();
    if (message.tar().data() == "bad") {
      return InvalidArgument("this is bad");
    }
    done_ = message.tar().data() == "last";
    replies->emplace_back().mutable_ready()->set_context_id(message.tar().data());
    return absl::OkStatus();
  }
  absl::Status End(std::vector<v1::UploadContextResponse>* replies, std::stop_token) override {
    ++counters_->ended;
    replies->emplace_back().mutable_ready()->set_context_id("end");
    return absl::OkStatus();
  }
  bool Done() const override { return done_; }

 private:
  Counters* const counters_;
  bool done_ = false;
};

class UploadTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    behaviour_.upload = [this] { return std::make_unique<Echo>(&counters_); };
  }

  static v1::UploadContextRequest Message(const std::string& data) {
    v1::UploadContextRequest request;
    request.mutable_tar()->set_data(data);
    return request;
  }

  Counters counters_;
  grpc::ClientContext context_;
};

TEST_F(UploadTest, AnswersWhileItReceivesAndEndsWhenDone) {
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  v1::UploadContextResponse reply;
  ASSERT_TRUE(stream->Write(Message("a")));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.ready().context_id(), "a");
  ASSERT_TRUE(stream->Write(Message("last")));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.ready().context_id(), "last");
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(counters_.ended, 0);
}

TEST_F(UploadTest, SendsAllRepliesBeforeItEnds) {
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  constexpr int kMessages = 500;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(stream->Write(Message(std::to_string(i))));
  }
  stream->WritesDone();
  v1::UploadContextResponse reply;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(stream->Read(&reply));
    ASSERT_EQ(reply.ready().context_id(), std::to_string(i));
  }
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.ready().context_id(), "end");
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(UploadTest, AnErrorEndsTheCall) {
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("bad")));
  v1::UploadContextResponse reply;
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(FromGrpc(stream->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, "this is bad"));
  EXPECT_TRUE(counters_.dropped.Wait());
}

TEST_F(UploadTest, AClientThatGoesAwayIsForgotten) {
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("a")));
  ASSERT_TRUE(counters_.first.Wait());
  context_.TryCancel();
  EXPECT_TRUE(counters_.dropped.Wait());
  EXPECT_EQ(counters_.ended, 0);
  stream->Finish();
}

TEST_F(UploadTest, AnIdleClientIsDropped) {
  host_.idle_limit = std::chrono::milliseconds(30);
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("a")));
  v1::UploadContextResponse reply;
  while (stream->Read(&reply)) {
  }
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(counters_.dropped.Wait());
}

TEST_F(UploadTest, AClientThatNeitherReadsNorWritesIsDropped) {
  host_.idle_limit = std::chrono::milliseconds(30);
  class Flood : public Echo {
   public:
    using Echo::Echo;
    absl::Status Receive(v1::UploadContextRequest&, std::vector<v1::UploadContextResponse>* replies,
                         std::stop_token) override {
      for (int i = 0; i < 64; ++i) {
        replies->emplace_back().mutable_ready()->set_context_id(std::string(1 << 20, 'x'));
      }
      return absl::OkStatus();
    }
  };
  behaviour_.upload = [this] { return std::make_unique<Flood>(&counters_); };
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("a")));
  EXPECT_TRUE(counters_.dropped.Wait());
  context_.TryCancel();
  stream->Finish();
}

class Collect : public UploadHandler<v1::ImportImageRequest, v1::ImportImageResponse> {
 public:
  absl::Status Receive(v1::ImportImageRequest& message, std::vector<v1::ImportImageResponse>*,
                       std::stop_token) override {
    data_ += message.data();
    return absl::OkStatus();
  }
  absl::Status End(std::vector<v1::ImportImageResponse>* replies, std::stop_token) override {
    replies->emplace_back().add_images()->set_reference(data_);
    return absl::OkStatus();
  }
  bool Done() const override { return false; }

 private:
  std::string data_;
};

TEST_F(CallsTest, UploadsWithOneAnswer) {
  behaviour_.import = [] { return std::make_unique<Collect>(); };
  Start();
  grpc::ClientContext context;
  v1::ImportImageResponse response;
  auto stream = image_stub_->ImportImage(&context, &response);
  v1::ImportImageRequest message;
  for (const char* piece : {"a", "b", "c"}) {
    message.set_data(piece);
    ASSERT_TRUE(stream->Write(message));
  }
  stream->WritesDone();
  ASSERT_TRUE(stream->Finish().ok());
  ASSERT_EQ(response.images_size(), 1);
  EXPECT_EQ(response.images(0).reference(), "abc");
}

TEST_F(CallsTest, DownloadsArriveInOrder) {
  behaviour_.producer = [](const std::function<absl::Status(v1::ExportImageResponse)>& write,
                           std::stop_token) -> absl::Status {
    for (int i = 0; i < 300; ++i) {
      v1::ExportImageResponse message;
      message.set_data(std::to_string(i));
      if (absl::Status status = write(std::move(message)); !status.ok()) {
        return status;
      }
    }
    return DataLoss("the rest is gone");
  };
  Start();
  grpc::ClientContext context;
  auto stream = image_stub_->ExportImage(&context, {});
  v1::ExportImageResponse message;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(stream->Read(&message));
    ASSERT_EQ(message.data(), std::to_string(i));
  }
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_THAT(FromGrpc(stream->Finish()),
              StatusIs(absl::StatusCode::kDataLoss, "the rest is gone"));
}

class DownloadTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    behaviour_.producer = [this](const std::function<absl::Status(v1::ExportImageResponse)>& write,
                                 std::stop_token stop) {
      v1::ExportImageResponse message;
      message.set_data(std::string(1 << 20, 'x'));
      absl::Status status;
      while (status.ok()) {
        status = write(message);
      }
      stopped_ = stop.stop_requested();
      over_.Set();
      return status;
    };
  }

  std::atomic<bool> stopped_ = false;
  Signal over_;
};

TEST_F(DownloadTest, EndsWithItsClient) {
  Start();
  grpc::ClientContext context;
  auto stream = image_stub_->ExportImage(&context, {});
  v1::ExportImageResponse message;
  ASSERT_TRUE(stream->Read(&message));
  context.TryCancel();
  EXPECT_TRUE(over_.Wait());
  stream->Finish();
}

TEST_F(DownloadTest, EndsWhereTheClientDoesNotRead) {
  host_.idle_limit = std::chrono::milliseconds(30);
  Start();
  grpc::ClientContext context;
  auto stream = image_stub_->ExportImage(&context, {});
  EXPECT_TRUE(over_.Wait());
  context.TryCancel();
  stream->Finish();
}

TEST_F(DownloadTest, ShutdownDoesNotWaitForIt) {
  Start();
  grpc::ClientContext context;
  auto stream = image_stub_->ExportImage(&context, {});
  v1::ExportImageResponse message;
  ASSERT_TRUE(stream->Read(&message));
  server_->Shutdown(std::chrono::milliseconds(10));
  EXPECT_TRUE(over_.Wait());
  while (stream->Read(&message)) {
  }
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace zlayer
