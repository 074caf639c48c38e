#include "backends/native/solver/store_operations.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/native/solver/earlier_files.h"
#include "backends/native/testing/store_fixture.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/tar_writer.h"
#include "base/thread_pool.h"

namespace zlayer {
namespace {

// COPY . /src of a context, on nothing.
class CopyTest : public StoreTest {
 protected:
  CopyTest() { CopyFrom(""); }

  // From here on it is of this directory of the context.
  void CopyFrom(const std::string& directory) {
    auto graph = std::make_shared<v1::Graph>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"pb(stages {
               operations { scratch {} }
               operations {
                 copy {
                   sources {
                     from { context: "" }
                     path: "."
                   }
                   destination: "/src/"
                 }
               }
             })pb",
        graph.get()));
    graph->mutable_stages(0)
        ->mutable_operations(1)
        ->mutable_copy()
        ->mutable_sources(0)
        ->mutable_from()
        ->set_directory(directory);
    job_.name_space = "default";
    job_.graph = std::move(graph);
  }

  void SetUp() override {
    StoreTest::SetUp();
    archives_.emplace(store_.get(), SystemClock(), nullptr);
  }

  // The same as ADD, which unpacks archives.
  void Unpack() {
    auto graph = std::make_shared<v1::Graph>(*job_.graph);
    v1::Copy* copy = graph->mutable_stages(0)->mutable_operations(1)->mutable_copy();
    copy->set_unpack(v1::Copy::LOCAL_ARCHIVES);
    copy->mutable_sources(0)->set_path("a.tar");
    job_.graph = std::move(graph);
  }

  absl::StatusOr<Step> Prepare(const std::vector<FileSpec>& context, Filesystem base = {}) {
    ASSIGN_OR_RETURN(const StoredContext stored,
                     store_->contexts().Put("default", Layer(context)->id(), false));
    job_.contexts[""] = stored.id;
    StoreOperations operations(
        {.store = store_.get(), .clock = SystemClock(), .plans = &plans_, .archives = &*archives_},
        job_);
    std::vector<BuiltStage> stages(1);
    stages[0].files = std::move(base);
    stages[0].files.layers = &store_->layers();
    for (const LayerRef& layer : stages[0].files.view.layers()) {
      stages[0].chain.push_back(layer->id());
    }
    return operations.Prepare(job_.graph->stages(0).operations(1), 0, stages, {}, {});
  }

  // Carries the step out, and records it.
  LayerRef Make(const Step& step) {
    absl::StatusOr<LayerRef> layer = step.make({}, {});
    EXPECT_OK(layer);
    EXPECT_OK(store_->records().Put(
        "default", {.key = step.key, .layer = (*layer)->id(), .build = "b", .created_ns = 1}));
    return *layer;
  }

  BuildJob job_;
  CopyPlans plans_;
  std::optional<UnpackedArchives> archives_;
};

TEST_F(CopyTest, AnUnchangedCopyIsWhatItWas) {
  const std::vector<FileSpec> files = {Dir("d"), File("d/a", "a"), File("e", "e")};
  ASSERT_OK_AND_ASSIGN(const Step first, Prepare(files));
  const LayerRef made = Make(first);
  ASSERT_OK_AND_ASSIGN(const Step again, Prepare(files));
  EXPECT_EQ(again.key, first.key);
  ASSERT_EQ(again.parts.size(), 1u);
  EXPECT_EQ(again.parts[0].files, made);  // nothing was planned
  const LayerRef anew = Make(again);      // as without the cache
  EXPECT_EQ(anew->ContentDigest(), made->ContentDigest());
  EXPECT_EQ(PathsOf(*anew), PathsOf(*made));
}

// Also where nothing was planned, and the files are found by their content, whatever their times.
TEST_F(CopyTest, FilesHaveTheirSourcesNames) {
  const std::vector<FileSpec> files = {File("a", "a")};
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const Step step, Prepare(files));
    EXPECT_EQ(step.parts[0].names("src/a"), "a");
    EXPECT_EQ(step.parts[0].names("src"), "/src");
    const LayerRef made = Make(step);
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const LayerIndex> found,
                         FindEarlierFiles(*store_, {"default", {}}, made->ContentDigest(), {}));
    EXPECT_EQ(found->ContentDigest(), made->ContentDigest());
  }
}

TEST_F(CopyTest, AChangedFileIsAnotherStep) {
  ASSERT_OK_AND_ASSIGN(const Step first, Prepare({File("a", "a")}));
  Make(first);
  ASSERT_OK_AND_ASSIGN(const Step other, Prepare({File("a", "b")}));
  EXPECT_NE(other.key, first.key);
  ASSERT_OK_AND_ASSIGN(const Step mode, Prepare({File("a", "a", 0755)}));
  EXPECT_NE(mode.key, first.key);
}

