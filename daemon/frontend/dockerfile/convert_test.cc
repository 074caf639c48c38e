#include "daemon/frontend/dockerfile/convert.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "daemon/frontend/dockerfile/convert_fixture.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Folders with a Dockerfile and the graph that it must become. `bazel run` of this test with
// ZLAYER_UPDATE_GOLDEN=1 writes the graphs anew.
class GoldenTest : public ConvertTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(GoldenTest, Graph) {
  request_.build_args = {{"GIVEN", "value of the request"}, {"HTTP_PROXY", "http://proxy:3128"}};
  request_.contexts["uploaded"].set_uploaded("id");
  request_.contexts["image"].set_image("alpine");
  request_.contexts["repository"].mutable_git()->set_url("https://example.com/r.git");
  request_.contexts["download"].mutable_http()->set_url("https://example.com/d.tar");
  v1::ImageConfig& triggers = resolver_.Add("triggers");
  triggers.add_env("PATH=/bin");
  triggers.add_on_build("ARG FROM_TRIGGER=1");
  triggers.add_on_build("COPY --from=tools <<EOF /from/trigger\n$FROM_TRIGGER\nEOF");
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
  EXPECT_TRUE(actual == expected) << "differs from graph.txtpb; see what ZLAYER_UPDATE_GOLDEN=1 "
                                     "changes in it";
}

INSTANTIATE_TEST_SUITE_P(Convert, GoldenTest,
                         ::testing::Values("add", "arg", "arguments", "cmd", "contexts", "copy",
                                           "entrypoint", "env", "everything", "expose", "from",
                                           "healthcheck", "heredocs", "label", "maintainer",
                                           "multistage", "onbuild", "run", "shell", "stopsignal",
                                           "triggers", "user", "volume", "workdir"));

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
  EXPECT_THAT(run.run().env(), ElementsAre("PATH=/bin", "TARGETPLATFORM=linux/arm64",
                                           "BUILDARCH=" + HostPlatform().architecture(),
                                           "TARGETOS=linux", "TARGETSTAGE=default"));
}

