#include "client/lib/build_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "client/lib/fake_daemon.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::BuildEvent Event(uint64_t sequence) {
  v1::BuildEvent event;
  event.set_build_id("b1");
  event.set_sequence(sequence);
  event.mutable_output()->set_data("line");
  return event;
}

v1::BuildEvent Complete(uint64_t sequence) {
  v1::BuildEvent event = Event(sequence);
  event.mutable_build_complete()->set_image_id("sha256:1");
  return event;
}

class BuildFollowerTest : public FakeDaemonTest {
 protected:
  void SetUp() override {
    FakeDaemonTest::SetUp();
    options_.first_delay = std::chrono::milliseconds(1);
    options_.give_up_after = std::chrono::milliseconds(20'000);
  }

  absl::StatusOr<v1::BuildEvent> Submit() {
    return SubmitAndFollow(*connection_, request_, Record(), options_, stop_.get_token());
  }
  EventHandler Record() {
    return [this](const v1::BuildEvent& event) { seen_.push_back(event.sequence()); };
  }

  FollowOptions options_;
  v1::SubmitBuildRequest request_;
  std::vector<uint64_t> seen_;
};

TEST_F(BuildFollowerTest, GivesEveryEventAndReturnsTheLast) {
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    for (uint64_t i = 1; i <= 3; ++i) {
      writer->Write(Event(i));
    }
    writer->Write(Complete(4));
    return grpc::Status::OK;
  };
  StartDaemon();
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, Submit());
  EXPECT_EQ(last.build_complete().image_id(), "sha256:1");
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4));
}

TEST_F(BuildFollowerTest, ResumesAfterTheLastEventOfABrokenStream) {
  std::vector<uint64_t> resumed;
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    writer->Write(Event(2));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  service_.watch = [&resumed](const v1::WatchBuildRequest& request,
                              FakeBuildService::EventWriter* writer) {
    EXPECT_EQ(request.build_id(), "b1");
    resumed.push_back(request.after_sequence());
    if (resumed.size() == 1) {
      writer->Write(Event(2));  // again: must not be shown twice
      writer->Write(Event(3));
      return grpc::Status::OK;  // without a terminal event
    }
    writer->Write(Complete(4));
    return grpc::Status::OK;
  };
  StartDaemon();
  ASSERT_OK(Submit());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(resumed, ElementsAre(2, 3));
}

TEST_F(BuildFollowerTest, SurvivesARestartOfTheDaemon) {
  std::atomic<bool> first_seen = false;
  std::atomic<bool> down = false;
  service_.build = [&](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    down.wait(false);
    return grpc::Status(grpc::StatusCode::CANCELLED, "stopped");
  };
  service_.watch = [](const v1::WatchBuildRequest& request, FakeBuildService::EventWriter* writer) {
    writer->Write(Complete(request.after_sequence() + 1));
    return grpc::Status::OK;
  };
  StartDaemon();
  std::jthread restarter([&] {
    first_seen.wait(false);
    down = true;
    down.notify_all();
    StopDaemon();
    StartDaemon();
  });
  auto last = SubmitAndFollow(
      *connection_, request_,
      [&](const v1::BuildEvent& event) {
        seen_.push_back(event.sequence());
        first_seen = true;
        first_seen.notify_all();
      },
      options_, stop_.get_token());
  restarter.join();
  ASSERT_OK(last);
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(BuildFollowerTest, EventsOutsideTheLogComeBetweenTheOthers) {
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    writer->Write(Event(0));
    writer->Write(Event(0));
    writer->Write(Complete(2));
    return grpc::Status::OK;
  };
  StartDaemon();
  ASSERT_OK(Submit());
  EXPECT_THAT(seen_, ElementsAre(1, 0, 0, 2));
}

TEST_F(BuildFollowerTest, TellsWhyItTriesAgain) {
  std::vector<std::string> reasons;
  options_.lost = [&](const absl::Status& status) { reasons.emplace_back(Message(status)); };
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  service_.watch = [](const v1::WatchBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Complete(2));
    return grpc::Status::OK;
  };
  StartDaemon();
  ASSERT_OK(Submit());
  EXPECT_THAT(reasons, ElementsAre(HasSubstr("going down")));
}

