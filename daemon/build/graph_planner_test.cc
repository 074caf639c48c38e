#include "daemon/build/graph_planner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "daemon/frontend/zimagefile/file_name.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AnyImage : public ImageResolver {
 public:
  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token) override {
    ResolvedImage image{
        .reference = reference, .digest = "sha256:1", .platform = platform, .config = {}};
    image.config.add_env("PATH=/bin");
    if (platform.os() == "windows") {
      image.platform.set_os_version("10.0.26100");
    }
    return image;
  }
};

// Build files by their paths in the context, and what they become.
class GraphPlannerTest : public ::testing::Test {
 protected:
  absl::StatusOr<FileToBuild> Read(const std::string& directory, const std::string& file) {
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (const std::string& name : file.empty()
                                       ? std::vector<std::string>{"ZImagefile", "Dockerfile"}
                                       : std::vector<std::string>{file}) {
      if (const auto at = files_.find(prefix + name); at != files_.end()) {
        read_.push_back(at->first);
        FileToBuild found;
        found.source.set_name(at->first);
        found.source.set_content(at->second);
        found.is_zimagefile = IsZImagefilePath(name);
        return found;
      }
    }
    return NotFound("the build context has no such file");
  }

  absl::StatusOr<PlannedFile> Plan() {
    return GraphPlanner(options_).Plan(Read("", "ZImagefile").value());
  }

  ExaminedFile Examine() { return GraphPlanner(options_).Examine(Read("", "ZImagefile").value()); }

  // The graph, which must be valid.
  v1::Graph Graph() {
    absl::StatusOr<PlannedFile> planned = Plan();
    EXPECT_OK(planned);
    if (!planned.ok()) {
      return {};
    }
    EXPECT_OK(ValidateGraph(planned->graph));
    return planned->graph;
  }

  std::map<std::string, std::string> files_;
  std::vector<std::string> read_;
  v1::BuildSpec spec_;
  AnyImage resolver_;
  const GraphPlannerOptions options_{
      .spec = &spec_,
      .resolver = &resolver_,
      .read = [this](const std::string& directory,
                     const std::string& file) { return Read(directory, file); },
      .stop = {}};
};

std::vector<std::string> BuildsOf(const v1::Graph& graph) {
  std::vector<std::string> builds;
  for (const v1::Stage& stage : graph.stages()) {
    builds.push_back(stage.build());
  }
  return builds;
}

TEST_F(GraphPlannerTest, ANestedBuildIsAStageOfTheGraph) {
  files_["ZImagefile"] = "build: ./deps\nsteps:\n  - run: make\n";
  files_["deps/Dockerfile"] =
      "FROM busybox AS base\nENV A=b\nWORKDIR /w\nCOPY x /x\nRUN --mount=target=/m true\n";
  const v1::Graph graph = Graph();
  ASSERT_THAT(BuildsOf(graph), ElementsAre("deps", ""));
  EXPECT_EQ(graph.stages(0).name(), "base");
  EXPECT_EQ(graph.stages(0).operations(3).copy().sources(0).from().directory(), "deps");
  EXPECT_EQ(graph.stages(0).operations(4).run().mounts(0).from().directory(), "deps");
  EXPECT_EQ(graph.stages(0).operations(3).source().file(), "deps/Dockerfile");
  const v1::Stage& own = graph.stages(1);
  EXPECT_EQ(own.base_text(), "build: deps");
  EXPECT_EQ(own.operations(0).stage().stage(), 0u);
  EXPECT_THAT(own.operations(1).run().env(), Contains("A=b"));
  EXPECT_EQ(own.operations(1).run().working_directory(), "/w");
  EXPECT_THAT(graph.targets(), ElementsAre(1u));
}

TEST_F(GraphPlannerTest, BuildsNestInBuildsAndThoseThatAreTheSameAreOne) {
  files_["ZImagefile"] =
      "stages:\n"
      "  a: {build: a}\n"
      "  b: {build: b}\n"
      "  c: {build: {workdir: shared, args: {X: \"1\"}}}\n"
      "  app:\n"
      "    base: scratch\n"
      "    steps:\n"
      "      - {copy: x, from: a, to: /a}\n"
      "      - {copy: x, from: b, to: /b}\n"
      "      - {copy: x, from: c, to: /c}\n";
  files_["a/ZImagefile"] = "build: ../shared\n";
  files_["b/ZImagefile"] = "build: ../shared\n";
  files_["shared/Dockerfile"] = "FROM busybox\nARG X\nRUN echo $X\n";
  EXPECT_THAT(BuildsOf(Graph()), ElementsAre("a/shared", "a", "b", "c", "", "", "", ""));
}