TEST_F(ConvertTest, ProxiesReachRunOnly) {
  request_.build_args = {{"https_proxy", "http://p"}, {"NO_PROXY", "local"}};
  const v1::Operation run = Last("ENV NO_PROXY=mine\nRUN x");
  EXPECT_THAT(run.run().env(), ElementsAre("PATH=/bin", "NO_PROXY=mine"));
  EXPECT_THAT(run.run().proxy_env(),
              ElementsAre("HTTPS_PROXY=http://p", "https_proxy=http://p", "no_proxy=local"));
  EXPECT_EQ(run.created_by(), "RUN /bin/sh -c x");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConvertTest, ReadsPlatforms) {
  for (const char* same : {"linux/amd64", "amd64", "linux", "linux/x86_64", "$BUILDPLATFORM",
                           "${TARGETOS}/$TARGETARCH"}) {
    EXPECT_OK(Convert(std::string("FROM --platform=") + same + " busybox")) << same;
  }
  EXPECT_THAT(Convert("FROM --platform=what/is/this/then busybox"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Convert("FROM --platform=$NO busybox"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConvertTest, AnImageIsForThePlatformOfItsBase) {
  const auto platform = [this](const std::string& text) {
    const v1::Graph graph = GraphOf(text);
    return FormatPlatform(graph.stages(graph.stages_size() - 1).platform());
  };
  const std::string foreign = "FROM --platform=linux/arm64/v8 busybox AS a\n";
  EXPECT_EQ(platform(foreign), "linux/arm64");
  EXPECT_EQ(platform(foreign + "FROM --platform=linux/amd64 a\nCOPY x /\n"), "linux/arm64");
  EXPECT_EQ(platform(foreign + "FROM busybox\nCOPY --from=a / /\n"), "linux/amd64");
  EXPECT_EQ(platform("FROM --platform=linux/arm64 scratch\nCOPY x /\n"), "linux/amd64");
  EXPECT_EQ(platform(foreign + "RUN x\n"), "linux/arm64");
  request_.platform_is_given = true;
  EXPECT_EQ(platform(foreign), "linux/amd64");
  EXPECT_EQ(platform(foreign + "RUN x\n"), "linux/arm64");
}

TEST_F(ConvertTest, ABaseIsForThePlatformThatFromNames) {
  v1::Platform arm;
  arm.set_os("linux");
  arm.set_architecture("arm");
  arm.set_variant("v6");
  resolver_.SetPlatform("busybox", arm);
  EXPECT_THAT(Convert("FROM --platform=linux/arm64 busybox"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("is for linux/arm/v6"), HasSubstr("linux/arm64"))));
  EXPECT_EQ(FormatPlatform(GraphOf("FROM busybox\nCOPY a /\n").stages(0).platform()),
            "linux/arm/v6");
  EXPECT_THAT(warnings_, SizeIs(1));
  // The host tries to run what says that it is for another one.
  EXPECT_EQ(FormatPlatform(GraphOf("FROM busybox\nRUN x\n").stages(0).platform()), "linux/amd64");
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

TEST_F(ConvertTest, HistoryNamesTheArgumentsOfARun) {
  request_.build_args = {{"B", "given"}, {"HTTP_PROXY", "p"}};
  EXPECT_EQ(Last("ARG A=1 B\nARG C\nENV A=env\nRUN x").created_by(),
            "RUN |3 A=env B=given C= /bin/sh -c x");
  EXPECT_EQ(Last("ARG HTTP_PROXY\nRUN x").created_by(), "RUN |1 HTTP_PROXY=p /bin/sh -c x");
  const std::vector<v1::Operation> child =
      Operations("FROM busybox AS a\nARG A=1\nFROM a\nARG B\nRUN x");
  EXPECT_EQ(child[1].created_by(), "RUN |2 A=1 B=given /bin/sh -c x");
  EXPECT_EQ(Last("HEALTHCHECK --interval=5s --retries=3 CMD a b").created_by(),
            "HEALTHCHECK &{[\"CMD-SHELL\" \"a b\"] \"5s\" \"0s\" \"0s\" \"0s\" '\\x03'}");
}

TEST_F(ConvertTest, SetsTheEpoch) {
  EXPECT_FALSE(GraphOf("FROM busybox\nARG SOURCE_DATE_EPOCH=7").has_source_date_epoch());
  EXPECT_EQ(GraphOf("ARG SOURCE_DATE_EPOCH=7\nFROM busybox\nRUN x").source_date_epoch(), 7);
  request_.build_args["SOURCE_DATE_EPOCH"] = "1700000000";
  const v1::Graph graph =
      GraphOf("ARG SOURCE_DATE_EPOCH=7\nFROM busybox\nRUN x\nARG SOURCE_DATE_EPOCH\nRUN y");
  EXPECT_EQ(graph.source_date_epoch(), 1'700'000'000);
  EXPECT_THAT(graph.stages(0).operations(1).run().env(), ElementsAre("PATH=/bin"));
  EXPECT_THAT(graph.stages(0).operations(3).run().env(), Contains("SOURCE_DATE_EPOCH=1700000000"));
  EXPECT_THAT(warnings_, IsEmpty());
  for (const char* bad : {"x", "1.5", "context", "99999999999999999999"}) {
    request_.build_args["SOURCE_DATE_EPOCH"] = bad;
    EXPECT_THAT(Convert("FROM busybox"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SOURCE_DATE_EPOCH")));
  }
}

TEST_F(ConvertTest, WarnsOfForeignFrontends) {
  GraphOf("# syntax=docker/dockerfile:1.7-labs\nFROM busybox\n");
  EXPECT_THAT(warnings_, IsEmpty());
  GraphOf("# syntax=foo/bar:1\nFROM busybox\n");
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0].message(), HasSubstr("\"foo/bar:1\""));
  EXPECT_EQ(warnings_[0].source().first_line(), 1u);
  request_.build_args["BUILDKIT_SYNTAX"] = "docker/dockerfile:1";
  GraphOf("# syntax=foo/bar:1\nFROM busybox\n");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConvertTest, WarnsOfImagesThatAUserWouldNotExpect) {
  resolver_.SetWarning("busybox", "image busybox is used as it is here: no answer");
  GraphOf("FROM busybox AS a\nFROM busybox\nCOPY --from=a / /a\n");
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_EQ(warnings_[0].rule(), "OtherImage");
  EXPECT_THAT(warnings_[0].message(), HasSubstr("no answer"));
}

TEST_F(ConvertTest, WarnsOfUnusedBuildArguments) {
  request_.build_args = {
      {"UNUSED", "1"}, {"BUILDKIT_INLINE_CACHE", "1"}, {"NO_PROXY", "x"}, {"TARGETARCH", "arm64"}};
  GraphOf("FROM busybox\n");
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0].message(), HasSubstr("UNUSED"));
}

TEST_F(ConvertTest, StagesMayShareAName) {
  const v1::Graph graph =
      GraphOf("FROM busybox AS a\nRUN 1\nFROM golang AS a\nRUN 2\nFROM a\nCOPY --from=a x /\n");
  ASSERT_THAT(graph.stages(), SizeIs(2));
  EXPECT_EQ(graph.stages(0).base_text(), "golang");
  EXPECT_EQ(graph.stages(1).operations(1).copy().sources(0).from().stage(), 0u);
  request_.target = "a";
  EXPECT_EQ(GraphOf("FROM busybox AS a\nFROM golang AS A").stages(0).base_text(), "golang");
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
  EXPECT_THAT(ports("EXPOSE 8080-8090:80 [::1]:1:81 ::82"),
              ElementsAre("80/tcp", "81/tcp", "82/tcp"));
  for (const char* bad : {"x", "80/http", "82-80", "70000", "-1", "/tcp", "80-", "x:80",
                          "1.2.3:4:80", "[::1:4:80", "a-b:80"}) {
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
  EXPECT_THAT(found, ElementsAre("NoEmptyContinuation:4", "MaintainerDeprecated:3",
                                 "LegacyKeyValueFormat:2", "UndefinedVar:8"));
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
  std::string ports = "EXPOSE";
  std::string labels = "LABEL";
  for (int i = 0; i < 70'000; ++i) {
    ports += " $A";
    labels += " l" + std::to_string(i) + "=";
  }
  EXPECT_THAT(Refusal(ports), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ports")));
  EXPECT_THAT(Refusal(labels), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("labels")));
}

TEST_F(ConvertTest, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  request_.text = "FROM busybox\nRUN x\n";
  EXPECT_THAT(ConvertFile(request_, resolver_, source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
