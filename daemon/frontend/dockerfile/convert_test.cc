#include "daemon/frontend/dockerfile/convert.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/files.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Knows the images that a test gives it, and what was asked for.
class FakeResolver : public ImageResolver {
 public:
  v1::ImageConfig& Add(const std::string& reference) { return images_[reference]; }

  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token) override {
    asked_.push_back(reference);
    const auto at = images_.find(reference);
    if (at == images_.end()) {
      return NotFound("there is no image " + reference);
    }
    return ResolvedImage{"docker.io/library/" + reference, "sha256:" + reference, platform,
                         at->second};
  }

  const std::vector<std::string>& asked() const { return asked_; }

 private:
  std::map<std::string, v1::ImageConfig> images_;
  std::vector<std::string> asked_;
};

class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() {
    request_.name = "Dockerfile";
    request_.platform.set_os("linux");
    request_.platform.set_architecture("amd64");
    for (const char* name : {"busybox", "golang", "alpine", "debian:bookworm"}) {
      resolver_.Add(name).add_env("PATH=/bin");
    }
  }

  absl::StatusOr<DockerfileGraph> Convert(std::string text) {
    request_.text = std::move(text);
    return ConvertDockerfile(request_, resolver_, {});
  }

  // The graph, which must be valid.
  v1::Graph GraphOf(std::string text) {
    absl::StatusOr<DockerfileGraph> converted = Convert(std::move(text));
    EXPECT_OK(converted);
    if (!converted.ok()) {
      return {};
    }
    EXPECT_OK(ValidateGraph(converted->graph));
    warnings_ = converted->warnings;
    return converted->graph;
  }

  // The operations of the last stage behind its base.
  std::vector<v1::Operation> Operations(const std::string& text) {
    const v1::Graph graph = GraphOf(text);
    if (graph.stages().empty()) {
      return {};
    }
    const auto& operations = graph.stages(graph.stages_size() - 1).operations();
    return {operations.begin() + 1, operations.end()};
  }

  // The last operation of "FROM busybox" and `text`; an empty one where that fails.
  v1::Operation Last(const std::string& text) {
    const std::vector<v1::Operation> operations = Operations("FROM busybox\n" + text);
    return operations.empty() ? v1::Operation() : operations.back();
  }

  absl::Status Refusal(const std::string& text) {
    return Convert("FROM busybox AS base\n" + text).status();
  }

  DockerfileRequest request_;
  FakeResolver resolver_;
  std::vector<v1::Warning> warnings_;
};

// Folders with a Dockerfile and the graph that it must become. `bazel run` of this test with
// ZLAYER_UPDATE_GOLDEN=1 writes the graphs anew.
class GoldenTest : public ConvertTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(GoldenTest, Graph) {
  request_.build_args = {{"GIVEN", "value of the request"}, {"HTTP_PROXY", "http://proxy:3128"}};
  const std::filesystem::path folder =
      std::filesystem::path("daemon/frontend/dockerfile/testdata") / GetParam();
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder / "Dockerfile"));
  std::string actual;
  ASSERT_TRUE(google::protobuf::TextFormat::PrintToString(GraphOf(text), &actual));
  if (std::getenv("ZLAYER_UPDATE_GOLDEN") != nullptr) {
    const std::filesystem::path dockerfile = std::filesystem::canonical(folder / "Dockerfile");
    std::ofstream(dockerfile.parent_path() / "graph.txtpb") << actual;
    return;
  }
  ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(folder / "graph.txtpb"));
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Convert, GoldenTest,
                         ::testing::Values("everything", "multistage", "arguments"));

TEST_F(ConvertTest, ResolvesOnlyWhatTheTargetNeeds) {
  const std::string text =
      "FROM busybox AS a\nFROM unknown AS b\nCOPY --from=also-unknown / /\nFROM a AS c\n"
      "COPY --from=golang /x /\nCOPY --from=golang /y /\n";
  const v1::Graph graph = GraphOf(text);
  EXPECT_THAT(resolver_.asked(), ElementsAre("busybox", "golang"));
  ASSERT_THAT(graph.stages(), SizeIs(2));
  EXPECT_EQ(graph.stages(1).operations(0).stage().stage(), 0u);
  EXPECT_THAT(graph.targets(), ElementsAre(1u));
}

