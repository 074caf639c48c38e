#include "daemon/pipeline/pipeline_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/errors.h"
#include "base/mutex.h"
#include "daemon/queue/scheduler_fixture.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// Sends each image at once unless told otherwise.
class FakeSender {
 public:
  ImageSender Get() {
    return [this](const ImageToSend& image, std::stop_token stop) { return Send(image, stop); };
  }
  void Fail(const std::string& tag, const absl::Status& status) {
    MutexLock lock(&mutex_);
    errors_[tag] = status;
  }
  void Hold() {
    MutexLock lock(&mutex_);
    held_ = true;
  }
  void AwaitBegun() {
    MutexLock lock(&mutex_);
    changed_.Wait(&mutex_, {}, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !sent_.empty(); });
  }
  void Release() {
    MutexLock lock(&mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  std::vector<std::string> sent() {
    MutexLock lock(&mutex_);
    return sent_;
  }
  std::vector<std::string> passwords() {
    MutexLock lock(&mutex_);
    return passwords_;
  }

 private:
  absl::StatusOr<std::string> Send(const ImageToSend& image, const std::stop_token& stop) {
    MutexLock lock(&mutex_);
    sent_.push_back(image.spec.tags(0));
    for (const v1::RegistryCredential& credential : image.spec.registry_credentials()) {
      passwords_.push_back(credential.password());
    }
    changed_.NotifyAll();
    changed_.Wait(&mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !held_; });
    if (stop.stop_requested()) {
      return Cancelled("stopped");
    }
    if (auto error = errors_.find(image.spec.tags(0)); error != errors_.end()) {
      return error->second;
    }
    return "sha256:sent";
  }

  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> sent_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> passwords_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
};

class PipelineRunnerTest : public SchedulerTest {
 protected:
  void SetUp() override {
    SchedulerTest::SetUp();
    ASSERT_OK_AND_ASSIGN(store_, PipelineStore::Open(database_.get(), SystemClock()));
  }
  void TearDown() override {
    pipelines_.reset();
    SchedulerTest::TearDown();
  }

  // As a start of the daemon, after its death or before anything.
  void StartAll() {
    pipelines_.reset();
    Start();
    StartPipelines();
  }
  void StartPipelines() {
    pipelines_ = StartPipelineRunner({.store = store_.get(),
                                      .queue = queue_.get(),
                                      .scheduler = scheduler_.get(),
                                      .send = sender_.Get(),
                                      .draining = draining_.get_token(),
                                      .retry_delay = std::chrono::milliseconds(1)});
  }

  // "a", "b: a" (b depends on a), ...; each image has its name as its tag.
  static v1::SubmitPipelineRequest PipelineOf(const std::vector<std::string>& images) {
    v1::SubmitPipelineRequest request;
    for (const std::string& text : images) {
      v1::PipelineImage& image = *request.mutable_spec()->add_images();
      const size_t colon = std::min(text.find(": "), text.size());
      image.set_name(text.substr(0, colon));
      if (colon < text.size()) {
        image.add_depends_on(text.substr(colon + 2));
      }
      image.mutable_spec()->add_tags(image.name());
    }
    return request;
  }
  std::string SubmitPipeline(const v1::SubmitPipelineRequest& request) {
    return std::move(pipelines_->Submit(request)).value();
  }
  v1::PipelineStatus GetPipeline(const std::string& id) {
    return std::move(store_->Get(id)).value();
  }
  v1::PipelineStatus AwaitPipeline(const std::string& id) {
    while (true) {
      v1::PipelineStatus status = GetPipeline(id);
      if (status.has_ended()) {
        return status;
      }
      std::this_thread::yield();
    }
  }
  void AwaitState(const std::string& id, int image, v1::PipelineImageState state) {
    while (GetPipeline(id).images(image).state() != state) {
      std::this_thread::yield();
    }
  }

  // "name STATE" of each image, with what else is known.
  static std::vector<std::string> States(const v1::PipelineStatus& status) {
    std::vector<std::string> states;
    for (const v1::PipelineImageStatus& image : status.images()) {
      std::string text =
          image.name() + " " +
          v1::PipelineImageState_Name(image.state()).substr(strlen("PIPELINE_IMAGE_"));
      text += image.reason().empty() ? "" : ": " + image.reason();
      text += image.has_failure() ? ": " + image.failure().error() : "";
      states.push_back(text);
    }
    return states;
  }
  // The numbers of all events, and how many say the end.
  void ExpectWholeHistory(const std::string& id) {
    int ends = 0;
    uint64_t sequence = 0;
    while (true) {
      ASSERT_OK_AND_ASSIGN(std::optional<v1::PipelineEvent> event, store_->NextEvent(id, sequence));
      if (!event.has_value()) {
        break;
      }
      EXPECT_EQ(event->sequence(), sequence + 1);
      EXPECT_EQ(event->has_started(), sequence == 0);
      EXPECT_EQ(ends, 0);
      ends += event->has_ended() ? 1 : 0;
      ++sequence;
    }
    EXPECT_EQ(ends, 1);
  }

