#include "backends/native/solver/store_operations.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/native/testing/store_fixture.h"
#include "base/status_macros.h"

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

  absl::StatusOr<Step> Prepare(const std::vector<FileSpec>& context) {
    ASSIGN_OR_RETURN(const StoredContext stored,
                     store_->contexts().Put("default", Layer(context)->id(), false));
    job_.contexts[""] = stored.id;
    StoreOperations operations({.store = store_.get(), .clock = SystemClock(), .plans = &plans_},
                               job_);
    std::vector<BuiltStage> stages(1);
    stages[0].files.layers = &store_->layers();
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
