#include "daemon/queue/build_queue.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/status_macros.h"
#include "daemon/queue/build_queue_sql.h"
#include "registry/context_store.h"
#include "registry/meta/database.h"
#include "registry/testing/rows.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Goes on by a second at each look.
class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_.fetch_add(1'000'000'000); }

 private:
  mutable std::atomic<int64_t> now_ns_{1'750'000'000'000'000'000};
};

v1::SubmitBuildRequest Request(const std::string& tag, int32_t priority = 0) {
  v1::SubmitBuildRequest request;
  request.set_priority(priority);
  request.mutable_spec()->add_tags(tag);
  return request;
}

v1::BuildEvent Failed(const std::string& id, const std::string& error) {
  v1::BuildEvent event;
  event.set_build_id(id);
  event.mutable_time()->set_seconds(1'760'000'000);
  event.mutable_build_failed()->set_error(error);
  return event;
}

class BuildQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "queue"));
    Reopen();
  }

  void Reopen() {
    queue_.reset();
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    queue_ = OpenBuildQueue(database_.get(), &clock_);
  }

  std::string Submit(const v1::SubmitBuildRequest& request) {
    absl::StatusOr<BuildQueue::Submission> submission = queue_->Submit(request);
    EXPECT_OK(submission);
    EXPECT_FALSE(submission->existing);
    return submission->id;
  }

  bool TryTake(const std::string& id) {
    absl::StatusOr<std::optional<QueuedBuild>> build = queue_->Take(id);
    EXPECT_OK(build);
    return build.ok() && build->has_value();
  }
  void Take(const std::string& id) { EXPECT_TRUE(TryTake(id)) << id; }

  std::vector<std::string> IdsIn(v1::BuildState state) {
    std::vector<std::string> ids;
    std::vector<BuildRow> builds = std::move(queue_->InState(state)).value();
    for (const BuildRow& build : builds) {
      ids.push_back(build.id);
    }
    return ids;
  }

  v1::BuildStatus Get(const std::string& id) { return std::move(queue_->Get(id)).value(); }

  FakeClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BuildQueue> queue_;
};

TEST_F(BuildQueueTest, ASubmittedBuildIsQueuedAndSurvives) {
  v1::SubmitBuildRequest request = Request("app:1", 7);
  request.mutable_spec()->add_tags("app:latest");
  std::string id = Submit(request);
  Reopen();
  v1::BuildStatus status = Get(id);
  EXPECT_EQ(status.id(), id);
  EXPECT_EQ(status.namespace_(), "default");
  EXPECT_EQ(status.priority(), 7);
  EXPECT_EQ(status.state(), v1::QUEUED);
  EXPECT_EQ(status.attempt(), 1u);
  EXPECT_EQ(status.title(), "app:1");
  EXPECT_THAT(status.tags(), ElementsAre("app:1", "app:latest"));
  EXPECT_EQ(TimeUtil::ToString(status.created()), "2025-06-15T15:06:40Z");
  EXPECT_FALSE(status.has_started());
  EXPECT_FALSE(status.has_ended());
}

TEST_F(BuildQueueTest, TakeGivesTheRequestAndRunsTheBuild) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_namespace_("team");
  (*request.mutable_spec()->mutable_build_args())["A"] = "1";
  std::string id = Submit(request);
  ASSERT_OK_AND_ASSIGN(std::optional<QueuedBuild> build, queue_->Take(id));
  ASSERT_TRUE(build.has_value());
  EXPECT_EQ(build->id, id);
  EXPECT_EQ(build->attempt, 1u);
  EXPECT_FALSE(build->lost_secrets);
  EXPECT_EQ(build->request.SerializeAsString(), request.SerializeAsString());
  v1::BuildStatus status = Get(id);
  EXPECT_EQ(status.state(), v1::RUNNING);
  EXPECT_TRUE(status.has_started());
  EXPECT_FALSE(TryTake(id));
  EXPECT_FALSE(TryTake("nobody"));
}

