#include "daemon/frontend/dockerfile/instructions.h"

#include <gtest/gtest.h>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

absl::StatusOr<DockerfileInstructions> Parse(std::string_view text) {
  absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(text, "Dockerfile");
  if (!lexed.ok()) {
    return lexed.status();
  }
  return ParseInstructions(*lexed, "Dockerfile");
}

// The instruction behind "FROM a".
template <typename Body>
Body Only(std::string_view text) {
  absl::StatusOr<DockerfileInstructions> parsed = Parse("FROM a\n" + std::string(text));
  EXPECT_OK(parsed) << text;
  if (!parsed.ok() || parsed->stages[0].instructions.size() != 1) {
    return {};
  }
  const Body* body = std::get_if<Body>(&parsed->stages[0].instructions[0].body);
  EXPECT_NE(body, nullptr) << text;
  return body == nullptr ? Body{} : *body;
}

absl::Status Refusal(std::string_view text) {
  return Parse("FROM a AS base\n" + std::string(text)).status();
}

TEST(InstructionsTest, GroupsIntoStages) {
  ASSERT_OK_AND_ASSIGN(const DockerfileInstructions parsed,
                       Parse("ARG V=1 W\nfrom --platform=linux/amd64 a:$V As Build.1\nRUN x\n"
                             "FROM build.1\n"));
  ASSERT_THAT(parsed.global_args, SizeIs(1));
  const auto& arg = std::get<ArgInstruction>(parsed.global_args[0].body);
  EXPECT_EQ(arg.arguments[0].value, "1");
  EXPECT_EQ(arg.arguments[1].value, std::nullopt);
  ASSERT_THAT(parsed.stages, SizeIs(2));
  EXPECT_EQ(parsed.stages[0].base().name, "build.1");
  EXPECT_EQ(parsed.stages[0].base().base, "a:$V");
  EXPECT_EQ(parsed.stages[0].base().platform, "linux/amd64");
  EXPECT_EQ(parsed.stages[0].from.keyword, "FROM");
  EXPECT_THAT(parsed.stages[0].instructions, SizeIs(1));
  EXPECT_EQ(parsed.stages[1].base().name, "");
}

TEST(InstructionsTest, TextIsOneLine) {
  ASSERT_OK_AND_ASSIGN(
      const DockerfileInstructions parsed,
      Parse("FROM a\nRUN  echo  \"x  y\"\nRUN a && \\\n\t  b \\\n    c\nRUN \x1b[1m\xff\n"
            "RUN " +
            std::string(3000, 'x')));
  const auto& instructions = parsed.stages[0].instructions;
  EXPECT_EQ(instructions[0].text, "RUN  echo  \"x  y\"");
  EXPECT_EQ(instructions[1].text, "RUN a && b c");
  EXPECT_EQ(instructions[1].source.first_line(), 3u);
  EXPECT_EQ(instructions[1].source.last_line(), 5u);
  EXPECT_EQ(instructions[2].text, "RUN  [1m\xef\xbf\xbd");
  EXPECT_EQ(instructions[3].text.size(), 1024u);
}

