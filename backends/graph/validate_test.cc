#include "backends/graph/validate.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Graph Parse(const std::string& text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &graph)) << text;
  return graph;
}

// A graph of one stage from scratch with one further operation.
v1::Graph WithOperation(const std::string& operation) {
  return Parse("stages { name: \"s\" operations { scratch {} } operations { text: \"OP\" " +
               operation + " } } targets: 0");
}

TEST(ValidateGraphTest, AcceptsACompleteGraph) {
  EXPECT_OK(ValidateGraph(Parse(R"(
    stages { name: "build"
      operations { image { reference: "docker.io/library/debian:bookworm" } }
      operations { run { argv: "/bin/sh" argv: "-c" argv: "make" env: "A=b" working_directory: "/" } } }
    stages {
      operations { scratch {} }
      operations { copy { sources { from { stage: 0 } path: "/out" } destination: "/" mode: "u=rwX" } }
      operations { make_directory { path: "/srv" mode: 448 } }
      operations { config { set_user: "1000" } } }
    targets: 1)")));
}

TEST(ValidateGraphTest, RefusesAnEpochThatNoDateHas) {
  v1::Graph graph = WithOperation("config { set_user: \"1\" }");
  graph.set_source_date_epoch(static_cast<int64_t>(kMaxSourceDateEpoch));
  EXPECT_OK(ValidateGraph(graph));
  for (const int64_t bad : {int64_t{-1}, static_cast<int64_t>(kMaxSourceDateEpoch) + 1}) {
    graph.set_source_date_epoch(bad);
    EXPECT_THAT(ValidateGraph(graph),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("source_date_epoch")));
  }
}

struct BadGraph {
  const char* operation;
  const char* message;
};

class ValidateOperationTest : public ::testing::TestWithParam<BadGraph> {};

TEST_P(ValidateOperationTest, IsRefusedWithItsPlace) {
  EXPECT_THAT(
      ValidateGraph(WithOperation(GetParam().operation)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("stage 0 (s), operation 1 (OP): "), HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidateOperationTest,
    ::testing::Values(
        BadGraph{"scratch {}", "only a stage's first operation"},
        BadGraph{
            "copy { sources { from { context: \"\" directory: \"../a\" } } destination: \"/\" }",
            "not a clean path"},
        BadGraph{"copy { sources { from { context: \"\" directory: \"/a\" } } destination: \"/\" }",
                 "not a clean path"},
        BadGraph{"copy { sources { from { stage: 0 directory: \"a\" } } destination: \"/\" }",
                 "only what is from a context"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" "
                 "from { git { url: \"u\" } directory: \"a\" } } }",
                 "only what is from a context"},
        BadGraph{"run { working_directory: \"/\" }", "no command"},
        BadGraph{"run { argv: \"a\\000b\" working_directory: \"/\" }", "NUL"},
        BadGraph{"run { argv: \"a\" working_directory: \"rel\" }", "not an absolute path"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" env: \"A\" }", "not KEY=value"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" env: \"=x\" }", "not KEY=value"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"x\" } }",
                 "absolute"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"//\" } }",
                 "on \"/\""},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" } }",
                 "where it is from"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" "
                 "from { stage: 0 } } }",
                 "only stages before it"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" "
                 "type: TMPFS from { context: \"\" } } }",
                 "only bind and cache"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" "
                 "type: CACHE } }",
                 "no id"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" mounts { target: \"/x\" "
                 "type: CACHE id: \"x\" mode: 4096 } }",
                 "larger than 07777"},
        BadGraph{"run { argv: \"a\" working_directory: \"/\" hostname: \"a b\" }",
                 "not a host name"},
        BadGraph{"copy { destination: \"/\" }", "0 sources"},
        BadGraph{"copy { sources { path: \"a\" } destination: \"/\" }", "where it is from"},
        BadGraph{"copy { sources { from { context: \"\" } path: \"a\" } destination: \"b\" }",
                 "not an absolute path"},
        BadGraph{"copy { sources { from { stage: 0 } path: \"a\" } destination: \"/\" }",
                 "only stages before it"},
        BadGraph{"copy { sources { from { image {} } path: \"a\" } destination: \"/\" }",
                 "no reference"},
        BadGraph{"copy { sources { from { context: \"\" } path: \"a\" } destination: \"/\" "
                 "mode: \"99\" }",
                 "not a mode"},
        BadGraph{"copy { sources { from { context: \"\" } path: \"a\" } destination: \"/\" "
                 "exclude: \"[x\" }",
                 "[x"},
        BadGraph{"make_directory { path: \"srv\" }", "not an absolute path"},
        BadGraph{"make_directory { path: \"/srv\" mode: 4096 }", "larger than 07777"},
        BadGraph{"config { set_env { key: \"A=B\" } }", "not the name of a variable"},
        BadGraph{"config { }", "is empty"}));

TEST(ValidateGraphTest, RefusesWrongShapes) {
  for (const char* text : {
           "targets: 0",
           "stages { operations { scratch {} } }",
           "stages { operations { scratch {} } } targets: 1",
           "stages { operations { scratch {} } } targets: 0 targets: 0",
           "stages { } targets: 0",
           "stages { operations { config { set_user: \"a\" } } } targets: 0",
           "stages { operations { stage { stage: 0 } } } targets: 0",
           "stages { operations { image {} } } targets: 0",
       }) {
    EXPECT_THAT(ValidateGraph(Parse(text)), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(NeededStagesTest, FollowsBasesCopiesAndMounts) {
  const v1::Graph graph = Parse(R"(
    stages { operations { scratch {} } }
    stages { operations { scratch {} } }
    stages { operations { scratch {} } }
    stages { operations { stage { stage: 0 } } }
    stages { operations { stage { stage: 3 } }
             operations { copy { sources { from { stage: 1 } path: "a" } destination: "/" } } }
    stages { operations { scratch {} }
             operations { run { mounts { from { stage: 4 } } } } }
    targets: 5)");
  EXPECT_THAT(NeededStages(graph), ElementsAre(true, true, false, true, true, true));
}

TEST(ValidateInlineMountTest, IsABindOfOneFile) {
  v1::Graph graph;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
      stages {
        operations { scratch {} }
        operations { run { argv: "x" working_directory: "/" proxy_env: "http_proxy=p"
          mounts { target: "/dev/pipes/x" source: "x" from { inline: "#!" } } } }
      }
      targets: 0)",
                                                            &graph));
  EXPECT_OK(ValidateGraph(graph));
  v1::Run& run = *graph.mutable_stages(0)->mutable_operations(1)->mutable_run();
  run.mutable_mounts(0)->set_source("a/b");
  EXPECT_FALSE(ValidateGraph(graph).ok());
  run.mutable_mounts(0)->set_source("x");
  run.mutable_mounts(0)->set_type(v1::Mount::CACHE);
  run.mutable_mounts(0)->set_id("id");
  EXPECT_FALSE(ValidateGraph(graph).ok());
  run.clear_mounts();
  run.add_proxy_env("novalue");
  EXPECT_FALSE(ValidateGraph(graph).ok());
}

}  // namespace
}  // namespace zlayer
