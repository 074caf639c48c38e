#include "client/lib/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/files.h"
#include "client/lib/fake_daemon.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientTest : public FakeDaemonTest {
 protected:
  void SetUp() override {
    FakeDaemonTest::SetUp();
    setenv("XDG_CACHE_HOME", directory_.path().c_str(), 1);
    ASSERT_OK_AND_ASSIGN(client_, Client::Open({.address = address_, .name_space = "team"}));
    StartDaemon();
  }

  std::unique_ptr<Client> client_;
};

v1::BuildEvent Event(uint64_t sequence) {
  v1::BuildEvent event;
  event.set_build_id("b1");
  event.set_sequence(sequence);
  return event;
}

TEST_F(ClientTest, SendsADirectoryAsTheBuildContext) {
  const std::string context = directory_.path() + "/context";
  ASSERT_OK(MakeDirectories(context));
  ASSERT_OK(WriteFileAtomically(context + "/kept", "content"));
  ASSERT_OK(WriteFileAtomically(context + "/ignored", "content"));
  ASSERT_OK(WriteFileAtomically(context + "/.dockerignore", "ignored\n"));
  std::vector<std::string> paths;
  std::string name_space;
  std::string dockerfile;
  service_.upload = [&](FakeBuildService::Upload* stream) {
    v1::UploadContextRequest message;
    while (stream->Read(&message)) {
      if (message.has_start()) {
        name_space = message.start().namespace_();
        dockerfile = message.start().spec().dockerfile();
      }
      for (const v1::ContextEntry& entry : message.entries().entries()) {
        paths.push_back(entry.path());
      }
      if (message.entries().last()) {
        break;
      }
    }
    v1::UploadContextResponse answer;
    answer.mutable_wanted()->set_last(true);
    stream->Write(answer);
    answer.mutable_ready()->set_context_id("c1");
    stream->Write(answer);
    return grpc::Status::OK;
  };
  v1::BuildSpec spec;
  spec.set_dockerfile("D");
  ASSERT_OK(client_->SendDirectory(context, &spec));
  EXPECT_THAT(paths, ElementsAre(".dockerignore", "kept"));
  EXPECT_EQ(name_space, "team");
  EXPECT_EQ(dockerfile, "D");
  EXPECT_EQ(spec.contexts().at("").uploaded(), "c1");
}

TEST_F(ClientTest, BuildsAndReturnsTheImage) {
  v1::SubmitBuildRequest seen;
  service_.build = [&](const v1::SubmitBuildRequest& request, FakeBuildService::EventWriter* out) {
    seen = request;
    v1::BuildEvent event = Event(1);
    event.mutable_build_queued();
    out->Write(event);
    event = Event(2);
    event.mutable_build_complete()->set_image_id("sha256:01");
    out->Write(event);
    return grpc::Status::OK;
  };
  std::vector<uint64_t> sequences;
  ASSERT_OK_AND_ASSIGN(v1::BuildComplete image,
                       client_->Build({}, [&](const v1::BuildEvent& event) {
                         sequences.push_back(event.sequence());
                       }));
  EXPECT_EQ(image.image_id(), "sha256:01");
  EXPECT_THAT(sequences, ElementsAre(1, 2));
  EXPECT_EQ(seen.namespace_(), "team");
  EXPECT_FALSE(seen.idempotency_key().empty());
}

TEST_F(ClientTest, AFailedBuildIsAnError) {
  uint64_t after = 0;
  service_.watch = [&](const v1::WatchBuildRequest& request, FakeBuildService::EventWriter* out) {
    after = request.after_sequence();
    v1::BuildEvent event = Event(8);
    event.mutable_build_failed()->set_error("Dockerfile:3: it failed");
    out->Write(event);
    return grpc::Status::OK;
  };
  EXPECT_THAT(client_->Watch("b1", 7, [](const v1::BuildEvent&) {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("Dockerfile:3")));
  EXPECT_EQ(after, 7u);
}

TEST_F(ClientTest, AsksForBuilds) {
  service_.get = [](const v1::GetBuildRequest& request, v1::BuildStatus* build) {
    build->set_title("title of " + request.build_id());
    return grpc::Status::OK;
  };
  service_.cancel = [](const v1::CancelBuildRequest&, v1::BuildStatus*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "build \"b2\" is not known");
  };
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus build, client_->Get("b1"));
  EXPECT_EQ(build.title(), "title of b1");
  EXPECT_THAT(client_->Cancel("b2"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("b2")));
  EXPECT_THAT(client_->Submit({}), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_F(ClientTest, SaysThatNoDaemonIsThere) {
  StopDaemon();
  EXPECT_THAT(client_->Get("b1"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address_)));
  EXPECT_THAT(Client::Open({.address = "tcp:80"}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