TEST_F(BuildQueueTest, EveryBuildIsTakenOnce) {
  std::vector<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(Submit(Request(std::to_string(i))));
  }
  std::atomic<int> taken{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (const std::string& id : ids) {
          taken += TryTake(id) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(taken, 50);
}

TEST_F(BuildQueueTest, IdsAreShortAndSortByTime) {
  std::vector<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(Submit(Request("x")));
    EXPECT_THAT(ids.back(), testing::MatchesRegex("[0-9a-z]{14}"));
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST_F(BuildQueueTest, TheSameRequestUnderAKeyIsOneBuild) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  (*request.mutable_spec()->mutable_build_args())["A"] = "1";
  (*request.mutable_spec()->mutable_build_args())["B"] = "2";
  std::string id = Submit(request);
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission again, queue_->Submit(request));
  EXPECT_TRUE(again.existing);
  EXPECT_EQ(again.id, id);

  request.set_namespace_("default");  // what the empty one means
  ASSERT_OK_AND_ASSIGN(again, queue_->Submit(request));
  EXPECT_EQ(again.id, id);
  ASSERT_OK_AND_ASSIGN(QueueCounts counts, queue_->Counts());
  EXPECT_EQ(counts.queued, 1u);

  request.set_namespace_("team");
  EXPECT_NE(Submit(request), id);
}

TEST_F(BuildQueueTest, AnotherRequestUnderAKeyIsRefused) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  std::string id = Submit(request);
  request.mutable_spec()->set_target("debug");
  EXPECT_THAT(queue_->Submit(request),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("the idempotency key \"key\" belongs to build " + id)));
}

TEST_F(BuildQueueTest, AKeyStaysWithABuildThatEnded) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  std::string id = Submit(request);
  ASSERT_OK(queue_->Finish(Failed(id, "no")));
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission again, queue_->Submit(request));
  EXPECT_EQ(again.id, id);
}