TEST_F(ConvertTest, FindsTheTarget) {
  const std::string text = "FROM busybox AS one\nRUN 1\nFROM golang AS Two\nRUN 2\nFROM alpine\n";
  request_.target = "TWO";
  EXPECT_EQ(GraphOf(text).stages(0).base_text(), "golang");
  request_.target = "0";
  EXPECT_EQ(GraphOf(text).stages(0).base_text(), "busybox");
  request_.target = "twoo";
  EXPECT_THAT(Convert(text),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("one, two"), HasSubstr("did you mean two?"))));
  request_.target = "3";
  EXPECT_THAT(Convert(text), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConvertTest, PassesOnWhatTheResolverSays) {
  const absl::Status status = Convert("FROM busybox\n\nFROM nothing AS end\n").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               StartsWith("Dockerfile:3: there is no image nothing")));
  EXPECT_EQ(DetailOf(status).stage(), "end");
  EXPECT_EQ(DetailOf(status).instruction(), "FROM nothing AS end");
  EXPECT_THAT(Refusal("RUN x\nCOPY --from=nothing a b"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith("Dockerfile:3: ")));
}

TEST_F(ConvertTest, BaseGivesEnvironmentUserAndShell) {
  v1::ImageConfig& config = resolver_.Add("base");
  config.add_env("PATH=/opt/bin");
  config.add_env("HOME=/h");
  config.set_user("me");
  config.set_working_dir("w");
  config.mutable_shell()->add_words("/bin/ash");
  const std::vector<v1::Operation> operations = Operations("FROM base\nRUN $HOME\nCOPY a $HOME/\n");
  const v1::Run& run = operations[0].run();
  EXPECT_THAT(run.argv(), ElementsAre("/bin/ash", "$HOME"));
  EXPECT_THAT(run.env(), ElementsAre("PATH=/opt/bin", "HOME=/h"));
  EXPECT_EQ(run.user(), "me");
  EXPECT_EQ(run.working_directory(), "/w");
  EXPECT_EQ(operations[1].copy().destination(), "/h/");
}

TEST_F(ConvertTest, PathIsAlwaysSet) {
  resolver_.Add("nopath").add_env("A=b");
  const v1::Graph graph = GraphOf("FROM nopath\nRUN x\n");
  EXPECT_EQ(graph.stages(0).operations(0).config(0).set_env().key(), "PATH");
  EXPECT_THAT(graph.stages(0).operations(1).run().env(),
              ElementsAre("A=b", StartsWith("PATH=/usr/local/sbin:")));
  const v1::Operation scratch = GraphOf("FROM scratch\n").stages(0).operations(0);
  ASSERT_THAT(scratch.config(), SizeIs(2));
  EXPECT_EQ(scratch.config(1).set_working_dir(), "/");
}

TEST_F(ConvertTest, RefusesOnBuildTriggers) {
  resolver_.Add("trigger").add_on_build("COPY . /app");
  EXPECT_THAT(Convert("FROM trigger"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("COPY . /app")));
}

TEST_F(ConvertTest, ChildStagesInheritStateButNotTheCommand) {
  const std::vector<v1::Operation> operations = Operations(
      "FROM busybox AS a\nARG X=1\nENV Y=2\nUSER u\nSHELL [\"/s\"]\nWORKDIR /w\n"
      "FROM a\nRUN z\n");
  const v1::Run& run = operations[0].run();
  EXPECT_THAT(run.env(), ElementsAre("PATH=/bin", "X=1", "Y=2"));
  EXPECT_EQ(run.user(), "u");
  EXPECT_EQ(run.working_directory(), "/w");
  EXPECT_THAT(run.argv(), ElementsAre("/s", "z"));
}

TEST_F(ConvertTest, BuildArgumentsNeedArg) {
  request_.build_args = {{"A", "given"}, {"B", "given"}};
  EXPECT_THAT(Last("ARG A=default\nRUN x").run().env(), ElementsAre("PATH=/bin", "A=given"));
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_EQ(warnings_[0].rule(), "UnusedBuildArg");
  EXPECT_THAT(warnings_[0].message(), HasSubstr("argument B "));
}