  std::unique_ptr<PipelineStore> store_;
  FakeSender sender_;
  std::stop_source draining_;
  std::unique_ptr<PipelineRunner> pipelines_;
};

TEST_F(PipelineRunnerTest, ImagesAreBuiltInTheirOrder) {
  StartAll();
  const std::string id = SubmitPipeline(PipelineOf({"c: b", "b: a", "a"}));
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_THAT(States(status), ElementsAre("c BUILT", "b BUILT", "a BUILT"));
  EXPECT_THAT(runner_.started(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(status.images(0).result().image_id(), "image of c");
  EXPECT_EQ(Get(status.images(0).build_id()).state(), v1::SUCCEEDED);
  ExpectWholeHistory(id);
}

TEST_F(PipelineRunnerTest, NoMoreRunAtOnceThanAreAllowed) {
  StartAll();
  v1::SubmitPipelineRequest request = PipelineOf({"a", "b", "c", "d"});
  request.mutable_spec()->set_max_parallel(1);
  EXPECT_EQ(AwaitPipeline(SubmitPipeline(request)).state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_EQ(runner_.most_at_once(), 1);
  EXPECT_THAT(runner_.started(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(PipelineRunnerTest, TheFirstFailureEndsItOnceWhatRunsHasEnded) {
  StartAll();
  runner_.Hold("slow");
  runner_.Hold("bad");
  runner_.Fail("bad", Internal("it broke"));
  const std::string id = SubmitPipeline(PipelineOf({"bad", "slow", "after: bad", "then: slow"}));
  runner_.AwaitStarted(2);
  runner_.Release("bad");
  AwaitState(id, 3, v1::PIPELINE_IMAGE_SKIPPED);
  EXPECT_FALSE(GetPipeline(id).has_ended());
  runner_.Release("slow");
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_FAILED);
  EXPECT_THAT(States(status), ElementsAre("bad FAILED: it broke", "slow BUILT",
                                          "after SKIPPED: it needs \"bad\", which failed",
                                          "then SKIPPED: \"bad\" failed before"));
  ExpectWholeHistory(id);
}

TEST_F(PipelineRunnerTest, WhatOnlyWaitsInTheQueueIsTakenBackAfterAFailure) {
  options_.max_running = 1;
  StartAll();
  runner_.Hold("bad");
  runner_.Fail("bad", Internal("it broke"));
  const std::string id = SubmitPipeline(PipelineOf({"bad", "queued"}));
  AwaitState(id, 1, v1::PIPELINE_IMAGE_BUILDING);
  runner_.AwaitStarted(1);
  // Ahead of "queued", so that this cannot start before it is taken back.
  runner_.Hold("other");
  Submit(Request("other", /*priority=*/1));
  runner_.Release("bad");
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_THAT(States(status),
              ElementsAre("bad FAILED: it broke", "queued SKIPPED: \"bad\" failed before"));
  EXPECT_EQ(Get(status.images(1).build_id()).state(), v1::CANCELED);
  runner_.Release("other");
}

TEST_F(PipelineRunnerTest, KeepGoingBuildsWhatCanBeBuilt) {
  StartAll();
  runner_.Fail("bad", Internal("it broke"));
  v1::SubmitPipelineRequest request =
      PipelineOf({"bad", "after: bad", "last: after", "good", "more: good"});
  request.mutable_spec()->set_keep_going(true);
  const v1::PipelineStatus status = AwaitPipeline(SubmitPipeline(request));
  EXPECT_EQ(status.state(), v1::PIPELINE_FAILED);
  EXPECT_THAT(
      States(status),
      ElementsAre("bad FAILED: it broke", "after SKIPPED: it needs \"bad\", which failed",
                  "last SKIPPED: it needs \"bad\", which failed", "good BUILT", "more BUILT"));
}

TEST_F(PipelineRunnerTest, CancelingCancelsItsBuilds) {
  options_.max_running = 1;
  StartAll();
  runner_.Hold("a");
  const std::string id = SubmitPipeline(PipelineOf({"a", "b", "c: a"}));
  AwaitState(id, 1, v1::PIPELINE_IMAGE_BUILDING);
  runner_.AwaitStarted(1);
  ASSERT_OK(pipelines_->Cancel(id));
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_CANCELED);
  EXPECT_THAT(States(status),
              ElementsAre("a CANCELED", "b CANCELED", "c SKIPPED: the pipeline was canceled"));
  EXPECT_EQ(Get(status.images(0).build_id()).state(), v1::CANCELED);
  ExpectWholeHistory(id);
  // Of what has ended it does nothing.
  ASSERT_OK_AND_ASSIGN(const v1::PipelineStatus again, pipelines_->Cancel(id));
  EXPECT_EQ(again.state(), v1::PIPELINE_CANCELED);
  EXPECT_THAT(pipelines_->Cancel("p-nothing"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(PipelineRunnerTest, ItGoesOnAfterADeath) {
  StartAll();
  runner_.Hold("b");
  const std::string id = SubmitPipeline(PipelineOf({"a", "b: a", "c: b"}));
  runner_.AwaitStarted(2);
  AwaitState(id, 1, v1::PIPELINE_IMAGE_BUILDING);
  // The runner stops first, so that nobody hears of what the scheduler does at its end.
  pipelines_.reset();
  DrainAtOnce();
  runner_.Release("b");
  StartAll();
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_THAT(runner_.started(), ElementsAre("a", "b", "b", "c"));
  ExpectWholeHistory(id);
}

TEST_F(PipelineRunnerTest, ABuildThatEndedMeanwhileIsTakenOver) {
  StartAll();
  runner_.Hold("a");
  const std::string id = SubmitPipeline(PipelineOf({"a", "b: a"}));
  runner_.AwaitStarted(1);
  AwaitState(id, 0, v1::PIPELINE_IMAGE_BUILDING);
  const std::string build = GetPipeline(id).images(0).build_id();
  pipelines_.reset();
  runner_.Release("a");
  AwaitEnd(build);
  StartPipelines();
  EXPECT_EQ(AwaitPipeline(id).state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_THAT(runner_.started(), ElementsAre("a", "b"));
}

// Of a daemon that died after it had submitted a build, and before a row of the pipeline said so.
TEST_F(PipelineRunnerTest, ABuildWhoseSubmissionNobodyRemembersIsNotMadeTwice) {
  StartAll();
  pipelines_.reset();
  v1::SubmitPipelineRequest request = PipelineOf({"a"});
  const std::string id = std::move(store_->Submit(request)).value().id;
  v1::SubmitBuildRequest build;
  build.set_namespace_("default");
  build.set_idempotency_key("pipeline " + id + " a");
  *build.mutable_spec() = request.spec().images(0).spec();
  const std::string build_id = Submit(build);
  AwaitEnd(build_id);
  StartPipelines();
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.images(0).build_id(), build_id);
  EXPECT_THAT(runner_.started(), ElementsAre("a"));
}

TEST_F(PipelineRunnerTest, ABuildThatIsNotKnownAnyMoreIsMadeAgain) {
  StartAll();
  runner_.Hold("a");
  const std::string id = SubmitPipeline(PipelineOf({"a"}));
  runner_.AwaitStarted(1);
  AwaitState(id, 0, v1::PIPELINE_IMAGE_BUILDING);
  const std::string build = GetPipeline(id).images(0).build_id();
  pipelines_.reset();
  runner_.Release("a");
  AwaitEnd(build);
  ASSERT_OK(queue_->Delete(build));
  StartPipelines();
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_NE(status.images(0).build_id(), build);
}

TEST_F(PipelineRunnerTest, ACancelThatADeathInterruptedIsDone) {
  StartAll();
  runner_.Hold("a");
  const std::string id = SubmitPipeline(PipelineOf({"a", "b: a"}));
  runner_.AwaitStarted(1);
  AwaitState(id, 0, v1::PIPELINE_IMAGE_BUILDING);
  pipelines_.reset();
  ASSERT_OK(store_->RequestCancel(id));
  StartPipelines();
  EXPECT_EQ(AwaitPipeline(id).state(), v1::PIPELINE_CANCELED);
}

TEST_F(PipelineRunnerTest, WhatNeedsSecretsFailsAfterARestart) {
  StartAll();
  runner_.Hold("a");
  v1::SubmitPipelineRequest request = PipelineOf({"a", "b: a", "c: a"});
  request.mutable_spec()->set_keep_going(true);
  request.mutable_spec()
      ->mutable_images(1)
      ->mutable_spec()
      ->add_registry_credentials()
      ->set_password("x");
  const std::string id = SubmitPipeline(request);
  runner_.AwaitStarted(1);
  AwaitState(id, 0, v1::PIPELINE_IMAGE_BUILDING);
  pipelines_.reset();
  runner_.Release("a");
  StartPipelines();
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.images(1).state(), v1::PIPELINE_IMAGE_FAILED);
  EXPECT_EQ(status.images(1).failure().detail().reason(), "SECRETS_LOST");
  EXPECT_EQ(status.images(2).state(), v1::PIPELINE_IMAGE_BUILT);
}

v1::SubmitPipelineRequest ToSend(v1::SubmitPipelineRequest request) {
  request.mutable_spec()->set_push(true);
  for (v1::PipelineImage& image : *request.mutable_spec()->mutable_images()) {
    image.mutable_spec()->set_tags(0, "registry.example/" + image.name());
  }
  return request;
}

TEST_F(PipelineRunnerTest, ImagesAreSentOnceAllAreBuilt) {
  StartAll();
  v1::SubmitPipelineRequest request = ToSend(PipelineOf({"a", "b: a"}));
  v1::RegistryCredential& login =
      *request.mutable_spec()->mutable_images(0)->mutable_spec()->add_registry_credentials();
  login.set_registry("registry.example");
  login.set_password("pass");
  request.mutable_spec()->mutable_images(1)->mutable_spec()->set_tags(0, "local");
  const v1::PipelineStatus status = AwaitPipeline(SubmitPipeline(request));
  EXPECT_EQ(status.state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_THAT(States(status), ElementsAre("a PUSHED", "b BUILT"));
  EXPECT_EQ(status.images(0).result().manifest_digest(), "sha256:sent");
  EXPECT_THAT(sender_.sent(), ElementsAre("registry.example/a"));
  EXPECT_THAT(sender_.passwords(), ElementsAre("pass"));
}

TEST_F(PipelineRunnerTest, AnImageThatCannotBeSentFailsThePipeline) {
  StartAll();
  sender_.Fail("registry.example/b", absl::PermissionDeniedError("not you"));
  const v1::PipelineStatus status = AwaitPipeline(SubmitPipeline(ToSend(PipelineOf({"a", "b"}))));
  EXPECT_EQ(status.state(), v1::PIPELINE_FAILED);
  EXPECT_THAT(States(status),
              ElementsAre("a PUSHED", "b FAILED: it was built, but cannot be sent: not you"));
}

TEST_F(PipelineRunnerTest, SendingGoesOnAfterADeath) {
  StartAll();
  sender_.Hold();
  const std::string id = SubmitPipeline(ToSend(PipelineOf({"a"})));
  sender_.AwaitBegun();
  AwaitState(id, 0, v1::PIPELINE_IMAGE_PUSHING);
  pipelines_.reset();
  EXPECT_EQ(GetPipeline(id).images(0).state(), v1::PIPELINE_IMAGE_PUSHING);
  sender_.Release();
  StartPipelines();
  EXPECT_EQ(AwaitPipeline(id).state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_EQ(sender_.sent().size(), 2u);
  ExpectWholeHistory(id);
}

TEST_F(PipelineRunnerTest, CancelingStopsTheSending) {
  StartAll();
  sender_.Hold();
  const std::string id = SubmitPipeline(ToSend(PipelineOf({"a"})));
  sender_.AwaitBegun();
  ASSERT_OK(pipelines_->Cancel(id));
  const v1::PipelineStatus status = AwaitPipeline(id);
  EXPECT_EQ(status.state(), v1::PIPELINE_CANCELED);
  EXPECT_THAT(States(status), ElementsAre("a CANCELED"));
}

TEST_F(PipelineRunnerTest, AFullQueueIsWaitedFor) {
  options_.max_running = 1;
  options_.max_queued = 1;
  StartAll();
  const v1::PipelineStatus status =
      AwaitPipeline(SubmitPipeline(PipelineOf({"a", "b", "c", "d", "e"})));
  EXPECT_EQ(status.state(), v1::PIPELINE_SUCCEEDED);
  EXPECT_THAT(runner_.started(), UnorderedElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(PipelineRunnerTest, NothingIsTakenOrStartedWhileDraining) {
  StartAll();
  runner_.Hold("a");
  const std::string id = SubmitPipeline(PipelineOf({"a", "b: a"}));
  runner_.AwaitStarted(1);
  draining_.request_stop();
  EXPECT_THAT(pipelines_->Submit(PipelineOf({"x"})), StatusIs(absl::StatusCode::kUnavailable));
  runner_.Release("a");
  AwaitState(id, 0, v1::PIPELINE_IMAGE_BUILT);
  pipelines_->Stop();
  EXPECT_EQ(GetPipeline(id).images(1).state(), v1::PIPELINE_IMAGE_WAITING);
  EXPECT_THAT(runner_.started(), ElementsAre("a"));
  draining_ = std::stop_source();
  StartPipelines();
  EXPECT_EQ(AwaitPipeline(id).state(), v1::PIPELINE_SUCCEEDED);
}

}  // namespace
}  // namespace zlayer