TEST_F(GraphPlannerTest, OfBuildArgumentsThoseOfTheDirectiveAndTheKnownOnesCount) {
  files_["ZImagefile"] = "build: {workdir: deps, args: {MINE: \"m\"}}\n";
  files_["deps/Dockerfile"] = "FROM busybox\nARG MINE\nARG THEIRS=default\nRUN true\n";
  (*spec_.mutable_build_args())["THEIRS"] = "t";
  (*spec_.mutable_build_args())["HTTP_PROXY"] = "p";
  const v1::Graph graph = Graph();
  const v1::Run& run = graph.stages(0).operations(3).run();
  EXPECT_THAT(run.env(), Contains("MINE=m"));
  EXPECT_THAT(run.env(), Contains("THEIRS=default"));
  EXPECT_THAT(run.proxy_env(), Contains("HTTP_PROXY=p"));
}

TEST_F(GraphPlannerTest, TheRequestsTargetAndLabelsAreTheImages) {
  files_["ZImagefile"] = "stages:\n  app: {build: deps}\n  other: {base: busybox}\n";
  files_["deps/Dockerfile"] = "FROM busybox AS app\nLABEL own=1\nFROM busybox AS last\nRUN true\n";
  spec_.set_target("app");
  (*spec_.mutable_labels())["l"] = "v";
  const v1::Graph graph = Graph();
  ASSERT_THAT(BuildsOf(graph), ElementsAre("app", ""));
  EXPECT_EQ(graph.stages(0).name(), "last");
  EXPECT_EQ(graph.stages(1).operations(1).config(0).set_label().key(), "l");
}

TEST_F(GraphPlannerTest, TriggersOfANestedBuildRunInWhatBeginsWithIt) {
  files_["ZImagefile"] = "build: deps\n";
  files_["deps/Dockerfile"] = "FROM busybox\nONBUILD RUN triggered\n";
  const v1::Graph graph = Graph();
  ASSERT_EQ(graph.stages(1).operations_size(), 2);
  EXPECT_THAT(graph.stages(1).operations(1).run().argv(), Contains("triggered"));
  EXPECT_TRUE(graph.stages(1).operations(0).config(0).clear_on_build());
}

TEST_F(GraphPlannerTest, WhatIsNotNeededIsNotRead) {
  files_["ZImagefile"] = "stages:\n  unused: {build: gone}\n  app: {base: busybox}\n";
  EXPECT_THAT(BuildsOf(Graph()), ElementsAre(""));
  EXPECT_THAT(read_, ElementsAre("ZImagefile"));
}

TEST_F(GraphPlannerTest, ABuildInItselfIsRefusedWithItsPath) {
  files_["ZImagefile"] = "build: a\n";
  files_["a/ZImagefile"] = "build: ../b\n";
  files_["b/ZImagefile"] = "\nbuild: ../a\n";
  const absl::Status status = Plan().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("a/ZImagefile -> b/ZImagefile -> a/ZImagefile")));
  const v1::ErrorDetail detail = DetailOf(status);
  EXPECT_EQ(detail.reason(), "CIRCULAR_DEPENDENCY");
  EXPECT_THAT(detail.items(), ElementsAre("a/ZImagefile", "b/ZImagefile", "a/ZImagefile"));
  EXPECT_EQ(detail.source().file(), "b/ZImagefile");
  EXPECT_EQ(detail.source().first_line(), 2u);
  EXPECT_THAT(detail.excerpt().lines(), Contains("build: ../a"));
}

TEST_F(GraphPlannerTest, DepthIsLimited) {
  std::string directory;
  for (int i = 0; i < 20; ++i) {
    files_[directory + "ZImagefile"] = "build: d\n";
    directory += "d/";
  }
  files_[directory + "ZImagefile"] = "base: scratch\n";
  EXPECT_THAT(Plan().status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 16 deep")));
}

TEST_F(GraphPlannerTest, DirectoriesStayInTheContext) {
  files_["ZImagefile"] = "build: a/../..\n";
  const absl::Status outside = Plan().status();
  EXPECT_THAT(outside, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("outside of the build context")));
  EXPECT_EQ(DetailOf(outside).source().file(), "ZImagefile");
  files_["ZImagefile"] = "build: /etc\n";
  EXPECT_FALSE(Plan().ok());
  EXPECT_THAT(read_, Not(Contains(HasSubstr("etc"))));
}

TEST_F(GraphPlannerTest, AnErrorInANestedFileIsShownThere) {
  files_["ZImagefile"] = "build: deps\n";
  files_["deps/Dockerfile"] = "FROM busybox\nRNU x\n";
  v1::ErrorDetail detail = DetailOf(Plan().status());
  EXPECT_EQ(detail.source().file(), "deps/Dockerfile");
  EXPECT_EQ(detail.source().first_line(), 2u);
  EXPECT_THAT(detail.excerpt().lines(), ElementsAre("FROM busybox", "RNU x"));
  files_["deps/Dockerfile"] = "FROM busybox\nCOPY --from=later a b\nFROM x AS later\nFROM 0\n";
  files_["deps/Dockerfile"] = "FROM busybox AS one\nCOPY --from=one a b\n";
  detail = DetailOf(Plan().status());
  EXPECT_EQ(detail.source().file(), "deps/Dockerfile");
  EXPECT_EQ(detail.stage(), "one");
  EXPECT_EQ(detail.instruction(), "COPY --from=one a b");
}