TEST_F(ConvertTest, PlatformArgumentsNeedArg) {
  request_.platform.set_architecture("arm64");
  request_.platform.set_variant("v8");
  const v1::Operation run =
      Last("RUN 1\nARG TARGETPLATFORM BUILDARCH\nARG TARGETOS TARGETSTAGE\nRUN x");
  EXPECT_THAT(run.run().env(),
              ElementsAre("PATH=/bin", "TARGETPLATFORM=linux/arm64", "BUILDARCH=arm64",
                          "TARGETOS=linux", "TARGETSTAGE=default"));
}

TEST_F(ConvertTest, ProxiesReachRunOnly) {
  request_.build_args = {{"https_proxy", "http://p"}, {"NO_PROXY", "local"}};
  const v1::Operation run = Last("ENV NO_PROXY=mine\nRUN x");
  EXPECT_THAT(run.run().env(), ElementsAre("PATH=/bin", "NO_PROXY=mine", "HTTPS_PROXY=http://p",
                                           "https_proxy=http://p", "no_proxy=local"));
  EXPECT_EQ(run.created_by(), "RUN /bin/sh -c x");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConvertTest, OnlyTheSamePlatformIsBuilt) {
  for (const char* same : {"linux/amd64", "amd64", "linux", "linux/x86_64", "$BUILDPLATFORM",
                           "${TARGETOS}/$TARGETARCH"}) {
    EXPECT_OK(Convert(std::string("FROM --platform=") + same + " busybox")) << same;
  }
  EXPECT_THAT(Convert("FROM --platform=linux/arm64 busybox"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("linux/arm64")));
  EXPECT_THAT(Convert("FROM --platform=what/is/this/then busybox"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Convert("FROM --platform=$NO busybox"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConvertTest, ResolvesDestinations) {
  const std::pair<const char*, const char*> cases[] = {
      {"/x", "/x"},        {"/x/", "/x/"},  {"x", "/w/x"},  {"x/", "/w/x/"},
      {".", "/w/"},        {"./", "/w/"},   {"..", "/"},    {"/", "/"},
      {"/x/../y/", "/y/"}, {"/x/.", "/x/"}, {"$D", "/d e"}, {"\"\"", "/w/"},
  };
  for (const auto& [written, expected] : cases) {
    const v1::Operation copy = Last(std::string("WORKDIR /w\nENV D=\"/d e\"\nCOPY a ") + written);
    EXPECT_EQ(copy.copy().destination(), expected) << written;
  }
}

TEST_F(ConvertTest, CopiesFromContextStageAndImage) {
  const std::vector<v1::Operation> operations = Operations(
      "FROM busybox AS a\nFROM busybox\nENV S=\"x y\"\nCOPY $S [ab]*.c /d/\nCOPY --from=0 a b\n"
      "COPY --from=alpine a b\nADD --chmod=u=rwX t.tar /\n");
  EXPECT_EQ(operations[1].copy().sources(0).path(), "x y");
  EXPECT_TRUE(operations[1].copy().sources(0).from().has_context());
  EXPECT_EQ(operations[1].copy().unpack(), v1::Copy::NEVER);
  EXPECT_EQ(operations[1].created_by(), "COPY x y [ab]*.c /d/");
  EXPECT_EQ(operations[2].copy().sources(0).from().stage(), 0u);
  EXPECT_EQ(operations[3].copy().sources(0).from().image().digest(), "sha256:alpine");
  EXPECT_EQ(operations[4].copy().unpack(), v1::Copy::LOCAL_ARCHIVES);
  EXPECT_EQ(operations[4].copy().mode(), "u=rwX");
}

TEST_F(ConvertTest, NamedContextsComeBeforeStagesAndImages) {
  request_.contexts = {"assets", "build"};
  ASSERT_OK_AND_ASSIGN(const DockerfileGraph converted,
                       Convert("FROM unknown AS build\nFROM scratch\nCOPY --from=assets a /\n"
                               "COPY --from=build b /"));
  ASSERT_EQ(converted.graph.stages_size(), 1);
  EXPECT_EQ(converted.graph.stages(0).operations(1).copy().sources(0).from().context(), "assets");
  EXPECT_EQ(converted.graph.stages(0).operations(2).copy().sources(0).from().context(), "build");
}

TEST_F(ConvertTest, RefusesBadCopies) {
  const std::pair<const char*, const char*> cases[] = {
      {"COPY --from=base2 a b\nFROM busybox AS base2", "a later stage"},
      {"COPY --from=base a b", "the stage itself"},
      {"COPY --from=7 a b", "not a stage"},
      {"COPY --from=$X a b", "not expanded in --from"},
      {"COPY --from=scratch a b", "no files"},
      {"COPY --chmod=999 a b", "--chmod"},
      {"COPY [a b", "malformed"},
      {"COPY https://x/y b", "not the URL"},
      {"COPY ${a b", "cannot expand"},
  };
  for (const auto& [text, message] : cases) {
    request_.target = "base";
    const absl::Status status = Refusal(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith("Dockerfile:2: "), HasSubstr(message))))
        << text;
    EXPECT_EQ(DetailOf(status).stage(), "base");
  }
  for (const char* url : {"https://x/y", "git@github.com:a/b.git", "$URL"}) {
    EXPECT_THAT(Refusal(std::string("ENV URL=http://z\nADD ") + url + " /x"),
                StatusIs(absl::StatusCode::kUnimplemented, StartsWith("Dockerfile:3: ")));
  }
}

TEST_F(ConvertTest, EnvSeesTheStateBeforeTheInstruction) {
  const v1::Operation env = Last("ENV A=1\nENV A=2 B=$A \"C $A\"=x");
  EXPECT_EQ(env.config(1).set_env().value(), "1");
  EXPECT_EQ(env.config(2).set_env().key(), "C 1");
  EXPECT_EQ(env.created_by(), "ENV A=2 B=1 C 1=x");
  EXPECT_EQ(Last("ENV A  b  c").config(0).set_env().value(), "b  c");
}

TEST_F(ConvertTest, TheLastOfEnvAndArgCounts) {
  EXPECT_THAT(Last("ARG A=arg\nENV A=env\nRUN x").run().env(), Contains("A=env"));
  EXPECT_THAT(Last("ENV A=env\nARG A=arg\nRUN x").run().env(), Contains("A=arg"));
  EXPECT_THAT(Last("ENV A=env\nARG A\nRUN x").run().env(), Contains("A=env"));
}

TEST_F(ConvertTest, WorkdirMakesADirectory) {
  const v1::Operation workdir = Last("USER u\nWORKDIR /a\nENV B=b\nWORKDIR $B/../c");
  EXPECT_EQ(workdir.make_directory().path(), "/a/c");
  EXPECT_EQ(workdir.make_directory().owner(), "u");
  EXPECT_EQ(workdir.config(0).set_working_dir(), "/a/c");
  EXPECT_FALSE(Last("WORKDIR /").has_make_directory());
}

TEST_F(ConvertTest, CommandsUseTheShell) {
  EXPECT_THAT(Last("CMD a  b").config(0).set_cmd().words(), ElementsAre("/bin/sh", "-c", "a  b"));
  EXPECT_EQ(Last("CMD a").created_by(), "CMD [\"/bin/sh\" \"-c\" \"a\"]");
  EXPECT_TRUE(Last("CMD []").config(0).has_set_cmd());
  EXPECT_THAT(Last("SHELL [\"/b\", \"-x\"]\nENTRYPOINT a").config(0).set_entrypoint().words(),
              ElementsAre("/b", "-x", "a"));
  EXPECT_THAT(Last("ENTRYPOINT [\"a\"]").config(0).set_entrypoint().words(), ElementsAre("a"));
}

TEST_F(ConvertTest, ExposesPorts) {
  const auto ports = [this](const std::string& text) {
    std::vector<std::string> found;
    const v1::Operation operation = Last(text);
    for (const v1::ConfigChange& change : operation.config()) {
      found.push_back(change.add_exposed_port());
    }
    return found;
  };
  EXPECT_THAT(ports("EXPOSE 80"), ElementsAre("80/tcp"));
  EXPECT_THAT(ports("EXPOSE 80-82/UDP 90/"), ElementsAre("80/udp", "81/udp", "82/udp", "90/tcp"));
  EXPECT_THAT(ports("ENV P=\"1 2/sctp\"\nEXPOSE $P 2/sctp"), ElementsAre("1/tcp", "2/sctp"));
  EXPECT_THAT(ports("EXPOSE 127.0.0.1:8080:80"), ElementsAre("80/tcp"));
  for (const char* bad : {"x", "80/http", "82-80", "70000", "-1", "/tcp", "80-"}) {
    EXPECT_THAT(Refusal(std::string("EXPOSE ") + bad),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a port")))
        << bad;
  }
}

TEST_F(ConvertTest, ChecksSignals) {
  for (const char* good : {"SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1"}) {
    EXPECT_EQ(Last(std::string("STOPSIGNAL ") + good).config(0).set_stop_signal(), good);
  }
  for (const char* bad : {"SIGNOT", "0", "65", "RTMIN+40", "9x"}) {
    EXPECT_THAT(Refusal(std::string("STOPSIGNAL ") + bad),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

TEST_F(ConvertTest, RequestLabelsComeLast) {
  request_.labels = {{"a", "1"}, {"b", "2"}};
  const std::vector<v1::Operation> operations = Operations("FROM busybox\nLABEL a=0\n");
  ASSERT_THAT(operations, SizeIs(2));
  EXPECT_EQ(operations[1].config(0).set_label().value(), "1");
  EXPECT_EQ(operations[1].config(1).set_label().key(), "b");
  EXPECT_EQ(operations[1].created_by(), "");
}

TEST_F(ConvertTest, WarnsWithSource) {
  GraphOf("FROM busybox\nENV a b\nMAINTAINER me\nRUN x \\\n\n y\nARG D\nENV X=$NOT$D${E:-1}\n");
  std::vector<std::string> found;
  for (const v1::Warning& warning : warnings_) {
    found.push_back(warning.rule() + ":" + std::to_string(warning.source().first_line()));
  }
  EXPECT_THAT(found, ElementsAre("NoEmptyContinuation:4", "LegacyKeyValueFormat:2",
                                 "MaintainerDeprecated:3", "UndefinedVar:8"));
}

TEST_F(ConvertTest, OnlyCommandsAndPathsMayHoldAnyBytes) {
  EXPECT_EQ(Last("RUN [\"a\", \"b\"]\nRUN \xff").run().argv(2), "\xff");
  EXPECT_EQ(Last("COPY \xff /\xfe").copy().destination(), "/\xfe");
  for (const char* bad : {"ENV A=\xff", "LABEL a=\xff", "USER \xff", "CMD \xff", "VOLUME /\xff",
                          "WORKDIR /\xff", "ENTRYPOINT \xff", "MAINTAINER \xff"}) {
    EXPECT_THAT(Refusal(bad), StatusIs(absl::StatusCode::kInvalidArgument,
                                       AllOf(StartsWith("Dockerfile:2: "), HasSubstr("UTF-8"))))
        << bad;
  }
  EXPECT_THAT(Convert("FROM \xff"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Convert(std::string("FROM busybox\nRUN a\0b", 21)),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("Dockerfile:2: ")));
}

TEST_F(ConvertTest, RefusesEmptyBase) {
  EXPECT_THAT(Convert("ARG B\nFROM $B"),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("Dockerfile:2: the base")));
}

TEST_F(ConvertTest, BoundsWhatAFileMultiplies) {
  std::string doubling = "ENV A=xxxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 40; ++i) {
    doubling += "ENV A=$A$A\n";
  }
  EXPECT_THAT(Refusal(doubling), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("MiB")));
  std::string wide = "ENV A=" + std::string(200'000, 'x') + "\nENV";
  for (int i = 0; i < 9000; ++i) {
    wide += " v" + std::to_string(i) + "=$A";
  }
  EXPECT_THAT(Refusal(wide), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4 MiB")));
  std::string runs = "ENV A=" + std::string(300'000, 'x') + "\n";
  for (int i = 0; i < 5000; ++i) {
    runs += "RUN x\n";
  }
  EXPECT_THAT(Refusal(runs), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 MiB")));
  std::string names = "ENV";
  for (int i = 0; i < 20'000; ++i) {
    names += " v" + std::to_string(i) + "=1";
  }
  EXPECT_THAT(Refusal(names), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10000")));
  EXPECT_THAT(Refusal("EXPOSE 0-65535\nEXPOSE 1/udp"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ports")));
}

TEST_F(ConvertTest, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  request_.text = "FROM busybox\nRUN x\n";
  EXPECT_THAT(ConvertDockerfile(request_, resolver_, source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