TEST_F(CopyTest, WithoutARecordItIsPlannedAgain) {
  ASSERT_OK_AND_ASSIGN(const Step first, Prepare({File("a", "a")}));
  ASSERT_OK_AND_ASSIGN(const Step again, Prepare({File("a", "a")}));
  EXPECT_EQ(again.key, first.key);
  EXPECT_NE(again.parts[0].files, first.parts[0].files);
  EXPECT_EQ(PathsOf(*Make(again)), (std::vector<std::string>{"src", "src/a"}));
}

TEST_F(CopyTest, TakesADirectoryOfTheContextAsIfItWereTheContext) {
  ASSERT_OK_AND_ASSIGN(const Step whole, Prepare({Dir("d"), File("d/a", "a")}));
  CopyFrom("deps");
  ASSERT_OK_AND_ASSIGN(const Step directory, Prepare({Dir("deps"), Dir("deps/d"),
                                                      File("deps/d/a", "a"), File("other", "o")}));
  EXPECT_EQ(directory.key, whole.key);
  EXPECT_EQ(PathsOf(*Make(directory)), (std::vector<std::string>{"src", "src/d", "src/d/a"}));
  EXPECT_THAT(Prepare({File("other", "o")}).status(),
              StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("deps")));
}

// By what is in the archive and by what it meets: not by the rest of what is below.
TEST_F(CopyTest, AnUnpackedArchiveIsKeyedByItsEntries) {
  Unpack();
  const auto archive = [](const std::string& content, int64_t time_ns) {
    std::string tar;
    TarWriter writer([&](std::string_view data) {
      tar.append(data);
      return absl::OkStatus();
    });
    EXPECT_OK(writer.Entry({.path = "lib/f", .mode = 0644, .mtime_ns = time_ns, .size = 1}));
    EXPECT_OK(writer.Data(content));
    EXPECT_OK(writer.Finish());
    return std::vector<FileSpec>{File("a.tar", tar)};
  };
  const auto key = [&](const std::vector<FileSpec>& context, const std::vector<FileSpec>& base) {
    const absl::StatusOr<Step> step = Prepare(context, Files(base));
    EXPECT_OK(step);
    EXPECT_TRUE(step->chain.empty());
    return step->key;
  };
  const Digest alone = key(archive("x", 1), {});
  EXPECT_EQ(key(archive("x", 1), {File("etc", "e")}), alone);
  EXPECT_EQ(key(archive("x", 2), {}), alone);
  EXPECT_NE(key(archive("y", 1), {}), alone);
  EXPECT_NE(key(archive("x", 1), {Link("src", "there"), Dir("there")}), alone);

  ASSERT_OK_AND_ASSIGN(const Step step, Prepare(archive("x", 1)));
  EXPECT_EQ(step.parts[0].names("src/lib/f"), "lib/f of a.tar");
  const LayerRef made = Make(step);
  EXPECT_EQ(PathsOf(*made), (std::vector<std::string>{"src", "src/lib", "src/lib/f"}));
  ASSERT_OK_AND_ASSIGN(const Step again, Prepare(archive("x", 1)));
  EXPECT_EQ(again.parts[0].files, made);  // nothing was planned
}

// A server that answers, with an error, once others had their turn.
class SlowRemote : public RemoteSources {
 public:
  absl::StatusOr<LayerRef> Http(const v1::HttpInput&, std::string_view,
                                const FetchScope&) override {
    others.wait();
    return NotFound("it is gone");
  }
  absl::StatusOr<LayerRef> Git(const v1::GitInput&, const FetchScope&) override {
    return Unimplemented("no git");
  }

  std::latch others{1};
};

TEST_F(CopyTest, WhoWaitsForTheNetworkHasNoPlace) {
  auto graph = std::make_shared<v1::Graph>(*job_.graph);
  v1::Copy::Source* source =
      graph->mutable_stages(0)->mutable_operations(1)->mutable_copy()->mutable_sources(0);
  source->mutable_from()->mutable_http()->set_url("http://server.example/f");
  job_.graph = std::move(graph);
  SlowRemote remote;
  std::optional<ThreadPool> pool(1);
  pool->Submit([&] {
    StoreOperations operations({.store = store_.get(),
                                .remote = &remote,
                                .clock = SystemClock(),
                                .pool = &*pool,
                                .plans = &plans_,
                                .archives = &*archives_},
                               job_);
    std::vector<BuiltStage> stages(1);
    stages[0].files.layers = &store_->layers();
    EXPECT_THAT(operations.Prepare(job_.graph->stages(0).operations(1), 0, stages, {}, {}),
                StatusIs(absl::StatusCode::kNotFound));
  });
  pool->Submit([&] { remote.others.count_down(); });
  pool.reset();
}

