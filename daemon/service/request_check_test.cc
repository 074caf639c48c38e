#include "daemon/service/request_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using v1::BuildSpec;

// A request that passes.
v1::SubmitBuildRequest Valid() {
  v1::SubmitBuildRequest request;
  BuildSpec& spec = *request.mutable_spec();
  spec.mutable_dockerfile_inline()->set_content("FROM scratch\nLABEL a=b\n");
  spec.add_tags("app:1");
  return request;
}

BuildSpec ValidSpec() { return Valid().spec(); }

v1::SubmitBuildRequest WithContext() {
  v1::SubmitBuildRequest request = Valid();
  request.mutable_spec()->clear_source();
  (*request.mutable_spec()->mutable_contexts())[""].set_uploaded("c1");
  return request;
}

TEST(CheckSubmission, AcceptsAPlainRequest) { EXPECT_OK(CheckSubmission(Valid())); }

TEST(CheckSubmission, AcceptsTheDefaultsSpelledOut) {
  v1::SubmitBuildRequest request = Valid();
  request.set_namespace_("team-1");
  request.set_priority(-100);
  request.set_idempotency_key(std::string(128, 'k'));
  BuildSpec& spec = *request.mutable_spec();
  spec.add_platforms(FormatPlatform(HostPlatform()));
  spec.set_target_os("linux");
  spec.set_pull(v1::PULL_NEWER);
  spec.set_push(true);
  spec.add_tags("registry.example/app:1");
  spec.set_format("oci");
  spec.set_layers(true);
  spec.set_host_network(true);
  spec.set_retries(100);
  spec.set_source_hash("auto");
  spec.add_default_cache_mounts()->set_type(v1::Mount::CACHE);
  spec.mutable_default_cache_mounts(0)->set_target("/root/.cache");
  spec.add_outputs()->set_type("image");
  auto& attributes = *spec.mutable_outputs(0)->mutable_attributes();
  attributes["rewrite-timestamp"] = "false";
  attributes["compression"] = "zstd";
  attributes["compression-level"] = "19";
  spec.set_backend("native");
  spec.set_no_cache(true);
  (*spec.mutable_labels())["a"] = "b";
  (*spec.mutable_annotations())["a"] = "b";
  (*spec.mutable_build_args())["A"] = "b";
  (*spec.mutable_contexts())[""].set_uploaded("c1");
  EXPECT_OK(CheckSubmission(request));
}

struct UnsupportedCase {
  std::string option;
  std::function<void(BuildSpec&)> set;
};

void PrintTo(const UnsupportedCase& test, std::ostream* out) { *out << test.option; }

class Unsupported : public ::testing::TestWithParam<UnsupportedCase> {};

TEST_P(Unsupported, IsRefusedByName) {
  BuildSpec spec = ValidSpec();
  GetParam().set(spec);
  absl::Status status = CheckSpec(spec);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnimplemented,
                               HasSubstr("option " + GetParam().option + " ")));
  EXPECT_EQ(DetailOf(status).reason(), "UNSUPPORTED_OPTION");
  EXPECT_EQ(DetailOf(status).subject(), GetParam().option);
}

INSTANTIATE_TEST_SUITE_P(
    Options, Unsupported,
    ::testing::Values(
        UnsupportedCase{"platforms",
                        [](BuildSpec& s) { s.add_platforms("linux/amd64,linux/s390x"); }},
        UnsupportedCase{"platforms",
                        [](BuildSpec& s) {
                          s.add_platforms("linux/arm/v7");
                          s.add_platforms("linux/arm/v6");
                        }},
        UnsupportedCase{"cache_from", [](BuildSpec& s) { s.add_cache_from("a"); }},
        UnsupportedCase{"cache_to", [](BuildSpec& s) { s.add_cache_to("a"); }},
        UnsupportedCase{"cache_backend", [](BuildSpec& s) { s.mutable_cache_backend(); }}),
    [](const auto& info) { return std::to_string(info.index) + "_" + info.param.option; });

INSTANTIATE_TEST_SUITE_P(
    MoreOptions, Unsupported,
    ::testing::Values(
        UnsupportedCase{"outputs", [](BuildSpec& s) { s.add_outputs()->set_type("local"); }},
        UnsupportedCase{"secrets", [](BuildSpec& s) { s.add_secrets()->set_id("a"); }},
        UnsupportedCase{"entitlements", [](BuildSpec& s) { s.add_entitlements("network.host"); }},
        UnsupportedCase{"contexts.image",
                        [](BuildSpec& s) { (*s.mutable_contexts())[""].set_image("b"); }}),
    [](const auto& info) {
      std::string name = info.param.option;
      std::replace(name.begin(), name.end(), '.', '_');
      return std::to_string(info.index) + "_" + name;
    });