TEST_F(BuildFollowerTest, GivesUpInTheEnd) {
  options_.give_up_after = std::chrono::milliseconds(20);
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  service_.watch = [](const v1::WatchBuildRequest&, FakeBuildService::EventWriter*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "still down");
  };
  StartDaemon();
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("build b1 goes on without this client")));
}

TEST_F(BuildFollowerTest, ARefusalIsReturnedWithItsDetail) {
  service_.build = [](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter*) {
    v1::ErrorDetail detail;
    detail.set_reason("SYNTAX");
    return ToGrpc(WithDetail(absl::InvalidArgumentError("Dockerfile:1: no"), detail));
  };
  StartDaemon();
  auto result = Submit();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument, "Dockerfile:1: no"));
  EXPECT_EQ(DetailOf(result.status()).reason(), "SYNTAX");
}

TEST_F(BuildFollowerTest, ADaemonThatDrainsIsNotAskedAgain) {
  request_.set_idempotency_key("key");
  int calls = 0;
  service_.build = [&calls](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter*) {
    ++calls;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the daemon is shutting down");
  };
  StartDaemon();
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kUnavailable, "the daemon is shutting down"));
  EXPECT_EQ(calls, 1);
}

TEST_F(BuildFollowerTest, WithoutADaemonItFailsAtOnce) {
  EXPECT_THAT(Submit(),
              StatusIs(absl::StatusCode::kUnavailable, "no daemon answers at " + address_ +
                                                           ": start zlayerd, or name another "
                                                           "with --address"));
}

TEST_F(BuildFollowerTest, AStopEndsTheWatching) {
  service_.build = [this](const v1::SubmitBuildRequest&, FakeBuildService::EventWriter* writer) {
    writer->Write(Event(1));
    stop_.request_stop();
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
  };
  StartDaemon();
  EXPECT_THAT(Submit(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(BuildFollowerTest, NoFollowEndsBeforeTheBuild) {
  service_.watch = [](const v1::WatchBuildRequest& request, FakeBuildService::EventWriter* writer) {
    EXPECT_TRUE(request.no_follow());
    writer->Write(Event(1));
    return grpc::Status::OK;
  };
  StartDaemon();
  v1::WatchBuildRequest request;
  request.set_build_id("b1");
  request.set_no_follow(true);
  ASSERT_OK_AND_ASSIGN(auto terminal,
                       FollowBuild(*connection_, request, Record(), options_, stop_.get_token()));
  EXPECT_FALSE(terminal.has_value());
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(BuildFollowerTest, AnUnknownBuildIsAnError) {
  service_.watch = [](const v1::WatchBuildRequest&, FakeBuildService::EventWriter*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "build \"x\" is not known");
  };
  StartDaemon();
  v1::WatchBuildRequest request;
  request.set_build_id("x");
  EXPECT_THAT(FollowBuild(*connection_, request, Record(), options_, stop_.get_token()),
              StatusIs(absl::StatusCode::kNotFound, "build \"x\" is not known"));
}

TEST(OutcomeTest, AFailedBuildIsOneWhateverItsCode) {
  v1::BuildEvent event;
  event.mutable_build_failed()->set_error("Dockerfile:3: it failed");
  event.mutable_build_failed()->set_code(14);
  event.mutable_build_failed()->mutable_detail()->set_exit_code(7);
  absl::Status status = OutcomeOf(event);
  EXPECT_EQ(status.message(), "Dockerfile:3: it failed");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(status).exit_code(), 7);
}

TEST(OutcomeTest, ACanceledBuildIsNamed) {
  v1::BuildEvent event;
  event.set_build_id("b1");
  event.mutable_build_canceled();
  EXPECT_EQ(OutcomeOf(event).message(), "build b1 was canceled");
  event.mutable_build_canceled()->set_reason("too old");
  EXPECT_EQ(OutcomeOf(event).message(), "build b1 was canceled: too old");
  event.mutable_build_complete();
  EXPECT_OK(OutcomeOf(event));
}

}  // namespace
}  // namespace zlayer