TEST_F(GraphPlannerTest, AnExaminationTellsOfNestedFilesToo) {
  files_["ZImagefile"] = "build: deps\nsteps:\n  - workdir: /own\n";
  files_["deps/Dockerfile"] = "FROM busybox\nMAINTAINER me\n";
  ExaminedFile examined = Examine();
  EXPECT_OK(examined.found.status);
  EXPECT_FALSE(examined.found.warnings_are_errors);
  ASSERT_EQ(examined.found.warnings.size(), 1u);
  EXPECT_EQ(examined.found.warnings[0].rule(), "MaintainerDeprecated");
  EXPECT_EQ(examined.found.warnings[0].source().file(), "deps/Dockerfile");
  ASSERT_EQ(examined.files.size(), 2u);
  EXPECT_EQ(examined.files[0].name(), "ZImagefile");
  EXPECT_EQ(examined.files[1].name(), "deps/Dockerfile");

  files_["deps/Dockerfile"] = "# check=error=true\nFROM busybox\nMAINTAINER me\n";
  EXPECT_TRUE(Examine().found.warnings_are_errors);

  files_["deps/Dockerfile"] = "FROM busybox\nRNU x\n";
  examined = Examine();
  EXPECT_EQ(DetailOf(examined.found.status).source().file(), "deps/Dockerfile");
  EXPECT_EQ(examined.files.size(), 2u);
}

TEST_F(GraphPlannerTest, WhatTheFileSaysOfTheImageCountsWhereTheRequestSaysNothing) {
  files_["ZImagefile"] = "base: scratch\nannotations: {a: file, b: file}\n";
  (*spec_.mutable_annotations())["b"] = "request";
  ASSERT_OK_AND_ASSIGN(const PlannedFile planned, Plan());
  EXPECT_THAT(planned.annotations,
              ElementsAre(testing::Pair("a", "file"), testing::Pair("b", "request")));
  files_["ZImagefile"] = "base: scratch\nos: darwin\n";
  const absl::Status darwin = Plan().status();
  EXPECT_THAT(darwin, StatusIs(absl::StatusCode::kUnimplemented,
                               AllOf(HasSubstr("ZImagefile"), HasSubstr("darwin"))));
  EXPECT_EQ(DetailOf(darwin).reason(), "UNSUPPORTED_OPTION");
  files_["ZImagefile"] = "base: scratch\nos: windows\n";
  EXPECT_EQ(Graph().stages(0).platform().os(), "windows");
  spec_.set_target_os("linux");
  EXPECT_EQ(Graph().stages(0).platform().os(), "linux");
  spec_.clear_target_os();
  files_["ZImagefile"] = "base: scratch\nplatform: linux/s390x\n";
  EXPECT_EQ(Graph().stages(0).platform().architecture(), "s390x");
  spec_.add_platforms("linux/riscv64");
  EXPECT_EQ(Graph().stages(0).platform().architecture(), "riscv64");
}

TEST_F(GraphPlannerTest, ANestedBuildIsForTheSystemOfItsParent) {
  files_["ZImagefile"] = "build: deps\nos: windows\nsteps:\n  - workdir: /app\n";
  files_["deps/Dockerfile"] = "FROM scratch\nENV a=b\n";
  const v1::Graph scratch = Graph();
  EXPECT_EQ(scratch.stages(0).platform().os(), "windows");
  EXPECT_EQ(scratch.stages(1).platform().os(), "windows");
  spec_.set_windows_ltsc("ltsc2025");
  files_["deps/Dockerfile"] = "FROM alpine\n";
  ASSERT_OK_AND_ASSIGN(const PlannedFile planned, Plan());
  EXPECT_THAT(planned.graph.stages(0).operations(0).image().reference(), HasSubstr("ltsc2025"));
  ASSERT_EQ(planned.warnings.size(), 1u);
  EXPECT_EQ(planned.warnings[0].rule(), "WindowsBaseRewritten");
  EXPECT_EQ(planned.warnings[0].source().file(), "deps/Dockerfile");
  EXPECT_EQ(planned.graph.stages(1).platform().os_version(), "10.0.26100");
}

TEST_F(GraphPlannerTest, ModulesAreRefusedByName) {
  files_["ZImagefile"] = "wasm: {}\n";
  const absl::Status status = Plan().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("WebAssembly")));
  EXPECT_EQ(DetailOf(status).reason(), "UNSUPPORTED_OPTION");
}

TEST_F(GraphPlannerTest, VariablesOfTheRequestAreInTheText) {
  files_["ZImagefile"] = "base: ${IMAGE:-alpine}:${TAG}\n";
  (*spec_.mutable_pipeline_vars())["TAG"] = "7";
  (*spec_.mutable_pipeline_vars())["IMAGE"] = "";
  ASSERT_OK_AND_ASSIGN(const PlannedFile planned, Plan());
  EXPECT_EQ(planned.graph.stages(0).operations(0).image().reference(), "alpine:7");
  EXPECT_EQ(planned.files.front().source.content(), "base: alpine:7\n");
}

}  // namespace
}  // namespace zlayer
