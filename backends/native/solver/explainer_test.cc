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
    Digest below;  // what the last step made
  };

  Build Begin(const std::string& text) {
    Build build;
    build.graph = std::make_unique<v1::Graph>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, build.graph.get())) << text;
    options_.earlier = [this] { return earlier_; };
    options_.files = [this](const v1::Platform&, const Digest& content,
                            const FilesOrigin&) -> absl::StatusOr<LayerRef> {
      const auto found = files_.find(content);
      return found == files_.end() ? absl::StatusOr<LayerRef>(NotFound("gone")) : found->second;
    };
    build.explainer = std::make_unique<Explainer>(*build.graph, options_);
    return build;
  }
  void End(const Build& build) { earlier_.insert(earlier_.begin(), build.explainer->Serialize()); }

  void Base(const Build& build, uint32_t stage, const std::string& base) {
    BuiltStage state;
    state.chain = {Digest::Of(base)};
    state.base_layers = 1;
    build.explainer->Began(stage, state);
  }

  // A step that is made from these parts, on what the one before it made.
  static zlayer::Step StepOn(const Build& build, std::vector<StepPart> parts) {
    std::string key = build.below.Hex();
    for (const StepPart& part : parts) {
      key +=
          part.name + part.value + (part.files == nullptr ? "" : part.files->ContentDigest().Hex());
    }
    zlayer::Step step;
    step.key = Digest::Of(key);
    step.parts = std::move(parts);
    return step;
  }
  static void Make(Build& build, OperationId id, const zlayer::Step& step,
                   const std::string& made) {
    StepResult result;
    result.layer = MakeIndex({FileEntry("f", made)});
    build.below = result.layer->ContentDigest();
    build.explainer->Done(id, step, result);
  }
  // Explains a step, then does it; what it makes is `made`.
  static std::string Step(Build& build, OperationId id, std::vector<StepPart> parts,
                          const std::string& made) {
    const zlayer::Step step = StepOn(build, std::move(parts));
    std::string why = build.explainer->Explain(id, step);
    Make(build, id, step, made);
    return why;
  }

  static StepPart Value(std::string name, std::string value) {
    return {.name = std::move(name), .value = std::move(value), .files = nullptr};
  }
  StepPart FilesPart(std::vector<Entry> entries) {
    LayerRef files = MakeIndex(entries);
    files_[files->ContentDigest()] = files;
    return {.name = "the files",
            .value = "",
            .files = files,
            .origin = {},
            .names = [](std::string_view path) { return std::string(path); }};
  }
  StepPart File(const std::string& content) { return FilesPart({FileEntry("a", content)}); }

  ExplainerOptions options_;
  std::vector<std::string> earlier_;
  std::map<Digest, LayerRef> files_;
};

// Of one stage, "app" on debian, with these steps.
std::string Stage(const std::vector<std::string>& steps, const std::string& platform = "amd64") {
  std::string text =
      "stages { name: \"app\" base_text: \"debian\" platform { os: \"linux\" "
      "architecture: \"" +
      platform + "\" } operations { image {} }";
  for (const std::string& step : steps) {
    text += "operations { text: \"" + step + "\" " +
            (step.starts_with("COPY") ? "copy {}" : "run {}") + " }";
  }
  return text + "} targets: 0";
}

const std::string kOneStage = Stage({"COPY . /src", "RUN make"});

TEST_F(ExplainerTest, TheFirstBuildIsTheFirstTime) {
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {File("1")}, "1"), "first time");
}

TEST_F(ExplainerTest, OfTheSameStepThePartThatDiffersIsNamed) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {File("1")}, "1");
  Step(first, {0, 2},
       {Value("the command", "make"), Value("the variable CC", "gcc"), Value("the variable X", "")},
       "2");
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {File("2")}, "1"), "miss: file a changed");
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
  Step(first, {0, 1}, {File("1")}, "1");
  Step(first, {0, 2}, make, "2");
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  Step(second, {0, 1}, {File("2")}, "other");
  EXPECT_EQ(Step(second, {0, 2}, make, "2"), "miss: \"COPY . /src\" before it made something else");
}