TEST(InstructionsTest, ReadsRun) {
  EXPECT_TRUE(Only<RunInstruction>("RUN make all").command.shell);
  const RunInstruction run = Only<RunInstruction>("RUN --network=none [\"make\", \"all\"]");
  EXPECT_FALSE(run.command.shell);
  EXPECT_THAT(run.command.words, ElementsAre("make", "all"));
  EXPECT_EQ(run.network, v1::NETWORK_NONE);
  EXPECT_EQ(Only<RunInstruction>("RUN --network=host x").network, v1::NETWORK_HOST);
  EXPECT_EQ(Only<RunInstruction>("RUN --network=default x").network, v1::NETWORK_DEFAULT);
  EXPECT_THAT(Refusal("RUN --network=x y"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("RUN"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("RUN []"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InstructionsTest, ReadsCopyAndAdd) {
  const CopyInstruction copy = Only<CopyInstruction>(
      "COPY --from=x --chown=a:b --chmod=0644 --link=false [\"a b\", \"c\", \"/d\"]");
  EXPECT_FALSE(copy.add);
  EXPECT_EQ(copy.from, "x");
  EXPECT_EQ(copy.owner, "a:b");
  EXPECT_EQ(copy.mode, "0644");
  EXPECT_THAT(copy.sources, ElementsAre("a b", "c"));
  EXPECT_EQ(copy.destination, "/d");
  EXPECT_TRUE(Only<CopyInstruction>("ADD a b").add);
  EXPECT_THAT(Refusal("COPY a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("ADD --from=x a b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ADD has no flag --from")));
}

TEST(InstructionsTest, ReadsNamesAndValues) {
  const EnvInstruction env = Only<EnvInstruction>("ENV a=1 b=\"2 3\"");
  ASSERT_THAT(env.variables, SizeIs(2));
  EXPECT_EQ(env.variables[1].value, "\"2 3\"");
  EXPECT_FALSE(env.legacy);
  EXPECT_TRUE(Only<EnvInstruction>("ENV a 1 2").legacy);
  EXPECT_EQ(Only<LabelInstruction>("LABEL a.b=c").labels[0].name, "a.b");
  EXPECT_THAT(Refusal("ENV"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("ENV =x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  EXPECT_THAT(Refusal("ARG =x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  EXPECT_THAT(Refusal("ARG"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InstructionsTest, ReadsCommands) {
  EXPECT_TRUE(Only<CmdInstruction>("CMD a b").command.shell);
  EXPECT_THAT(Only<CmdInstruction>("CMD []").command.words, IsEmpty());
  EXPECT_FALSE(Only<CmdInstruction>("CMD []").command.shell);
  EXPECT_THAT(Only<EntrypointInstruction>("ENTRYPOINT [\"a\"]").command.words, ElementsAre("a"));
  EXPECT_THAT(Only<ShellInstruction>("SHELL [\"a\", \"-c\"]").words, ElementsAre("a", "-c"));
  EXPECT_THAT(Refusal("SHELL a -c"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("SHELL []"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InstructionsTest, ReadsTheRest) {
  EXPECT_EQ(Only<WorkdirInstruction>("WORKDIR /a b").path, "/a b");
  EXPECT_EQ(Only<UserInstruction>("USER a:b").user, "a:b");
  EXPECT_EQ(Only<StopsignalInstruction>("STOPSIGNAL SIGINT").signal, "SIGINT");
  EXPECT_EQ(Only<MaintainerInstruction>("MAINTAINER a <b>").author, "a <b>");
  EXPECT_THAT(Only<ExposeInstruction>("EXPOSE 90 80/udp").ports, ElementsAre("80/udp", "90"));
  EXPECT_THAT(Only<VolumeInstruction>("VOLUME /a /b").paths, ElementsAre("/a", "/b"));
  EXPECT_THAT(Only<VolumeInstruction>("VOLUME [\"/a b\"]").paths, ElementsAre("/a b"));
  for (const char* bad : {"WORKDIR", "USER", "EXPOSE", "VOLUME", "VOLUME [\" \"]", "STOPSIGNAL"}) {
    EXPECT_THAT(Refusal(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(InstructionsTest, ReadsHealthcheck) {
  const v1::Healthcheck check = Only<HealthcheckInstruction>(
                                    "HEALTHCHECK --interval=1m30s --timeout=1s --start-period=2s "
                                    "--start-interval=100ms --retries=4 CMD curl -f x || exit 1")
                                    .healthcheck;
  EXPECT_THAT(check.test(), ElementsAre("CMD-SHELL", "curl -f x || exit 1"));
  EXPECT_EQ(check.interval_ns(), 90'000'000'000);
  EXPECT_EQ(check.timeout_ns(), 1'000'000'000);
  EXPECT_EQ(check.start_period_ns(), 2'000'000'000);
  EXPECT_EQ(check.start_interval_ns(), 100'000'000);
  EXPECT_EQ(check.retries(), 4u);
  EXPECT_THAT(Only<HealthcheckInstruction>("HEALTHCHECK cmd [\"a\"]").healthcheck.test(),
              ElementsAre("CMD", "a"));
  EXPECT_THAT(Only<HealthcheckInstruction>("HEALTHCHECK NONE").healthcheck.test(),
              ElementsAre("NONE"));
  for (const char* bad :
       {"HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK HTTP x",
        "HEALTHCHECK --interval=5 CMD x", "HEALTHCHECK --interval=1us CMD x",
        "HEALTHCHECK --retries=-1 CMD x", "HEALTHCHECK --what=1 CMD x"}) {
    EXPECT_THAT(Refusal(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(InstructionsTest, RefusesUnknownNames) {
  EXPECT_THAT(Refusal("COPPY a b"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("Dockerfile:2: "), HasSubstr("\"COPPY\""),
                             HasSubstr("did you mean COPY?"))));
  EXPECT_THAT(Refusal("COPY --chowm=a b c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean --chown?")));
  EXPECT_THAT(Refusal("ENV --x=1 a=b"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("COPY --chown a b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs a value")));
  EXPECT_THAT(Refusal("COPY --from=a --from=b x y"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(Refusal("COPY --link=maybe x y"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InstructionsTest, ReadsFlagsOfCopyAndAdd) {
  const CopyInstruction copy = Only<CopyInstruction>(
      "COPY --link --parents --exclude=*.o --exclude=b/** --chmod=u=rwX a /d/");
  EXPECT_TRUE(copy.link);
  EXPECT_TRUE(copy.parents);
  EXPECT_THAT(copy.exclude, ElementsAre("*.o", "b/**"));
  EXPECT_EQ(copy.unpack, std::nullopt);
  const CopyInstruction add = Only<CopyInstruction>(
      "ADD --checksum=sha256:x --keep-git-dir --unpack=false --link=TRUE https://a/b /d");
  EXPECT_EQ(add.checksum, "sha256:x");
  EXPECT_EQ(add.keep_git_directory, true);
  EXPECT_EQ(add.unpack, false);
  EXPECT_TRUE(add.link);
  EXPECT_THAT(Refusal("COPY --unpack a b"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("ADD --parents a b"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Refusal("COPY --link= a b"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InstructionsTest, BoundsSources) {
  std::string copy = "COPY";
  for (int i = 0; i < 10'000; ++i) {
    copy += " a";
  }
  EXPECT_OK(Parse("FROM x\n" + copy + " /d/\n"));
  EXPECT_THAT(Refusal(copy + " a /d/"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 10000 sources")));
}

TEST(InstructionsTest, ReadsHeredocs) {
  const RunInstruction run = Only<RunInstruction>("RUN <<EOF python3 3<<-'X'\n\ta\nEOF\n\tb\nX\n");
  EXPECT_THAT(run.command.words, ElementsAre("<<EOF python3 3<<-'X'"));
  ASSERT_THAT(run.heredocs, SizeIs(2));
  EXPECT_EQ(run.heredocs[1].descriptor, 3u);
}

TEST(InstructionsTest, ReadsInlineSources) {
  const CopyInstruction copy =
      Only<CopyInstruction>("COPY <<-a.txt src <<'b' /d/\n\t$X\n\t\ty\n\ta.txt\n\t$Y\nb\n");
  EXPECT_THAT(copy.sources, ElementsAre("src"));
  EXPECT_EQ(copy.destination, "/d/");
  ASSERT_THAT(copy.inline_sources, SizeIs(2));
  EXPECT_EQ(copy.inline_sources[0].name, "a.txt");
  EXPECT_EQ(copy.inline_sources[0].content, "$X\ny\n");
  EXPECT_TRUE(copy.inline_sources[0].expand);
  EXPECT_EQ(copy.inline_sources[1].content, "\t$Y\n");
  EXPECT_FALSE(copy.inline_sources[1].expand);
  EXPECT_THAT(Refusal("COPY a <<EOF\nEOF"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("destination")));
  EXPECT_THAT(Refusal("COPY [\"<<EOF\", \"/x\"]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JSON")));
}

TEST(InstructionsTest, ReadsTriggers) {
  EXPECT_EQ(Only<OnBuildInstruction>("ONBUILD  RUN a && \\\n  b").trigger, "RUN a &&   b");
  EXPECT_EQ(Only<OnBuildInstruction>("ONBUILD COPY <<E /x\n\ty\nE").trigger, "COPY <<E /x\n\ty\nE");
  for (const char* bad : {"ONBUILD", "ONBUILD FROM x", "ONBUILD maintainer x",
                          "ONBUILD ONBUILD RUN x", "ONBUILD --x RUN y"}) {
    EXPECT_THAT(Refusal(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(InstructionsTest, ParsesTriggersAtTheirFrom) {
  ASSERT_OK_AND_ASSIGN(const DockerfileInstructions parsed, Parse("\n\nFROM a"));
  const Instruction& from = parsed.stages[0].from;
  ASSERT_OK_AND_ASSIGN(const Instruction copy, ParseTrigger("copy <<E /x\ny\nE", from));
  EXPECT_EQ(std::get<CopyInstruction>(copy.body).inline_sources[0].content, "y\n");
  EXPECT_EQ(copy.source.first_line(), 3u);
  EXPECT_EQ(copy.text, "ONBUILD copy <<E /x");
  for (const char* bad :
       {"", "RUN x\nRUN y", "FROM x", "ONBUILD RUN x", "NO x", "COPY x", "RUN <<E"}) {
    EXPECT_THAT(ParseTrigger(bad, from),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("Dockerfile:3: ")))
        << bad;
  }
}

TEST(InstructionsTest, ChecksStages) {
  EXPECT_THAT(Parse("RUN x\nFROM a"), StatusIs(absl::StatusCode::kInvalidArgument,
                                               HasSubstr("Dockerfile:1: RUN stands before")));
  EXPECT_THAT(Parse("ARG x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("there is no FROM")));
  EXPECT_OK(Parse("FROM a AS x\nFROM b AS X"));
  for (const char* bad : {"FROM", "FROM a b", "FROM a AS", "FROM a AS 1x", "FROM a AS b/c",
                          "FROM a b c", "FROM --what=x a"}) {
    EXPECT_THAT(Parse(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(InstructionsTest, ErrorsCarryInstructionAndStage) {
  const v1::ErrorDetail detail = DetailOf(Refusal("WORKDIR /x\nUSER \\\n\n"));
  EXPECT_EQ(detail.instruction(), "USER");
  EXPECT_EQ(detail.stage(), "base");
  EXPECT_EQ(detail.source().first_line(), 3u);
}

}  // namespace
}  // namespace zlayer
