#include "backends/native/solver/explainer.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

// Builds of one target, explained one after the other.
class ExplainerTest : public ::testing::Test {
 protected:
  // A build under way.
  struct Build {
    std::unique_ptr<v1::Graph> graph;
    std::unique_ptr<Explainer> explainer;
    std::vector<BuiltStage> states;
  };

  Build Begin(const std::string& text) {
    Build build;
    build.graph = std::make_unique<v1::Graph>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, build.graph.get())) << text;
    build.explainer = std::make_unique<Explainer>(
        *build.graph, ExplainerOptions{.earlier = [this] { return earlier_; },
                                       .layer =
                                           [this](const Digest& id) {
                                             const auto found = layers_.find(id);
                                             return found == layers_.end()
                                                        ? absl::StatusOr<LayerRef>(NotFound("gone"))
                                                        : found->second;
                                           }});
    return build;
  }
  void End(const Build& build) { earlier_.insert(earlier_.begin(), build.explainer->Serialize()); }

  LayerRef Layer(const std::string& content) {
    LayerRef layer = MakeIndex({FileEntry("f", content)});
    return layers_[layer->id()] = layer;
  }

  void Base(const Build& build, uint32_t stage, const std::string& base) {
    BuiltStage state;
    state.chain = {Digest::Of(base)};
    state.base_layers = 1;
    build.explainer->Began(stage, state);
  }

  // Explains a step with these parts, then does it; what it makes is `made`.
  std::string Step(const Build& build, OperationId id, std::vector<StepPart> parts,
                   const std::string& made) {
    zlayer::Step step;
    for (const StepPart& part : parts) {
      key_ += part.name + part.value + (part.files == nullptr ? "" : part.files->id().Hex());
    }
    step.key = Digest::Of(key_);
    step.parts = std::move(parts);
    std::string why = build.explainer->Explain(id, step);
    StepResult result;
    result.layer = Layer(made);
    build.explainer->Done(id, step, result);
    return why;
  }

  static StepPart Value(std::string name, std::string value) {
    return {.name = std::move(name), .value = std::move(value), .files = nullptr};
  }
  StepPart FilesPart(std::vector<Entry> entries) {
    LayerRef files = MakeIndex(entries);
    layers_[files->id()] = files;
    return {.name = "the files", .value = "", .files = files};
  }

  std::vector<std::string> earlier_;
  std::map<Digest, LayerRef> layers_;
  std::string key_;
};

constexpr char kOneStage[] = R"(
  stages { name: "app" base_text: "debian" operations { image { reference: "debian" } }
           operations { text: "COPY . /src" } operations { text: "RUN make" } }
  targets: 0)";

TEST_F(ExplainerTest, TheFirstBuildIsTheFirstTime) {
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {FilesPart({FileEntry("a", "1")})}, "1"), "first time");
}

TEST_F(ExplainerTest, OfTheSameStepTheFirstPartThatDiffersIsNamed) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {FilesPart({FileEntry("a", "1")})}, "1");
  Step(first, {0, 2},
       {Value("the command", "make"), Value("the variable CC", "gcc"), Value("the variable X", "")},
       "2");
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {FilesPart({FileEntry("a", "2")})}, "1"), "miss: file a changed");
  EXPECT_EQ(Step(second, {0, 2},
                 {Value("the command", "make"), Value("the variable CC", "clang"),
                  Value("the variable X", "")},
                 "2"),
            "miss: the variable CC changed");
  Build third = Begin(kOneStage);
  Base(third, 0, "debian-1");
  EXPECT_EQ(
      Step(third, {0, 2}, {Value("the command", "make"), Value("the variable CC", "gcc")}, "2"),
      "miss: the variable X is gone");
  Build fourth = Begin(kOneStage);
  Base(fourth, 0, "debian-1");
  EXPECT_EQ(Step(fourth, {0, 2},
                 {Value("the command", "make"), Value("the variable CC", "gcc"),
                  Value("the variable X", ""), Value("the variable Y", "")},
                 "2"),
            "miss: the variable Y is new");
}

TEST_F(ExplainerTest, WhatLiesBelowIsNamed) {
  const std::vector<StepPart> make = {Value("the command", "make")};
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {FilesPart({FileEntry("a", "1")})}, "1");
  Step(first, {0, 2}, make, "2");
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  Step(second, {0, 1}, {FilesPart({FileEntry("a", "2")})}, "other");
  EXPECT_EQ(Step(second, {0, 2}, make, "2"), "miss: \"COPY . /src\" before it made something else");
  Build third = Begin(kOneStage);
  Base(third, 0, "debian-2");
  EXPECT_EQ(Step(third, {0, 2}, make, "2"), "miss: the base image debian changed");
}

TEST_F(ExplainerTest, AChangedInstructionIsNamed) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 2}, {Value("the command", "make")}, "2");
  End(first);
  Build second = Begin(R"(
    stages { name: "app" base_text: "debian" operations { image { reference: "debian" } }
             operations { text: "COPY . /src" } operations { text: "RUN make all" } }
    targets: 0)");
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 2}, {Value("the command", "make all")}, "2"),
            "miss: the instruction changed, it was \"RUN make\"");
}

TEST_F(ExplainerTest, TheSameKeyWithoutAResultIsEvicted) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {Value("the command", "x")}, "1");
  End(first);
  key_.clear();
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {Value("the command", "x")}, "1"), "evicted");
}

TEST_F(ExplainerTest, TheMostAlikeOfTheEarlierBuildsCounts) {
  Build alike = Begin(kOneStage);
  Base(alike, 0, "debian-1");
  Step(alike, {0, 1}, {FilesPart({FileEntry("a", "1")})}, "1");
  End(alike);
  Build other = Begin(R"(stages { name: "app" base_text: "x" operations { scratch {} }
                                  operations { text: "RUN other" } } targets: 0)");
  Base(other, 0, "x");
  Step(other, {0, 1}, {Value("the command", "other")}, "o");
  End(other);
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {FilesPart({FileEntry("a", "2")})}, "1"), "miss: file a changed");
}

TEST_F(ExplainerTest, FilesThatAreGoneAreNotNamed) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {FilesPart({FileEntry("a", "1")})}, "1");
  End(first);
  layers_.clear();
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {FilesPart({FileEntry("a", "2")})}, "1"),
            "miss: the files changed");
}

TEST_F(ExplainerTest, DamagedExplanationsAreNone) {
  earlier_ = {"\xff\xff\xff"};
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {}, "1"), "first time");
}

}  // namespace
}  // namespace zlayer