TEST_F(ExplainerTest, ABaseThatChangedIsNamed) {
  Build first = Begin(Stage({"RUN make"}));
  Base(first, 0, "debian-1");
  first.below = Digest::Of("debian-1");
  Step(first, {0, 1}, {Value("the command", "make")}, "1");
  End(first);
  Build second = Begin(Stage({"RUN make"}));
  Base(second, 0, "debian-2");
  second.below = Digest::Of("debian-2");
  EXPECT_EQ(Step(second, {0, 1}, {Value("the command", "make")}, "1"),
            "miss: the base image debian changed");
}

TEST_F(ExplainerTest, APlatformThatChangedIsNamed) {
  Build first = Begin(Stage({"COPY . /src"}));
  Base(first, 0, "scratch");
  Step(first, {0, 1}, {File("1")}, "1");
  End(first);
  Build second = Begin(Stage({"COPY . /src"}, "arm64"));
  Base(second, 0, "scratch");
  second.below = Digest::Of("arm64");
  EXPECT_EQ(Step(second, {0, 1}, {File("1")}, "1"),
            "miss: the platform was linux/amd64, now it is linux/arm64");
}

// A build of RUN instructions, each made from its text; what each one's reason is.
class InstructionsTest : public ExplainerTest {
 protected:
  std::vector<std::string> Run(const std::vector<std::string>& steps) {
    Build build = Begin(Stage(steps));
    Base(build, 0, "debian-1");
    std::vector<std::string> reasons;
    std::string all;
    for (size_t i = 0; i < steps.size(); ++i) {
      all += steps[i];
      const OperationId id{0, static_cast<uint32_t>(i + 1)};
      const zlayer::Step step = StepOn(build, {Value("the command", steps[i])});
      reasons.push_back(build.explainer->Explain(id, step));
      Make(build, id, step, all);
    }
    End(build);
    return reasons;
  }
};

TEST_F(InstructionsTest, AChangedOneIsNamed) {
  Run({"RUN a", "RUN make"});
  EXPECT_EQ(Run({"RUN a", "RUN make all"})[1],
            "miss: the instruction changed, it was \"RUN make\"");
}

TEST_F(InstructionsTest, OneThatIsInsertedIsNew) {
  Run({"RUN a", "RUN b"});
  const std::vector<std::string> reasons = Run({"RUN a", "RUN true", "RUN b"});
  EXPECT_EQ(reasons[1], "first time: the instruction is new");
  EXPECT_EQ(reasons[2], "miss: \"RUN true\" before it is new");
}

TEST_F(InstructionsTest, OneThatWasRemovedIsNamed) {
  Run({"RUN 1", "RUN 2", "RUN 3"});
  EXPECT_EQ(Run({"RUN 1", "RUN 3"})[1], "miss: \"RUN 2\" is no longer before it");
}

TEST_F(InstructionsTest, ThoseThatWereSwappedAreNamed) {
  Run({"RUN 1", "RUN 2", "RUN 3"});
  const std::vector<std::string> reasons = Run({"RUN 2", "RUN 1", "RUN 3"});
  EXPECT_EQ(reasons[0], "miss: the instruction was moved");
  EXPECT_EQ(reasons[1], "miss: \"RUN 2\" before it was moved");
  EXPECT_EQ(reasons[2], "miss: \"RUN 2\" before it was moved");
}

TEST_F(ExplainerTest, TheSameKeyWithoutAResultIsEvicted) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {Value("the command", "x")}, "1");
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {Value("the command", "x")}, "1"), "evicted");
}

// What is made again is another layer, of the same content.
TEST_F(ExplainerTest, WhatStoodOnAnEvictedLayerIsEvicted) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  zlayer::Step run = StepOn(first, {Value("the command", "make")});
  run.content_key = Digest::Of("content");
  Step(first, {0, 1}, {File("1")}, "1");
  first.explainer->Explain({0, 2}, run);
  Make(first, {0, 2}, run, "2");
  End(first);
  files_.clear();
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {File("1")}, "1"), "evicted");
  run.key = Digest::Of("on the layer that was made again");
  EXPECT_EQ(second.explainer->Explain({0, 2}, run), "evicted");
}