// Stage 0 is for Windows, on a layer that may not be readable; stage 1 for Linux copies from it.
class WindowsCopyTest : public StoreTest {
 protected:
  WindowsCopyTest() {
    auto graph = std::make_shared<v1::Graph>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"pb(stages {
               platform { os: "windows" architecture: "amd64" }
               operations { scratch {} }
               operations {
                 copy {
                   sources {
                     from { inline: "x" }
                     path: "f"
                   }
                   destination: "/app/"
                 }
               }
             }
             stages {
               platform { os: "linux" architecture: "amd64" }
               operations { scratch {} }
               operations {
                 copy {
                   sources {
                     from { stage: 0 }
                     path: "/app/*"
                   }
                   destination: "/"
                 }
               }
               operations {
                 copy {
                   sources {
                     from { stage: 0 }
                     path: "/gone"
                   }
                   destination: "/"
                 }
               }
             })pb",
        graph.get()));
    job_.name_space = "default";
    job_.graph = std::move(graph);
  }

  void SetUp() override {
    StoreTest::SetUp();
    stages_.resize(2);
    for (BuiltStage& stage : stages_) {
      stage.files.layers = &store_->layers();
    }
  }

  absl::StatusOr<LayerRef> Make(uint32_t stage, int operation) {
    StoreOperations operations({.store = store_.get(), .clock = SystemClock(), .plans = &plans_},
                               job_);
    const StepSink sink = [this](v1::BuildEvent event) { events_.push_back(std::move(event)); };
    ASSIGN_OR_RETURN(
        const Step step,
        operations.Prepare(job_.graph->stages(static_cast<int>(stage)).operations(operation), stage,
                           stages_, sink, {}));
    return step.make(sink, {});
  }

  BuildJob job_;
  CopyPlans plans_;
  std::vector<BuiltStage> stages_;
  std::vector<v1::BuildEvent> events_;
};

TEST_F(WindowsCopyTest, LayersHaveTheLayoutOfWindows) {
  FileSpec app = Dir("Files/app", 0700);
  app.first.pax = {{"MSWINDOWS.rawsd", "AQ=="}};
  stages_[0].files.view = Rootfs({Layer({Dir("Files"), app, Dir("Hives")})});
  ASSERT_OK_AND_ASSIGN(const LayerRef made, Make(0, 1));
  EXPECT_EQ(PathsOf(*made),
            (std::vector<std::string>{"Files", "Files/app", "Files/app/f", "Hives"}));
  EXPECT_EQ(made->At(1).mode, 0700u);  // what the base has stays
  EXPECT_EQ(made->At(1).pax.at("MSWINDOWS.rawsd"), "AQ==");
}

TEST_F(WindowsCopyTest, OtherStagesSeeTheFilesAlone) {
  stages_[0].files.view =
      Rootfs({Layer({Dir("Files"), Dir("Files/app"), File("Files/app/f", "x"), Dir("Hives")})});
  ASSERT_OK_AND_ASSIGN(const LayerRef made, Make(1, 1));
  EXPECT_EQ(PathsOf(*made), std::vector<std::string>{"f"});
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(Make(1, 2).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WindowsCopyTest, WhatCannotBeReadIsSaid) {
  stages_[0].files.view = Rootfs(
      {Layer({}), Layer({Dir("Files"), Dir("Files/app"), File("Files/app/f", "x"), Dir("Hives")})});
  stages_[0].files.unread = "the layer sha256:1 of base";
  ASSERT_OK(Make(1, 1));
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].warning().rule(), "LayerNotRead");
  const absl::Status gone = Make(1, 2).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(gone.message().find("the layer sha256:1 of base"), std::string::npos) << gone;
}

TEST(CopyPlansTest, ForgetsBeforeItGrows) {
  CopyPlans plans;
  const auto digest = [](size_t i) { return Digest::Of(std::to_string(i)); };
  for (size_t i = 0; i <= CopyPlans::kMost; ++i) {
    plans.Add(digest(i), digest(i + 1));
  }
  EXPECT_EQ(plans.Find(digest(0)), std::nullopt);
  EXPECT_EQ(plans.Find(digest(CopyPlans::kMost)), digest(CopyPlans::kMost + 1));
}

}  // namespace
}  // namespace zlayer
