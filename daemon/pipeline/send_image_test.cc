#include "daemon/pipeline/send_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

// Fails with what it is told, in order, then succeeds.
class FakePusher : public Pusher {
 public:
  absl::StatusOr<PushResult> Push(const PushRequest& request, const ProgressSink&,
                                  std::stop_token) override {
    requests.push_back(request);
    if (requests.size() <= errors.size()) {
      return errors[requests.size() - 1];
    }
    PushResult result;
    result.manifest = Digest::Of("sent");
    return result;
  }
  absl::StatusOr<PushResult> Copy(const CopyRequest&, const ProgressSink&,
                                  std::stop_token) override {
    return Internal("nothing is copied here");
  }

  std::vector<absl::Status> errors;
  std::vector<PushRequest> requests;
};

class SendImageTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Send(std::stop_token stop = {}) {
    ImageToSend image{"ns", "sha256:abc", {}};
    image.spec.add_tags("local");
    image.spec.add_tags("registry.example/web:1");
    image.spec.add_tags("localhost/web");
    image.spec.add_tags("me/web");
    return MakeImageSender(&pusher_, &uses_, {std::chrono::nanoseconds(1), pause_})(
        image, std::move(stop));
  }

  FakePusher pusher_;
  Uses uses_;
  std::chrono::nanoseconds pause_{1};
};

TEST_F(SendImageTest, WhatWasBuiltGoesToTheTagsThatNameARegistry) {
  ASSERT_OK_AND_ASSIGN(const std::string digest, Send());
  EXPECT_EQ(digest, Digest::Of("sent").ToString());
  ASSERT_EQ(pusher_.requests.size(), 1u);
  EXPECT_EQ(pusher_.requests[0].reference, "sha256:abc");
  EXPECT_EQ(pusher_.requests[0].name_space, "ns");
  EXPECT_THAT(pusher_.requests[0].destinations,
              ElementsAre("registry.example/web:1", "localhost/web"));
}

TEST_F(SendImageTest, ARegistryThatDoesNotAnswerIsTriedAgain) {
  pusher_.errors = {Unavailable("gone"), Unavailable("gone")};
  EXPECT_OK(Send());
  EXPECT_EQ(pusher_.requests.size(), 3u);
}

TEST_F(SendImageTest, InTheEndItFails) {
  pusher_.errors.assign(9, Unavailable("gone"));
  EXPECT_THAT(Send(), StatusIs(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_EQ(pusher_.requests.size(), 3u);
}

TEST_F(SendImageTest, ARefusalIsOneAtOnce) {
  pusher_.errors = {absl::PermissionDeniedError("no")};
  EXPECT_THAT(Send(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(pusher_.requests.size(), 1u);
}

TEST_F(SendImageTest, APauseEndsWithTheStop) {
  pusher_.errors.assign(9, Unavailable("gone"));
  pause_ = std::chrono::hours(1);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Send(stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
