// Unary calls and event streams over a real connection.
#include <gmock/gmock.h>

#include "daemon/service/calls_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(CallsTest, WatcherOfABuildThatIsNotThereEnds) {
  behaviour_.watch = [](const v1::WatchBuildRequest& request) -> absl::StatusOr<WatchPosition> {
    return WatchPosition{request.build_id(), 0, true, [] { return NotFound("no such build"); }};
  };
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  EXPECT_THAT(ReadAll(*stream), ElementsAre());
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kNotFound));
}

// The build is deleted after the watcher found it and before it read anything.
TEST_F(CallsTest, WatcherOfABuildThatIsDeletedEnds) {
  Append(OutputEvent("1"));
  Append(CanceledEvent());
  behaviour_.watch = [this](const v1::WatchBuildRequest& request) -> absl::StatusOr<WatchPosition> {
    return WatchPosition{request.build_id(), 0, true, [this] { return logs_->Remove("b"); }};
  };
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  EXPECT_THAT(ReadAll(*stream), ElementsAre());
  EXPECT_THAT(FromGrpc(stream->Finish()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("deleted")));
}

TEST_F(CallsTest, WatcherThatReplaysADeletedBuildReadsItToTheEnd) {
  constexpr uint64_t kEvents = 400;
  for (uint64_t i = 1; i < kEvents; ++i) {
    Append(OutputEvent(std::string(60 * 1024, 'x')));
  }
  Append(CanceledEvent());
  Start();
  grpc::ClientContext context;
  auto stream = Watch(&context);
  v1::BuildEvent event;
  ASSERT_TRUE(stream->Read(&event));
  ASSERT_OK(logs_->Remove("b"));
  EXPECT_EQ(ReadAll(*stream).size(), kEvents - 1);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(CallsTest, RequestsAboveTheLimitsNeverReachTheirHandlers) {
  bool called = false;
  behaviour_.unary = [&](const v1::GetBuildRequest&,
                         std::stop_token) -> absl::StatusOr<v1::BuildStatus> {
    called = true;
    return v1::BuildStatus();
  };
  Start();
  grpc::ClientContext context;
  v1::GetBuildRequest request;
  request.set_build_id(std::string(1 << 20, 'x'));
  v1::BuildStatus response;
  EXPECT_THAT(FromGrpc(build_stub_->GetBuild(&context, request, &response)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("build_id: ")));
  EXPECT_FALSE(called);
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

}  // namespace
}  // namespace zlayer
