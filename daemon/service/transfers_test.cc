// Uploads and downloads over a real connection.
#include <gmock/gmock.h>

#include "daemon/service/calls_fixture.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

// Answers each message with its data; counts what happens to it.
struct Counters {
  std::atomic<int> received = 0;
  std::atomic<int> ended = 0;
  Signal first;
  Signal dropped;
};

class Echo : public UploadHandler<v1::UploadContextRequest, v1::UploadContextResponse> {
 public:
  explicit Echo(std::shared_ptr<Counters> counters) : counters_(std::move(counters)) {}
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
  const std::shared_ptr<Counters> counters_;
  bool done_ = false;
};

class UploadTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    behaviour_.upload = [this] { return std::make_unique<Echo>(counters_); };
  }

  static v1::UploadContextRequest Message(const std::string& data) {
    v1::UploadContextRequest request;
    request.mutable_tar()->set_data(data);
    return request;
  }

  // The daemon drops handlers after the calls that they served, maybe after the test.
  const std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
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
  EXPECT_EQ(counters_->ended, 0);
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
  EXPECT_TRUE(counters_->dropped.Wait());
}

TEST_F(UploadTest, MessagesHaveTheirLimits) {
  host_.max_messages = 2;
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  v1::UploadContextResponse reply;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(stream->Write(Message("a")));
    ASSERT_TRUE(stream->Read(&reply));
  }
  ASSERT_TRUE(stream->Write(Message("a")));
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kResourceExhausted));

  grpc::ClientContext other;
  auto large = build_stub_->UploadContext(&other);
  large->Write(Message(std::string((3 << 20) + 1, 'x')));
  EXPECT_FALSE(large->Read(&reply));
  EXPECT_THAT(FromGrpc(large->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tar.data: ")));
  EXPECT_EQ(counters_->received, 2);
}

TEST_F(UploadTest, AClientThatGoesAwayIsForgotten) {
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("a")));
  ASSERT_TRUE(counters_->first.Wait());
  context_.TryCancel();
  EXPECT_TRUE(counters_->dropped.Wait());
  EXPECT_EQ(counters_->ended, 0);
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
  EXPECT_TRUE(counters_->dropped.Wait());
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
  behaviour_.upload = [this] { return std::make_unique<Flood>(counters_); };
  Start();
  auto stream = build_stub_->UploadContext(&context_);
  ASSERT_TRUE(stream->Write(Message("a")));
  EXPECT_TRUE(counters_->dropped.Wait());
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