TEST_F(BuildQueueTest, SecretsAndCredentialsAreNeverStored) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  v1::Secret& secret = *request.mutable_spec()->add_secrets();
  secret.set_id("token");
  secret.set_value("s3cr3t-value");
  v1::RegistryCredential& credential = *request.mutable_spec()->add_registry_credentials();
  credential.set_registry("ghcr.io");
  credential.set_password("s3cr3t-password");
  std::string id = Submit(request);
  ASSERT_OK_AND_ASSIGN(std::vector<BuildRow> queued, queue_->InState(v1::QUEUED));
  EXPECT_TRUE(queued.at(0).lost_secrets);

  // Neither in what is given back nor in any byte of the database.
  ASSERT_OK_AND_ASSIGN(std::optional<QueuedBuild> build, queue_->Take(id));
  EXPECT_TRUE(build->lost_secrets);
  EXPECT_EQ(build->request.spec().secrets_size(), 0);
  EXPECT_EQ(build->request.spec().registry_credentials_size(), 0);
  for (const char* file : {"/meta.db", "/meta.db-wal"}) {
    std::string path = directory_.path() + file;
    if (access(path.c_str(), F_OK) == 0) {
      EXPECT_THAT(std::move(ReadFile(path)).value(), Not(HasSubstr("s3cr3t"))) << file;
    }
  }

  // Other values are the same request, another secret is not.
  request.mutable_spec()->mutable_secrets(0)->set_value("rotated");
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission again, queue_->Submit(request));
  EXPECT_EQ(again.id, id);
  request.mutable_spec()->mutable_secrets(0)->set_id("other");
  EXPECT_THAT(queue_->Submit(request), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(BuildQueueTest, FinishKeepsTheOutcome) {
  std::string failed = Submit(Request("failed"));
  std::string complete = Submit(Request("complete"));
  std::string canceled = Submit(Request("canceled"));
  Take(failed);
  ASSERT_OK(queue_->Finish(Failed(failed, "it broke")));
  v1::BuildEvent event;
  event.set_build_id(complete);
  event.mutable_build_complete()->set_image_id("sha256:1");
  ASSERT_OK(queue_->Finish(event));
  event.set_build_id(canceled);
  event.mutable_build_canceled()->set_reason("why not");
  ASSERT_OK(queue_->Finish(event));
  Reopen();

  v1::BuildStatus status = Get(failed);
  EXPECT_EQ(status.state(), v1::FAILED);
  EXPECT_EQ(status.failure().error(), "it broke");
  EXPECT_EQ(status.ended().seconds(), 1'760'000'000);
  EXPECT_FALSE(status.has_result());
  EXPECT_EQ(Get(complete).state(), v1::SUCCEEDED);
  EXPECT_EQ(Get(complete).result().image_id(), "sha256:1");
  EXPECT_EQ(Get(canceled).state(), v1::CANCELED);
  EXPECT_THAT(IdsIn(v1::QUEUED), IsEmpty());
}

TEST_F(BuildQueueTest, TheFirstEndStays) {
  std::string id = Submit(Request("app"));
  ASSERT_OK(queue_->Finish(Failed(id, "first")));
  EXPECT_THAT(queue_->Finish(Failed(id, "second")), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                             "build " + id + " has ended already"));
  EXPECT_EQ(Get(id).failure().error(), "first");
  EXPECT_THAT(queue_->Finish(Failed("nobody", "x")),
              StatusIs(absl::StatusCode::kNotFound, "build \"nobody\" is not known"));
}

TEST_F(BuildQueueTest, RequeueGivesTheAttempt) {
  std::string id = Submit(Request("app"));
  EXPECT_THAT(queue_->Requeue(id, 2), StatusIs(absl::StatusCode::kFailedPrecondition));
  Take(id);
  ASSERT_OK(queue_->Requeue(id, 2));
  EXPECT_EQ(Get(id).state(), v1::QUEUED);
  EXPECT_FALSE(Get(id).has_started());
  EXPECT_EQ(std::move(queue_->InState(v1::QUEUED)).value().at(0).attempt, 2u);
  ASSERT_OK_AND_ASSIGN(std::optional<QueuedBuild> build, queue_->Take(id));
  EXPECT_EQ(build->attempt, 2u);
  EXPECT_THAT(queue_->Requeue("nobody", 2), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildQueueTest, AQueuedBuildThatIsToBeCanceledIsNotTaken) {
  std::string id = Submit(Request("app"));
  ASSERT_OK_AND_ASSIGN(v1::BuildStatus status, queue_->RequestCancel(id));
  EXPECT_EQ(status.state(), v1::QUEUED);
  Reopen();
  EXPECT_TRUE(std::move(queue_->InState(v1::QUEUED)).value().at(0).to_cancel);
  EXPECT_FALSE(TryTake(id));
}

TEST_F(BuildQueueTest, CancelOfRunningEndedAndUnknownBuilds) {
  std::string id = Submit(Request("app"));
  Take(id);
  EXPECT_EQ(std::move(queue_->RequestCancel(id)).value().state(), v1::RUNNING);
  EXPECT_TRUE(std::move(queue_->InState(v1::RUNNING)).value().at(0).to_cancel);
  ASSERT_OK(queue_->Requeue(id, 2));
  EXPECT_TRUE(std::move(queue_->InState(v1::QUEUED)).value().at(0).to_cancel);
  ASSERT_OK(queue_->Finish(Failed(id, "x")));
  EXPECT_EQ(std::move(queue_->RequestCancel(id)).value().state(), v1::FAILED);
  EXPECT_THAT(IdsIn(v1::QUEUED), IsEmpty());
  EXPECT_THAT(queue_->RequestCancel("nobody"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildQueueTest, DeleteTakesEndedBuildsOnly) {
  v1::SubmitBuildRequest request = Request("app");
  request.set_idempotency_key("key");
  std::string id = Submit(request);
  const std::string refusal = "build " + id + " has not ended; cancel it first";
  EXPECT_THAT(queue_->Delete(id), StatusIs(absl::StatusCode::kFailedPrecondition, refusal));
  Take(id);
  EXPECT_THAT(queue_->Delete(id), StatusIs(absl::StatusCode::kFailedPrecondition, refusal));
  ASSERT_OK(queue_->Finish(Failed(id, "x")));
  ASSERT_OK(queue_->Delete(id));
  EXPECT_THAT(queue_->Get(id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(queue_->Delete(id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_NE(Submit(request), id) << "the key is free again";
}

// Contexts of one content are the same request; other content is not, nor what is unknown.
TEST_F(BuildQueueTest, AKeyComparesContextsByTheirContent) {
  const Digest one = Digest::Of("one");
  const Digest other = Digest::Of("other");
  ASSERT_OK(InsertLayer(*database_, one));
  ASSERT_OK(InsertLayer(*database_, other));
  auto contexts = OpenContextStore(database_.get(), &clock_);
  auto put = [&](const Digest& layer, bool from_tar = false) {
    return std::move(contexts->Put("default", layer, from_tar)).value().id;
  };
  auto with_context = [&](const std::string& context) {
    v1::SubmitBuildRequest request = Request("app");
    request.set_idempotency_key("key");
    (*request.mutable_spec()->mutable_contexts())[""].set_uploaded(context);
    return request;
  };
  const std::string first = put(one);
  const std::string id = Submit(with_context(first));
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission again, queue_->Submit(with_context(put(one))));
  EXPECT_EQ(again.id, id);
  Reopen();
  contexts = OpenContextStore(database_.get(), &clock_);
  EXPECT_THAT(queue_->FindSubmitted(with_context(put(one))), IsOkAndHolds(id));
  EXPECT_THAT(queue_->Submit(with_context(put(other))), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(queue_->Submit(with_context(put(one, true))),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(queue_->Submit(with_context("nothing")), StatusIs(absl::StatusCode::kAlreadyExists));
  v1::SubmitBuildRequest moved = with_context("");
  (*moved.mutable_spec()->mutable_contexts())["other"].set_uploaded(put(one));
  EXPECT_THAT(queue_->Submit(moved), StatusIs(absl::StatusCode::kAlreadyExists));

  // The very same request needs no context any more.
  ASSERT_OK(contexts->Remove(first));
  EXPECT_THAT(queue_->FindSubmitted(with_context(first)), IsOkAndHolds(id));
}

TEST_F(BuildQueueTest, CountsAndListsByState) {
  std::string first = Submit(Request("a"));
  v1::SubmitBuildRequest request = Request("b", -3);
  request.set_namespace_("team");
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission second, queue_->Submit(request));
  std::string third = Submit(Request("c"));
  std::string fourth = Submit(Request("d"));
  Take(first);
  ASSERT_OK(queue_->Finish(Failed(third, "x")));
  ASSERT_OK_AND_ASSIGN(QueueCounts counts, queue_->Counts());
  EXPECT_EQ(counts.queued, 2u);
  EXPECT_EQ(counts.running, 1u);
  EXPECT_THAT(IdsIn(v1::RUNNING), ElementsAre(first));
  EXPECT_THAT(IdsIn(v1::QUEUED), ElementsAre(second.id, fourth));
  ASSERT_OK_AND_ASSIGN(std::vector<BuildRow> queued, queue_->InState(v1::QUEUED));
  EXPECT_EQ(queued[0].name_space, "team");
  EXPECT_EQ(queued[0].priority, -3);
  EXPECT_EQ(queued[0].attempt, 1u);
  EXPECT_EQ(queued[0].created_ns, second.created_ns);
  EXPECT_EQ(queued[0].created_ns, TimeUtil::TimestampToNanoseconds(Get(second.id).created()));
  EXPECT_EQ(queued[1].name_space, "default");
}

TEST_F(BuildQueueTest, NamespacesByTheirLastStart) {
  std::vector<std::string> ids;
  for (const char* name_space : {"a", "b", "c", "a", "b"}) {
    v1::SubmitBuildRequest request = Request("x");
    request.set_namespace_(name_space);
    ids.push_back(Submit(request));
  }
  EXPECT_THAT(queue_->NamespacesByLastStart(), IsOkAndHolds(IsEmpty()));
  for (int i : {3, 1, 0, 4}) {
    Take(ids[static_cast<size_t>(i)]);
  }
  EXPECT_THAT(queue_->NamespacesByLastStart(), IsOkAndHolds(ElementsAre("a", "b")));
  ASSERT_OK(queue_->Finish(Failed(ids[0], "no")));
  ASSERT_OK(queue_->Requeue(ids[4], 1));
  EXPECT_THAT(queue_->NamespacesByLastStart(), IsOkAndHolds(ElementsAre("b", "a")));
}

TEST_F(BuildQueueTest, ExpiredBuildsAreTheOldestEndsOnly) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(Submit(Request("x")));
  }
  for (int i : {2, 0, 1, 3}) {  // the last one stays queued
    v1::BuildEvent end = Failed(ids[static_cast<size_t>(i)], "no");
    end.mutable_time()->set_seconds(1000 + i);
    ASSERT_OK(queue_->Finish(end));
  }
  const int64_t second = 1'000'000'000;
  EXPECT_THAT(queue_->Expired(0, 100), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(queue_->Expired(1002 * second, 100), IsOkAndHolds(ElementsAre(ids[0], ids[1])));
  EXPECT_THAT(queue_->Expired(0, 1), IsOkAndHolds(ElementsAre(ids[0], ids[1], ids[2])));
  EXPECT_THAT(queue_->Expired(1001 * second, 3), IsOkAndHolds(ElementsAre(ids[0])));
  EXPECT_THAT(queue_->Expired(0, UINT64_MAX), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(queue_->Expired(INT64_MAX, 0),
              IsOkAndHolds(ElementsAre(ids[0], ids[1], ids[2], ids[3])));
}

TEST_F(BuildQueueTest, RemovesEndedBuildsOnly) {
  v1::SubmitBuildRequest request = Request("a");
  request.set_idempotency_key("key");
  std::string ended = Submit(request);
  std::string running = Submit(Request("b"));
  std::string queued = Submit(Request("c"));
  Take(running);
  ASSERT_OK(queue_->Finish(Failed(ended, "no")));
  EXPECT_THAT(queue_->Known({ended, running, queued, "nobody"}),
              IsOkAndHolds(std::set<std::string>{ended, running, queued}));
  ASSERT_OK(queue_->RemoveEnded({ended, running, queued, "nobody"}));
  EXPECT_THAT(queue_->Known({ended, running, queued}),
              IsOkAndHolds(std::set<std::string>{running, queued}));
  EXPECT_THAT(queue_->Get(ended), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_NE(Submit(request), ended);  // the key is free again
}

TEST_F(BuildQueueTest, FindsWhatAKeyWasSubmittedFor) {
  v1::SubmitBuildRequest request = Request("a");
  EXPECT_THAT(queue_->FindSubmitted(request), IsOkAndHolds(std::nullopt));
  request.set_idempotency_key("key");
  EXPECT_THAT(queue_->FindSubmitted(request), IsOkAndHolds(std::nullopt));
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission submission, queue_->Submit(request));
  EXPECT_THAT(queue_->FindSubmitted(request),
              IsOkAndHolds(std::optional<std::string>(submission.id)));
  request.mutable_spec()->set_no_cache(true);
  EXPECT_THAT(queue_->FindSubmitted(request), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(BuildQueueTest, ContextsAreInUseUntilTheirBuildsEnd) {
  v1::SubmitBuildRequest request = Request("a");
  auto& contexts = *request.mutable_spec()->mutable_contexts();
  contexts[""].set_uploaded("c1");
  contexts["other"].set_image("debian");
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission first, queue_->Submit(request));
  contexts["more"].set_uploaded("c2");
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission second, queue_->Submit(request));
  EXPECT_THAT(queue_->ContextsInUse(), IsOkAndHolds(std::set<std::string>{"c1", "c2"}));
  Take(first.id);
  EXPECT_THAT(queue_->ContextsInUse(), IsOkAndHolds(std::set<std::string>{"c1", "c2"}));
  ASSERT_OK(queue_->Finish(Failed(second.id, "no")));
  EXPECT_THAT(queue_->ContextsInUse(), IsOkAndHolds(std::set<std::string>{"c1"}));
  ASSERT_OK(queue_->Finish(Failed(first.id, "no")));
  EXPECT_THAT(queue_->ContextsInUse(), IsOkAndHolds(std::set<std::string>{}));
}

TEST_F(BuildQueueTest, WhoListensHearsOfEachEndOnce) {
  std::vector<std::string> ended;
  queue_->SetEndListener([&ended](const std::string& id) { ended.push_back(id); });
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission first, queue_->Submit(Request("a")));
  ASSERT_OK_AND_ASSIGN(BuildQueue::Submission second, queue_->Submit(Request("b")));
  ASSERT_OK(queue_->Finish(Failed(first.id, "no")));
  EXPECT_THAT(queue_->Finish(Failed(first.id, "no")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  queue_->SetEndListener(nullptr);
  ASSERT_OK(queue_->Finish(Failed(second.id, "no")));
  EXPECT_EQ(ended, std::vector<std::string>{first.id});
}

TEST_F(BuildQueueTest, FrequentAndLongStatementsReadIndexesOnly) {
  for (std::string_view sql : {kCountState, kSelectInState, kSelectLastStarts, kSelectContexts, kSelectExpired}) {
    ASSERT_OK(database_->Read([&](Connection& db) -> absl::Status {
      ASSIGN_OR_RETURN(Statement plan, db.Prepare("EXPLAIN QUERY PLAN " + std::string(sql)));
      ASSIGN_OR_RETURN(bool found, plan.Step());
      EXPECT_TRUE(found);
      EXPECT_THAT(std::string(plan.Text(3)), HasSubstr("USING COVERING INDEX")) << sql;
      return absl::OkStatus();
    }));
  }
}

}  // namespace
}  // namespace zlayer
