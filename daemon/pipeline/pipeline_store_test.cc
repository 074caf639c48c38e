#include "daemon/pipeline/pipeline_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/errors.h"
#include "base/files.h"
#include "proto/error_detail.h"
#include "registry/context_store.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns += 1'000'000; }
  mutable std::atomic<int64_t> now_ns{1'790'000'000'000'000'000};
};

v1::SubmitPipelineRequest Request(const std::string& key = "") {
  v1::SubmitPipelineRequest request;
  request.set_idempotency_key(key);
  v1::PipelineSpec& spec = *request.mutable_spec();
  spec.set_title("ZPipeline.yaml");
  v1::PipelineImage& base = *spec.add_images();
  base.set_name("base");
  base.mutable_spec()->add_tags("base");
  v1::PipelineImage& web = *spec.add_images();
  web.set_name("web");
  web.add_depends_on("base");
  web.add_depends_on("base");
  web.mutable_spec()->add_tags("registry.example/web:1");
  return request;
}

class PipelineStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "pipelines"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(File()));
    ASSERT_OK_AND_ASSIGN(store_, PipelineStore::Open(database_.get(), &clock_));
  }
  std::string File() const { return directory_.path() + "/meta.db"; }

  std::string Submit(const v1::SubmitPipelineRequest& request) {
    return std::move(store_->Submit(request)).value().id;
  }
  std::string SubmitEnded() {
    const std::string id = Submit(Request());
    EXPECT_OK(store_->Finish(id, v1::PIPELINE_SUCCEEDED));
    return id;
  }
  std::vector<v1::PipelineEvent> Events(const std::string& id, uint64_t after = 0) {
    std::vector<v1::PipelineEvent> events;
    while (true) {
      absl::StatusOr<std::optional<v1::PipelineEvent>> next = store_->NextEvent(id, after);
      EXPECT_OK(next);
      if (!next.ok() || !next->has_value()) {
        return events;
      }
      after = (*next)->sequence();
      events.push_back(**std::move(next));
    }
  }
  std::vector<std::string> List(const std::string& name_space = "") {
    PipelineListing listing;
    listing.name_space = name_space;
    listing.max_bytes = 1 << 20;
    std::vector<std::string> ids;
    const PipelinePage page = std::move(store_->List(listing)).value();
    for (const v1::PipelineStatus& status : page.pipelines) {
      ids.push_back(status.id());
    }
    return ids;
  }

  FakeClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<PipelineStore> store_;
};

TEST_F(PipelineStoreTest, ASubmissionIsThereWithItsFirstEvent) {
  const std::string id = Submit(Request());
  store_.reset();
  database_.reset();
  ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(File()));
  ASSERT_OK_AND_ASSIGN(store_, PipelineStore::Open(database_.get(), &clock_));

  EXPECT_THAT(*store_->Running(), ElementsAre(id));
  ASSERT_OK_AND_ASSIGN(const v1::PipelineStatus status, store_->Get(id));
  EXPECT_EQ(status.title(), "ZPipeline.yaml");
  EXPECT_EQ(status.namespace_(), "default");
  EXPECT_EQ(status.state(), v1::PIPELINE_RUNNING);
  EXPECT_EQ(status.images(1).reason(), "waits for base");
  const std::vector<v1::PipelineEvent> events = Events(id);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].sequence(), 1u);
  EXPECT_EQ(events[0].started().SerializeAsString(), status.SerializeAsString());

  ASSERT_OK_AND_ASSIGN(const PipelineRecord record, store_->Load(id));
  EXPECT_THAT(record.shape.images[1].depends_on, ElementsAre(0u));
  EXPECT_FALSE(record.shape.images[1].pushes);
  ASSERT_OK_AND_ASSIGN(const v1::BuildSpec spec, store_->Spec(id, 1));
  EXPECT_THAT(spec.tags(), ElementsAre("registry.example/web:1"));
}

