// What a daemon that died leaves behind, and what the next one makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "daemon/queue/scheduler.h"
#include "daemon/queue/scheduler_fixture.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using RecoveryTest = SchedulerTest;

TEST_F(RecoveryTest, QueuedBuildsRunAfterARestart) {
  std::string id = LeaveQueued("app", {Queued(1)});
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(RecoveryTest, AQueuedBuildWithoutALogGetsItsFirstEvent) {
  std::string id = LeaveQueued("app", {});
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
  EXPECT_EQ(Events(id)[0].time().SerializeAsString(), Get(id).created().SerializeAsString());
}

TEST_F(RecoveryTest, AnInterruptedBuildIsTriedAgain) {
  std::string id = LeaveRunning({Queued(1), Started()});
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).attempt(), 2u);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 2", "started", "complete"));
}

TEST_F(RecoveryTest, ABuildThatWasTakenOnlyIsTriedAgain) {
  std::string id = LeaveRunning({Queued(1)});
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "queued 2", "started", "complete"));
}

TEST_F(RecoveryTest, ADaemonThatDiedInRecoveryLeavesNothingTwice) {
  // Requeued with attempt 2, BuildQueued written, then it died.
  std::string id = LeaveRunning({Queued(1), Started(), Queued(2)});
  ASSERT_OK(queue_->Requeue(id, 2));
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 2", "started", "complete"));
}

TEST_F(RecoveryTest, ADaemonThatDiedBetweenLogAndRowLeavesNothingTwice) {
  std::string id = LeaveRunning({Queued(1), Started(), Queued(2)});
  Start();
  EXPECT_EQ(AwaitEnd(id).attempt(), 2u);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 2", "started", "complete"));
}

// Written by a run's end that failed to say so in the log.
TEST_F(RecoveryTest, ABuildThatWaitsAgainSaysSoWhenItIsTaken) {
  std::string id = LeaveRunning({Queued(1), Started()});
  ASSERT_OK(queue_->Requeue(id, 1));
  Start();
  AwaitEnd(id);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "queued 1", "started", "complete"));
}

TEST_F(RecoveryTest, AnEndInTheLogOfAQueuedBuildIsCarriedOver) {
  v1::BuildEvent complete;
  complete.mutable_build_complete()->set_image_id("sha256:1");
  std::string id = LeaveQueued("app", {Queued(1), Started(), complete});
  Start();
  EXPECT_EQ(AwaitEnd(id).result().image_id(), "sha256:1");
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(RecoveryTest, NoLogIsTouchedForWhatIsQueued) {
  runner_.Hold("app");
  options_.max_running = 1;
  LeaveQueued("app", {});
  std::string second = LeaveQueued("second", {});
  Start();
  runner_.AwaitStarted(1);
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(testing::Not(testing::Contains(second))));
}

TEST_F(RecoveryTest, AnEndInTheLogIsCarriedOver) {
  v1::BuildEvent complete;
  complete.mutable_build_complete()->set_image_id("sha256:1");
  std::string id = LeaveRunning({Queued(1), Started(), complete});
  Start();
  EXPECT_EQ(Get(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).result().image_id(), "sha256:1");
  EXPECT_TRUE(Get(id).has_ended());
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "started", "complete"));
}

TEST_F(RecoveryTest, ATornEndIsNoEnd) {
  v1::BuildEvent complete;
  complete.mutable_build_complete();
  std::string id = LeaveRunning({Queued(1), complete});
  std::string path = directory_.path() + "/builds/" + id + "/events";
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path));
  ASSERT_OK(WriteFileAtomically(path, content.substr(0, content.size() - 1)));
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_THAT(Kinds(id), ElementsAre("queued 1", "queued 2", "started", "complete"));
}

TEST_F(RecoveryTest, TooManyAttemptsFail) {
  options_.max_attempts = 3;
  std::string id = LeaveRunning({Queued(3), Started()}, 3);
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_EQ(Get(id).attempt(), 3u);
  EXPECT_EQ(Get(id).failure().error(), "the daemon died 3 times while it ran this build");
  EXPECT_EQ(Get(id).failure().code(), 10);
  EXPECT_EQ(Get(id).failure().detail().reason(), "DAEMON_DIED");
  EXPECT_THAT(Kinds(id), ElementsAre("queued 3", "started", "failed"));
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(RecoveryTest, TheLastAttemptStillRuns) {
  options_.max_attempts = 3;
  std::string id = LeaveRunning({Queued(2), Started()}, 2);
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(id).attempt(), 3u);
}

TEST_F(RecoveryTest, SecretsAreLostByARestart) {
  v1::SubmitBuildRequest request = Request("app");
  request.mutable_spec()->add_secrets()->set_id("token");
  std::string id = std::move(queue_->Submit(request)).value().id;
  AppendAll(id, {Queued(1)});
  Start();
  EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
  EXPECT_EQ(Get(id).failure().detail().reason(), "SECRETS_LOST");
  EXPECT_EQ(Get(id).failure().code(), 9);
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(RecoveryTest, ACancelThatTheDaemonDidNotLiveToCarryOutIsCarriedOut) {
  std::string running = LeaveRunning({Queued(1), Started()});
  std::string queued = LeaveQueued("queued", {Queued(1)});
  std::string fresh = LeaveQueued("fresh", {});
  for (const std::string& id : {running, queued, fresh}) {
    ASSERT_OK(queue_->RequestCancel(id));
  }
  Start();
  for (const std::string& id : {running, queued, fresh}) {
    EXPECT_EQ(AwaitEnd(id).state(), v1::CANCELED);
  }
  EXPECT_THAT(Kinds(running), ElementsAre("queued 1", "started", "canceled"));
  EXPECT_THAT(Kinds(queued), ElementsAre("queued 1", "canceled"));
  EXPECT_THAT(Kinds(fresh), ElementsAre("queued 1", "canceled"));
  DrainAtOnce();
  EXPECT_THAT(runner_.started(), IsEmpty());
}

TEST_F(RecoveryTest, ADamagedLogEndsItsBuildAndNoOther) {
  std::string running = LeaveRunning({Queued(1), Started()});
  std::string queued = LeaveQueued("queued", {Queued(1), Started()});
  std::string other = LeaveQueued("other", {Queued(1)});
  for (const std::string& id : {running, queued}) {
    std::string path = directory_.path() + "/builds/" + id + "/events";
    ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(path));
    content[15] ^= 1;
    ASSERT_OK(WriteFileAtomically(path, content));
  }
  Start();
  for (const std::string& id : {running, queued}) {
    EXPECT_EQ(AwaitEnd(id).state(), v1::FAILED);
    EXPECT_EQ(Get(id).failure().code(), 15);
    EXPECT_THAT(Get(id).failure().error(), HasSubstr("the build's event log is damaged"));
    EXPECT_EQ(Get(id).failure().detail().reason(), "LOG_DAMAGED");
  }
  EXPECT_EQ(AwaitEnd(other).state(), v1::SUCCEEDED);
}

}  // namespace
}  // namespace zlayer