TEST(CheckSpec, ImagesForWindows) {
  BuildSpec spec = ValidSpec();
  spec.set_target_os("Windows");
  spec.set_windows_ltsc("ltsc2025");
  EXPECT_OK(CheckSpec(spec));
  spec.clear_target_os();
  spec.add_platforms("windows/arm64");
  EXPECT_OK(CheckSpec(spec));
  spec.set_target_os("darwin");
  const absl::Status darwin = CheckSpec(spec);
  EXPECT_THAT(darwin, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("darwin")));
  EXPECT_EQ(DetailOf(darwin).reason(), "UNSUPPORTED_OPTION");
}

struct InvalidCase {
  std::string option;
  std::function<void(v1::SubmitBuildRequest&)> set;
};

void PrintTo(const InvalidCase& test, std::ostream* out) { *out << test.option; }

class Invalid : public ::testing::TestWithParam<InvalidCase> {};

TEST_P(Invalid, IsRefusedByName) {
  v1::SubmitBuildRequest request = Valid();
  GetParam().set(request);
  absl::Status status = CheckSubmission(request);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().option + ": ")));
  EXPECT_EQ(DetailOf(status).reason(), "INVALID_OPTION");
  EXPECT_EQ(DetailOf(status).subject(), GetParam().option);
}

using Request = v1::SubmitBuildRequest;