TEST_F(PipelineStoreTest, NothingConfidentialIsStored) {
  v1::SubmitPipelineRequest request = Request();
  request.mutable_spec()->set_push(true);
  v1::BuildSpec& web = *request.mutable_spec()->mutable_images(1)->mutable_spec();
  web.add_secrets()->set_value("do-not-keep-this");
  v1::RegistryCredential& login = *web.add_registry_credentials();
  login.set_registry("registry.example");
  login.set_password("nor-that-one");
  v1::RegistryCredential& other =
      *request.mutable_spec()->mutable_images(0)->mutable_spec()->add_registry_credentials();
  other.set_registry("docker.io");
  other.set_token("and-not-this");
  const std::string id = Submit(request);
  ASSERT_OK_AND_ASSIGN(const PipelineRecord record, store_->Load(id));
  EXPECT_THAT(record.needs_secrets, ElementsAre(true, true));
  EXPECT_THAT(record.needs_login, ElementsAre(false, true));
  EXPECT_TRUE(record.shape.images[1].pushes);
  EXPECT_FALSE(record.shape.images[0].pushes);
  store_.reset();
  database_.reset();
  for (const char* file : {"/meta.db", "/meta.db-wal"}) {
    const absl::StatusOr<std::string> bytes = ReadFile(directory_.path() + file, 64 << 20);
    for (const char* secret : {"do-not-keep-this", "nor-that-one", "and-not-this"}) {
      EXPECT_TRUE(!bytes.ok() || bytes->find(secret) == std::string::npos) << file << secret;
    }
  }
}

TEST_F(PipelineStoreTest, EventsAreNumberedAndSaidOnce) {
  const std::string id = Submit(Request());
  int woken = 0;
  std::shared_ptr<void> subscription = store_->Subscribe(id, [&woken] { ++woken; });
  v1::PipelineImageStatus built;
  built.set_name("base");
  built.set_state(v1::PIPELINE_IMAGE_BUILT);
  ASSERT_OK(store_->SetImage(id, 0, built));
  EXPECT_EQ(store_->Get(id)->images(0).state(), v1::PIPELINE_IMAGE_BUILT);
  ASSERT_OK(store_->Finish(id, v1::PIPELINE_FAILED));
  EXPECT_EQ(woken, 2);
  subscription.reset();
  EXPECT_THAT(store_->Finish(id, v1::PIPELINE_SUCCEEDED),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->SetImage(id, 1, built), StatusIs(absl::StatusCode::kFailedPrecondition));
  const std::vector<v1::PipelineEvent> events = Events(id);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].image().name(), "base");
  EXPECT_EQ(events[2].sequence(), 3u);
  EXPECT_EQ(events[2].ended().state(), v1::PIPELINE_FAILED);
  EXPECT_EQ(events[2].ended().images(0).state(), v1::PIPELINE_IMAGE_BUILT);
  EXPECT_EQ(Events(id, 2).size(), 1u);
  EXPECT_THAT(Events(id, 3), IsEmpty());
  EXPECT_THAT(*store_->Running(), IsEmpty());
}

TEST_F(PipelineStoreTest, AKeyAnswersWithTheFirstPipelineOfTheSameRequest) {
  const std::string id = Submit(Request("key"));
  ASSERT_OK_AND_ASSIGN(const PipelineStore::Submission again, store_->Submit(Request("key")));
  EXPECT_TRUE(again.existing);
  EXPECT_EQ(again.id, id);
  EXPECT_EQ(**store_->FindSubmitted(Request("key")), id);
  v1::SubmitPipelineRequest other = Request("key");
  other.mutable_spec()->mutable_images(1)->clear_depends_on();
  EXPECT_THAT(store_->Submit(other),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("belongs to pipeline " + id)));
  other = Request("key");
  other.mutable_spec()->mutable_images(0)->mutable_spec()->set_no_cache(true);
  EXPECT_THAT(store_->FindSubmitted(other), StatusIs(absl::StatusCode::kAlreadyExists));
  other = Request("key");
  other.set_namespace_("b");
  EXPECT_NE(Submit(other), id);
  EXPECT_EQ(*store_->FindSubmitted(Request()), std::nullopt);
}