TEST_F(ExplainerTest, WhatFailedTheLastTimeWasNotFinished) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  first.explainer->Explain({0, 1}, StepOn(first, {File("1")}));
  End(first);
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {File("1")}, "1"), "miss: the earlier build did not finish it");
  EXPECT_EQ(Step(second, {0, 2}, {Value("the command", "make")}, "2"), "first time");
}

TEST_F(ExplainerTest, TheMostAlikeOfTheEarlierBuildsCounts) {
  Build alike = Begin(kOneStage);
  Base(alike, 0, "debian-1");
  Step(alike, {0, 1}, {File("1")}, "1");
  End(alike);
  Build other = Begin(Stage({"RUN other"}));
  Base(other, 0, "x");
  Step(other, {0, 1}, {Value("the command", "other")}, "o");
  End(other);
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {File("2")}, "1"), "miss: file a changed");
}

TEST_F(ExplainerTest, OfBuildsWithTheSameTextsTheOneMadeFromTheSameIsNearest) {
  const auto run = [this](const std::string& file, const std::string& argument) {
    Build build = Begin(kOneStage);
    Base(build, 0, "debian-1");
    Step(build, {0, 1}, {File(file)}, file);
    std::string why = Step(build, {0, 2}, {Value("the variable A", argument)}, argument);
    End(build);
    return why;
  };
  run("1", "1");
  EXPECT_EQ(run("1", "2"), "miss: the variable A changed");
  EXPECT_EQ(run("2", "1"), "miss: \"COPY . /src\" before it made something else");
}

TEST_F(ExplainerTest, OfBuildsWithTheSameTextsTheOneOnTheSameBaseIsNearest) {
  for (const char* base : {"debian-1", "debian-2"}) {
    Build build = Begin(kOneStage);
    Base(build, 0, base);
    Step(build, {0, 1}, {File("1")}, "1");
    Step(build, {0, 2}, {Value("the command", "make")}, "2");
    End(build);
  }
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  Step(build, {0, 1}, {File("2")}, "other");
  EXPECT_EQ(Step(build, {0, 2}, {Value("the command", "make")}, "2"),
            "miss: \"COPY . /src\" before it made something else");
}

TEST_F(ExplainerTest, OfBuildsAsMuchAlikeTheOneWithTheFewestOtherFilesIsNearest) {
  const auto run = [this](const std::string& a, const std::string& b) {
    Build build = Begin(kOneStage);
    Base(build, 0, "debian-1");
    std::string why = Step(build, {0, 1}, {FilesPart({FileEntry("a", a), FileEntry("b", b)})}, a);
    End(build);
    return why;
  };
  run("1", "1");
  run("2", "2");
  EXPECT_EQ(run("1", "3"), "miss: file b changed");
}

// Of builds without tags nobody knows whether they are of the same project.
TEST_F(ExplainerTest, ABuildOfSomethingElseIsNoEarlierOne) {
  options_.earlier_may_differ = true;
  Build other = Begin(Stage({"RUN echo p1", "RUN echo common"}));
  Base(other, 0, "busybox");
  Step(other, {0, 1}, {Value("the command", "p1")}, "1");
  Step(other, {0, 2}, {Value("the command", "common")}, "2");
  End(other);
  Build different = Begin(Stage({"RUN echo p2", "RUN echo other"}));
  Base(different, 0, "busybox");
  EXPECT_EQ(Step(different, {0, 1}, {Value("the command", "p2")}, "1"), "first time");
  Build changed = Begin(Stage({"RUN echo changed", "RUN echo common"}));
  Base(changed, 0, "busybox");
  EXPECT_EQ(Step(changed, {0, 1}, {Value("the command", "changed")}, "1"),
            "miss: the instruction changed, it was \"RUN echo p1\"");
}