INSTANTIATE_TEST_SUITE_P(
    Values, Invalid,
    ::testing::Values(
        InvalidCase{"tags", [](Request& r) { r.mutable_spec()->add_tags("Upper:1"); }},
        InvalidCase{
            "tags",
            [](Request& r) { r.mutable_spec()->add_tags("a@sha256:" + std::string(64, '0')); }},
        InvalidCase{"namespace", [](Request& r) { r.set_namespace_("a/b"); }},
        InvalidCase{"namespace", [](Request& r) { r.set_namespace_(std::string(64, 'a')); }},
        InvalidCase{"priority", [](Request& r) { r.set_priority(101); }},
        InvalidCase{"cache_ttl",
                    [](Request& r) { r.mutable_spec()->mutable_cache_ttl()->set_seconds(-1); }},
        InvalidCase{
            "cache_ttl",
            [](Request& r) { r.mutable_spec()->mutable_cache_ttl()->set_nanos(1'000'000'000); }},
        InvalidCase{
            "cache_ttl",
            [](Request& r) { r.mutable_spec()->mutable_cache_ttl()->set_seconds(1LL << 40); }},
        InvalidCase{"priority", [](Request& r) { r.set_priority(-101); }},
        InvalidCase{"target_os", [](Request& r) { r.mutable_spec()->set_target_os("beos"); }},
        InvalidCase{"windows_ltsc",
                    [](Request& r) { r.mutable_spec()->set_windows_ltsc("ltsc22"); }},
        InvalidCase{"platforms",
                    [](Request& r) { r.mutable_spec()->add_platforms("linux/amd64, nonsense"); }},
        InvalidCase{"format", [](Request& r) { r.mutable_spec()->set_format("Docker"); }},
        InvalidCase{"annotations",
                    [](Request& r) {
                      r.mutable_spec()->set_format("docker");
                      (*r.mutable_spec()->mutable_annotations())["a"] = "b";
                    }},
        InvalidCase{"retries", [](Request& r) { r.mutable_spec()->set_retries(101); }},
        InvalidCase{
            "default_cache_mounts",
            [](Request& r) { r.mutable_spec()->add_default_cache_mounts()->set_target("/c"); }},
        InvalidCase{"source_hash",
                    [](Request& r) {
                      r.mutable_spec()->clear_tags();
                      r.mutable_spec()->set_source_hash("auto");
                    }},
        InvalidCase{"backend", [](Request& r) { r.mutable_spec()->set_backend("docker"); }},
        InvalidCase{"outputs",
                    [](Request& r) {
                      BuildSpec::Output& output = *r.mutable_spec()->add_outputs();
                      (*output.mutable_attributes())["rewrite-timestamp"] = "maybe";
                    }},
        InvalidCase{"contexts", [](Request& r) { r.mutable_spec()->set_dockerfile("Dockerfile"); }},
        InvalidCase{"contexts", [](Request& r) { r.mutable_spec()->set_zimagefile("ZImagefile"); }},
        InvalidCase{"contexts", [](Request& r) { r.mutable_spec()->clear_source(); }},
        InvalidCase{"contexts", [](Request& r) { r.mutable_spec()->set_runtime("auto"); }},
        InvalidCase{"contexts", [](Request& r) { (*r.mutable_spec()->mutable_contexts())["x"]; }},
        InvalidCase{"contexts",
                    [](Request& r) { (*r.mutable_spec()->mutable_contexts())["x"].mutable_git(); }},
        InvalidCase{
            "contexts",
            [](Request& r) { (*r.mutable_spec()->mutable_contexts())["x"].mutable_http(); }}),
    [](const auto& info) { return std::to_string(info.index) + "_" + info.param.option; });

TEST(CheckSubmission, AnotherPlatformIsTheBuildsMatter) {
  Request request = Valid();
  request.mutable_spec()->add_platforms(" linux/s390x,, linux/s390x");
  EXPECT_OK(CheckSubmission(request));
}

TEST(CheckSubmission, ABackendThatCannotRunHereIsRefused) {
  Request request = Valid();
  request.mutable_spec()->set_backend("buildah");
  const absl::Status status = CheckSubmission(request);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("buildah-cli")));
  EXPECT_EQ(DetailOf(status).reason(), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(DetailOf(status).subject(), "buildah-cli");
}

TEST(CheckSubmission, TakesAFileOfTheContext) {
  EXPECT_OK(CheckSubmission(WithContext()));
  Request request = WithContext();
  request.mutable_spec()->set_dockerfile("docker/app.Dockerfile");
  EXPECT_OK(CheckSubmission(request));
  request.mutable_spec()->set_zimagefile("ZImagefile.app");
  EXPECT_OK(CheckSubmission(request));
}

TEST(CheckSubmission, TakesContextsFromElsewhere) {
  Request request;
  auto& contexts = *request.mutable_spec()->mutable_contexts();
  contexts["a"].set_image("debian:12");
  contexts["b"].mutable_git()->set_url("https://host/b.git");
  contexts["c"].mutable_http()->set_url("https://host/c.tar");
  contexts[""].mutable_git()->set_url("https://host/main.git");
  EXPECT_OK(CheckSubmission(request));
  contexts[""].mutable_http()->set_url("https://host/main.tar");
  EXPECT_OK(CheckSubmission(request));
}

TEST(CheckSubmission, TakesRuntimesThatItKnows) {
  Request request = WithContext();
  request.mutable_spec()->set_runtime("auto");
  EXPECT_OK(CheckSubmission(request));
  request.mutable_spec()->set_runtime("nodejs22");
  EXPECT_OK(CheckSubmission(request));
  request.mutable_spec()->set_runtime("node23");
  const absl::Status status = CheckSubmission(request);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("did you mean node2"), HasSubstr("python313"))));
  EXPECT_EQ(DetailOf(status).reason(), "UNKNOWN_RUNTIME");
  request.mutable_spec()->set_runtime("wasm");
  EXPECT_THAT(CheckSubmission(request), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(CheckPlan, FetchesNoDockerfile) {
  v1::PlanBuildRequest plan;
  (*plan.mutable_spec()->mutable_contexts())[""].mutable_git()->set_url("https://host/main.git");
  const absl::Status status = CheckPlan(plan);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("contexts.git")));
  EXPECT_EQ(DetailOf(status).subject(), "contexts.git");
  plan.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\n");
  EXPECT_OK(CheckPlan(plan));
}

TEST(CheckPlan, NeedsTheContextOfTheDockerfileAlone) {
  v1::PlanBuildRequest plan;
  EXPECT_THAT(CheckPlan(plan), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("contexts")));
  (*plan.mutable_spec()->mutable_contexts())["other"];
  (*plan.mutable_spec()->mutable_contexts())[""];
  EXPECT_THAT(CheckPlan(plan), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("does not say where it comes from")));
  (*plan.mutable_spec()->mutable_contexts())[""].set_uploaded("c1");
  EXPECT_OK(CheckPlan(plan));
  plan.mutable_spec()->clear_contexts();
  plan.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\n");
  EXPECT_OK(CheckPlan(plan));
  plan.set_namespace_("A");
  EXPECT_THAT(CheckPlan(plan), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckSpec, DoesNotAskForContexts) {
  BuildSpec spec;
  spec.set_dockerfile("Dockerfile");
  EXPECT_OK(CheckSpec(spec));
}