TEST_F(PipelineStoreTest, ContextsAreNamedWhileThePipelineRuns) {
  v1::SubmitPipelineRequest request = Request();
  for (v1::PipelineImage& image : *request.mutable_spec()->mutable_images()) {
    (*image.mutable_spec()->mutable_contexts())[""].set_uploaded("ctx");
  }
  const std::string id = Submit(request);
  EXPECT_THAT(*store_->ContextsInUse(), ElementsAre("ctx"));
  ASSERT_OK(store_->Finish(id, v1::PIPELINE_SUCCEEDED));
  EXPECT_THAT(*store_->ContextsInUse(), IsEmpty());
}

TEST_F(PipelineStoreTest, PagesGoFromTheNewestToTheOldest) {
  const std::string a = Submit(Request());
  v1::SubmitPipelineRequest elsewhere = Request();
  elsewhere.set_namespace_("b");
  const std::string b = Submit(elsewhere);
  const std::string c = Submit(Request());
  EXPECT_THAT(List(), ElementsAre(c, b, a));
  EXPECT_THAT(List("default"), ElementsAre(c, a));
  PipelineListing listing;
  listing.limit = 2;
  listing.max_bytes = 1 << 20;
  ASSERT_OK_AND_ASSIGN(PipelinePage page, store_->List(listing));
  ASSERT_TRUE(page.last.has_value());
  listing.after = page.last;
  ASSERT_OK_AND_ASSIGN(page, store_->List(listing));
  EXPECT_EQ(page.pipelines.size(), 1u);
  EXPECT_EQ(page.pipelines[0].id(), a);
  EXPECT_FALSE(page.last.has_value());
}

TEST_F(PipelineStoreTest, OnlyWhatHasEndedIsRemoved) {
  const std::string id = Submit(Request("key"));
  EXPECT_THAT(store_->Delete(id), StatusIs(absl::StatusCode::kFailedPrecondition,
                                           HasSubstr("has not ended; cancel it first")));
  ASSERT_OK(store_->Finish(id, v1::PIPELINE_SUCCEEDED));
  ASSERT_OK(store_->Delete(id));
  for (const absl::Status& status :
       {store_->Get(id).status(), store_->Delete(id), store_->NextEvent(id, 0).status(),
        store_->Load(id).status(), store_->RequestCancel(id).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr(id)));
  }
  EXPECT_NE(Submit(Request("key")), id);
}

TEST_F(PipelineStoreTest, TheHistoryKeepsTheNewestAndWhatRunsAndWhatIsWatched) {
  const std::string running = Submit(Request());
  const std::string watched = SubmitEnded();
  const std::string old = SubmitEnded();
  const std::string kept = SubmitEnded();
  std::shared_ptr<void> subscription = store_->Subscribe(watched, [] {});
  ASSERT_OK(store_->RemoveExpired(0, 1));
  EXPECT_THAT(List(), ElementsAre(kept, watched, running));
  subscription.reset();
  ASSERT_OK(store_->RemoveExpired(clock_.NowNs(), 100));
  EXPECT_THAT(List(), ElementsAre(running));
}

TEST_F(PipelineStoreTest, ThereIsALimitOfPipelinesThatRun) {
  std::string first = Submit(Request());
  for (int i = 1; i < 1000; ++i) {
    Submit(Request());
  }
  const absl::Status refused = store_->Submit(Request()).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(refused).reason(), "QUEUE_FULL");
  ASSERT_OK(store_->Finish(first, v1::PIPELINE_CANCELED));
  EXPECT_OK(store_->Submit(Request()));
}

TEST(FitIntoMessageTest, TagsGoWhereAStatusIsTooLarge) {
  v1::PipelineStatus status;
  for (int i = 0; i < 1000; ++i) {
    status.add_images()->mutable_result()->add_tags(std::string(100, 'x'));
  }
  FitIntoMessage(&status);
  EXPECT_EQ(status.images(0).result().tags_size(), 1);
  status.mutable_images(0)->mutable_result()->add_tags(std::string(4 << 20, 'x'));
  FitIntoMessage(&status);
  EXPECT_EQ(status.images(0).result().tags_size(), 0);
  EXPECT_EQ(status.images_size(), 1000);
}

}  // namespace
}  // namespace zlayer