TEST_F(ExplainerTest, AnUnnamedTargetIsFoundAgainThoughAStageCameBeforeIt) {
  const std::string last = R"( stages { base_text: "b" operations { image {} }
                                        operations { text: "COPY a /" copy {} } } )";
  Build first = Begin(last + "targets: 0");
  Base(first, 0, "b");
  Step(first, {0, 1}, {File("1")}, "1");
  End(first);
  Build second = Begin(R"(stages { base_text: "b" operations { image {} }
                                   operations { text: "RUN x" run {} } })" +
                       last + "targets: 1");
  second.graph->mutable_stages(1)->mutable_operations(1)->mutable_copy()->add_sources();
  Base(second, 1, "b");
  EXPECT_EQ(Step(second, {1, 1}, {File("2")}, "2"), "miss: file a changed");
}

TEST_F(ExplainerTest, FilesThatAreGoneAreNotNamed) {
  Build first = Begin(kOneStage);
  Base(first, 0, "debian-1");
  Step(first, {0, 1}, {File("1")}, "1");
  End(first);
  files_.clear();
  Build second = Begin(kOneStage);
  Base(second, 0, "debian-1");
  EXPECT_EQ(Step(second, {0, 1}, {File("2")}, "1"), "miss: the files changed");
}

TEST_F(ExplainerTest, AMountedDirectoryThatBecameAFileIsNamed) {
  const auto mount = [this](std::vector<Entry> entries) {
    StepPart part = FilesPart(std::move(entries));
    part.name = "the mount on /f";
    part.origin.layers = {Digest::Of("layer")};
    part.names = [](std::string_view) { return "src/one"; };
    return part;
  };
  const StepPart directory = mount({DirectoryEntry(""), FileEntry("x")});
  const StepPart file = mount({FileEntry("file")});
  Build first = Begin(Stage({"RUN make"}));
  Step(first, {0, 1}, {directory}, "1");
  End(first);
  Build second = Begin(Stage({"RUN make"}));
  EXPECT_EQ(Step(second, {0, 1}, {file}, "1"),
            "miss: src/one was a directory, now it is a file (the mount on /f)");
  End(second);
  Build third = Begin(Stage({"RUN make"}));
  earlier_.resize(1);
  EXPECT_EQ(Step(third, {0, 1}, {directory}, "1"),
            "miss: src/one was a file, now it is a directory (the mount on /f)");
}

TEST_F(ExplainerTest, OfATooLargeBuildThePartsThatFitAreKept) {
  const auto run = [this](const std::string& file, const std::string& variable) {
    Build build = Begin(kOneStage);
    Base(build, 0, "debian-1");
    const std::string first = Step(build, {0, 1}, {File(file)}, "1");
    std::vector<StepPart> many;
    for (int i = 0; i < 100; ++i) {
      many.push_back(Value("the variable X" + std::to_string(i), variable));
    }
    const std::string second = Step(build, {0, 2}, many, "2");
    End(build);
    EXPECT_LE(earlier_.front().size(), options_.max_bytes);
    return first + "; " + second;
  };
  options_.max_bytes = 400;
  run("1", "1");
  EXPECT_EQ(run("2", "2"),
            "miss: file a changed; miss: what it was made from was too large to be remembered");
}

TEST_F(ExplainerTest, OfATooLargeBuildTheStepsThatFitAreKept) {
  const std::string text = Stage({"COPY . /src", "RUN " + std::string(500, 'x')});
  options_.max_bytes = 400;
  for (const char* why :
       {"first time", "miss: the earlier build was too large to be remembered whole"}) {
    Build build = Begin(text);
    Base(build, 0, "debian-1");
    Step(build, {0, 1}, {File("1")}, "1");
    EXPECT_EQ(Step(build, {0, 2}, {Value("the command", "x")}, "2"), why);
    End(build);
  }
}

TEST_F(ExplainerTest, DamagedExplanationsAreNone) {
  earlier_ = {"\xff\xff\xff", ""};
  Build build = Begin(kOneStage);
  Base(build, 0, "debian-1");
  EXPECT_EQ(Step(build, {0, 1}, {}, "1"), "first time");
}

}  // namespace
}  // namespace zlayer