TEST(CheckSpec, FindsSyntaxErrorsWithTheirLine) {
  BuildSpec spec;
  spec.mutable_dockerfile_inline()->set_name("app.Dockerfile");
  spec.mutable_dockerfile_inline()->set_content("FROM scratch\nCOPPY a b\n");
  absl::Status status = CheckSpec(spec);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("app.Dockerfile:2: ")));
  EXPECT_EQ(DetailOf(status).reason(), "DOCKERFILE_PARSE");
  EXPECT_EQ(DetailOf(status).source().first_line(), 2u);
}

TEST(CheckSpec, ReadsZImagefilesAsTheBuildWill) {
  BuildSpec spec;
  spec.mutable_zimagefile_inline()->set_content("version: \"1\"\nbase: ${BASE}\n");
  (*spec.mutable_pipeline_vars())["BASE"] = "scratch";
  EXPECT_OK(CheckSpec(spec));
  (*spec.mutable_pipeline_vars())["BASE"] = "[";
  const absl::Status status = CheckSpec(spec);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ZImagefile:")));
  EXPECT_FALSE(DetailOf(status).excerpt().lines().empty());
  const auto refusal = [&spec](const char* text) {
    spec.mutable_zimagefile_inline()->set_content(text);
    const absl::Status refused = CheckSpec(spec);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnimplemented)) << text;
    EXPECT_EQ(DetailOf(refused).reason(), "UNSUPPORTED_OPTION");
    return DetailOf(refused).subject();
  };
  EXPECT_EQ(refusal("wasm: {}\n"), "wasm");
  EXPECT_EQ(refusal("base: scratch\nos: darwin\n"), "os");
  EXPECT_EQ(refusal("base: scratch\nplatform: darwin/arm64\n"), "platform");
  for (const char* text : {"base: scratch\nplatform: linux/s390x\n", "base: scratch\nos: windows\n",
                           "base: scratch\nplatform: windows/amd64\n"}) {
    spec.mutable_zimagefile_inline()->set_content(text);
    EXPECT_OK(CheckSpec(spec)) << text;
  }
}

TEST(CheckSpec, NamesAnUnnamedFileDockerfile) {
  BuildSpec spec;
  spec.mutable_dockerfile_inline()->set_content("RUN true\n");
  EXPECT_THAT(CheckSpec(spec),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Dockerfile:1: ")));
}

v1::Graph ScratchGraph() {
  v1::Graph graph;
  v1::Operation* base = graph.add_stages()->add_operations();
  base->mutable_scratch();
  base->set_text("FROM scratch");
  graph.add_targets(0);
  return graph;
}

TEST(CheckSpec, ValidatesAGraph) {
  BuildSpec spec;
  *spec.mutable_graph() = ScratchGraph();
  EXPECT_OK(CheckSpec(spec));
  spec.mutable_graph()->set_targets(0, 7);
  EXPECT_THAT(CheckSpec(spec), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckSpec, RefusesOptionsThatAGraphCannotHave) {
  BuildSpec spec;
  *spec.mutable_graph() = ScratchGraph();
  spec.set_target("a");
  EXPECT_THAT(CheckSpec(spec), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target")));
  spec.clear_target();
  (*spec.mutable_build_args())["A"] = "b";
  EXPECT_THAT(CheckSpec(spec),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("build_args")));
}

TEST(NamespaceOf, EmptyIsDefault) { EXPECT_THAT(NamespaceOf(""), IsOkAndHolds("default")); }

TEST(NamespaceOf, TakesWhatIsClean) {
  EXPECT_THAT(NamespaceOf(std::string(63, '-')), IsOkAndHolds(std::string(63, '-')));
  EXPECT_THAT(NamespaceOf("a\xff"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NamespaceOf("Team"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckExaminationTest, TheFileMayHaveErrors) {
  v1::CheckBuildRequest request;
  request.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM x\nRNU y\n");
  EXPECT_OK(CheckExamination(request));
  request.mutable_spec()->add_cache_to("x");
  EXPECT_THAT(CheckExamination(request), StatusIs(absl::StatusCode::kUnimplemented));
  request.mutable_spec()->Clear();
  EXPECT_THAT(CheckExamination(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request.mutable_spec()->mutable_graph();
  EXPECT_THAT(CheckExamination(request), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckSubmissionTest, AnErrorOfTheTextHasItsLines) {
  v1::SubmitBuildRequest request;
  request.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM x\nRNU y\n");
  EXPECT_EQ(DetailOf(CheckSubmission(request)).excerpt().lines(1), "RNU y");
}

}  // namespace
}  // namespace zlayer
