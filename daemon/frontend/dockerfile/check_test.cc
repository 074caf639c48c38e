// Each rule where it is broken and where it is not, what the directive asks for, and what an
// examination of a whole file says.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/check_options.h"
#include "daemon/frontend/dockerfile/convert.h"
#include "daemon/frontend/dockerfile/rules.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class FakeResolver : public ImageResolver {
 public:
  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token) override {
    if (reference == "missing") {
      return NotFound("there is no image missing");
    }
    ResolvedImage image{reference, "sha256:0", platform, {}};
    if (reference == "arm") {
      image.platform.set_architecture("arm64");
    }
    image.config.add_env("BASE=1");
    if (reference == "bash") {
      image.config.mutable_shell()->add_words("/bin/bash");
    }
    return image;
  }
};

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() {
    request_.name = "Dockerfile";
    request_.platform.set_os("linux");
    request_.platform.set_architecture("amd64");
  }

  FileExamination Examine(std::string_view text) {
    request_.text = text;
    return ExamineFile(request_, resolver_, {});
  }

  // "LINE: MESSAGE" of the findings of a rule.
  std::vector<std::string> Find(std::string_view rule, std::string_view text) {
    std::vector<std::string> found;
    for (const v1::Warning& warning : Examine(text).warnings) {
      if (warning.rule() == rule) {
        found.push_back(std::to_string(warning.source().first_line()) + ": " + warning.message());
      }
    }
    return found;
  }

  // Names of the rules that are broken, in order of the lines.
  std::vector<std::string> Rules(std::string_view text) {
    std::vector<std::string> rules;
    for (const v1::Warning& warning : Examine(text).warnings) {
      rules.push_back(warning.rule());
    }
    return rules;
  }

  void Ignore(std::string_view text) {
    auto rules = IgnoreRules::Parse(text, ".dockerignore");
    ASSERT_OK(rules);
    request_.ignore = IgnoreFile{".dockerignore", *rules};
  }

  FakeResolver resolver_;
  ConvertRequest request_;
};

TEST(RulesTest, EveryRuleHasItsRow) {
  ASSERT_EQ(AllRules().size(), 22u);
  for (size_t i = 0; i < AllRules().size(); ++i) {
    const RuleText& rule = AllRules()[i];
    EXPECT_EQ(static_cast<size_t>(rule.rule), i);
    EXPECT_EQ(&TextOf(rule.rule), &rule);
    EXPECT_FALSE(rule.description.empty());
    std::string page(rule.page);
    std::erase(page, '-');
    EXPECT_EQ(page, ToLower(rule.name));
    EXPECT_EQ(rule.experimental, rule.name == "InvalidDefinitionDescription");
  }
  EXPECT_EQ(TextOf(CheckRule::kJsonArgsRecommended).url(),
            "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
}

TEST_F(CheckTest, StageNameCasing) {
  EXPECT_THAT(Find("StageNameCasing", "FROM scratch AS Base\n"),
              ElementsAre("1: Stage name 'Base' should be lowercase"));
  EXPECT_THAT(Rules("FROM scratch AS base\n"), IsEmpty());
}

TEST_F(CheckTest, FromAsCasing) {
  EXPECT_THAT(Find("FromAsCasing", "FROM scratch as base\n"),
              ElementsAre("1: 'as' and 'FROM' keywords' casing do not match"));
  EXPECT_THAT(Find("FromAsCasing", "from scratch AS base\n"),
              ElementsAre("1: 'AS' and 'from' keywords' casing do not match"));
  EXPECT_THAT(Find("FromAsCasing", "from scratch as base\n"), IsEmpty());
  EXPECT_THAT(Find("FromAsCasing", "From scratch as base\n"), IsEmpty());
}

TEST_F(CheckTest, NoEmptyContinuation) {
  EXPECT_THAT(Find("NoEmptyContinuation", "FROM busybox\nRUN a \\\n\n  b\n"),
              ElementsAre("2: Empty continuation line"));
  EXPECT_THAT(Find("NoEmptyContinuation", "FROM busybox\nRUN a \\\n# x\n  b\n"), IsEmpty());
}

TEST_F(CheckTest, ConsistentInstructionCasing) {
  EXPECT_THAT(
      Find("ConsistentInstructionCasing", "FROM busybox\nRun a\nrun b\nRUN c\n"),
      ElementsAre("2: Command 'Run' should match the case of the command majority (uppercase)",
                  "3: Command 'run' should match the case of the command majority (uppercase)"));
  EXPECT_THAT(
      Find("ConsistentInstructionCasing", "from busybox\nrun a\nRUN b\n"),
      ElementsAre("3: Command 'RUN' should match the case of the command majority (lowercase)"));
  EXPECT_THAT(Rules("arg a\nFROM busybox\nRUN a\n"), IsEmpty());
  EXPECT_THAT(Rules("from busybox\nrun a\n"), IsEmpty());
}

TEST_F(CheckTest, DuplicateStageName) {
  EXPECT_THAT(Find("DuplicateStageName", "FROM scratch AS a\nFROM scratch AS a\n"),
              ElementsAre("2: Duplicate stage name \"a\", stage names should be unique"));
  const FileExamination both = Examine("FROM scratch AS a\nFROM scratch AS A\n");
  EXPECT_OK(both.status);
  EXPECT_THAT(Rules("FROM scratch AS a\nFROM scratch AS b\n"), IsEmpty());
}

TEST_F(CheckTest, ReservedStageName) {
  EXPECT_THAT(
      Find("ReservedStageName", "FROM busybox AS scratch\nFROM busybox AS context\n"),
      ElementsAre("1: Stage name should not use the same name as reserved stage \"scratch\"",
                  "2: Stage name should not use the same name as reserved stage \"context\""));
  EXPECT_THAT(Rules("FROM busybox AS scratch2\n"), IsEmpty());
}

TEST_F(CheckTest, JsonArgsRecommended) {
  EXPECT_THAT(Find("JSONArgsRecommended", "FROM busybox\nCMD a b\nENTRYPOINT c\n"),
              ElementsAre("2: JSON arguments recommended for CMD to prevent unintended behavior "
                          "related to OS signals",
                          "3: JSON arguments recommended for ENTRYPOINT to prevent unintended "
                          "behavior related to OS signals"));
  EXPECT_THAT(Rules("FROM busybox\nCMD [\"a\"]\nENTRYPOINT [\"c\"]\n"), IsEmpty());
  EXPECT_THAT(Rules("FROM busybox\nSHELL [\"/bin/bash\", \"-c\"]\nCMD a b\n"), IsEmpty());
  EXPECT_THAT(Rules("FROM bash\nCMD a b\n"), IsEmpty());
}

TEST_F(CheckTest, MaintainerDeprecated) {
  EXPECT_THAT(Find("MaintainerDeprecated", "FROM busybox\nMAINTAINER me\n"),
              ElementsAre("2: Maintainer instruction is deprecated in favor of using label"));
  EXPECT_THAT(Rules("FROM busybox\nLABEL maintainer=me\n"), IsEmpty());
}

TEST_F(CheckTest, UndefinedArgInFrom) {
  EXPECT_THAT(Find("UndefinedArgInFrom", "ARG VERSION=1\nFROM busybox:${VERSON:-1}$VERSOIN\n"),
              ElementsAre("2: FROM argument 'VERSOIN' is not declared (did you mean VERSION?)"));
  EXPECT_THAT(Find("UndefinedArgInFrom", "FROM --platform=$PLAT busybox\n"),
              ElementsAre("1: FROM argument 'PLAT' is not declared"));
  EXPECT_THAT(Rules("ARG a\nFROM busybox$a\n"), IsEmpty());
  EXPECT_THAT(Rules("FROM --platform=$BUILDPLATFORM busybox\n"), IsEmpty());
}

TEST_F(CheckTest, WorkdirRelativePath) {
  EXPECT_THAT(Find("WorkdirRelativePath", "FROM busybox\nARG d=src\nWORKDIR $d\nWORKDIR more\n"),
              ElementsAre("3: Relative workdir \"src\" can have unexpected results if the base "
                          "image changes"));
  EXPECT_THAT(Rules("FROM busybox AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n"), IsEmpty());
  EXPECT_THAT(Rules("FROM busybox AS a\nWORKDIR /a\nFROM busybox\nWORKDIR b\n"),
              ElementsAre("WorkdirRelativePath"));
}

TEST_F(CheckTest, UndefinedVar) {
  EXPECT_THAT(Find("UndefinedVar", "FROM busybox\nENV NAME=1\nLABEL a=$NMAE b=$NMAE c=$x\n"),
              ElementsAre("3: Usage of undefined variable '$NMAE' (did you mean $NAME?)",
                          "3: Usage of undefined variable '$x'"));
  EXPECT_THAT(
      Find("UndefinedVar", "FROM busybox\nENV a=1 b=$a\nCOPY $src /\n"),
      ElementsAre("2: Usage of undefined variable '$a'", "3: Usage of undefined variable '$src'"));
  EXPECT_THAT(Rules("FROM busybox\nARG a\nLABEL a=$a b=$BASE c=${c:-d} p=$PATH\nRUN $x\n"),
              IsEmpty());
  EXPECT_THAT(Find("UndefinedVar", "FROM busybox\nEXPOSE $x 80\n"), IsEmpty());
  EXPECT_THAT(Find("UndefinedVar", "FROM missing\nLABEL a=$MAYBE\n"), IsEmpty());
}

TEST_F(CheckTest, MultipleInstructionsDisallowed) {
  EXPECT_THAT(Find("MultipleInstructionsDisallowed",
                   "FROM busybox\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\nCMD [\"c\"]\n"),
              ElementsAre("2: Multiple CMD instructions should not be used in the same stage "
                          "because only the last one will be used",
                          "4: Multiple CMD instructions should not be used in the same stage "
                          "because only the last one will be used"));
  EXPECT_THAT(Rules("FROM busybox\nHEALTHCHECK NONE\nHEALTHCHECK NONE\n"),
              ElementsAre("MultipleInstructionsDisallowed"));
  EXPECT_THAT(Rules("FROM busybox AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n"), IsEmpty());
}

TEST_F(CheckTest, LegacyKeyValueFormat) {
  EXPECT_THAT(
      Find("LegacyKeyValueFormat", "FROM busybox\nENV a b\nLABEL c d\n"),
      ElementsAre("2: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
                  "3: \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" "
                  "format"));
  EXPECT_THAT(Rules("FROM busybox\nENV a=b\nLABEL c=d\n"), IsEmpty());
}

TEST_F(CheckTest, InvalidBaseImagePlatform) {
  EXPECT_THAT(Find("InvalidBaseImagePlatform", "FROM arm\n"),
              ElementsAre("1: Base image arm was pulled with platform \"linux/arm64\", expected "
                          "\"linux/amd64\" for current build"));
  EXPECT_OK(Examine("FROM arm\n").status);
  EXPECT_THAT(Rules("FROM busybox\n"), IsEmpty());
}

TEST_F(CheckTest, RedundantTargetPlatform) {
  EXPECT_THAT(Find("RedundantTargetPlatform", "FROM --platform=${TARGETPLATFORM} busybox\n"),
              ElementsAre("1: Setting platform to predefined ${TARGETPLATFORM} in FROM is "
                          "redundant as this is the default behavior"));
  EXPECT_THAT(Rules("FROM --platform=$BUILDPLATFORM busybox\n"), IsEmpty());
}

TEST_F(CheckTest, SecretsUsedInArgOrEnv) {
  EXPECT_THAT(
      Find("SecretsUsedInArgOrEnv", "FROM busybox\nARG api_key TOKEN\nENV AWS_SECRET_ID=x\n"),
      ElementsAre(
          "2: Do not use ARG or ENV instructions for sensitive data (ARG \"api_key\")",
          "2: Do not use ARG or ENV instructions for sensitive data (ARG \"TOKEN\")",
          "3: Do not use ARG or ENV instructions for sensitive data (ENV \"AWS_SECRET_ID\")"));
  EXPECT_THAT(Rules("FROM busybox\nARG MONKEY TOKENS PUBLIC_KEY PASSWORD_FILE auth_version\n"),
              IsEmpty());
}

TEST_F(CheckTest, InvalidDefaultArgInFrom) {
  request_.build_args["TAG"] = "1";
  EXPECT_THAT(Find("InvalidDefaultArgInFrom", "ARG TAG\nFROM busybox:${TAG}\n"),
              ElementsAre("2: Default value for ARG busybox:${TAG} results in empty or invalid "
                          "base image name"));
  EXPECT_THAT(Rules("ARG TAG=2\nFROM busybox:${TAG}\n"), IsEmpty());
  EXPECT_THAT(Rules("ARG TAG\nFROM busybox${TAG:+:}${TAG}\n"), IsEmpty());
}

TEST_F(CheckTest, FromPlatformFlagConstDisallowed) {
  EXPECT_THAT(Find("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 busybox\n"),
              ElementsAre("1: FROM --platform flag should not use constant value "
                          "\"linux/amd64\""));
  EXPECT_THAT(Rules("FROM --platform=linux/amd64 busybox AS build-amd64\n"), IsEmpty());
  EXPECT_THAT(Rules("ARG p=linux/amd64\nFROM --platform=$p busybox\n"), IsEmpty());
}

TEST_F(CheckTest, CopyIgnoredFile) {
  Ignore("# x\n*.o\nsrc/old\n");
  EXPECT_THAT(
      Find("CopyIgnoredFile", "FROM busybox\nCOPY a.o b.c /\nADD src/old/x /\n"),
      ElementsAre(
          "2: Attempting to Copy file \"a.o\" that is excluded by .dockerignore (.dockerignore:2)",
          "3: Attempting to Add file \"src/old/x\" that is excluded by .dockerignore "
          "(.dockerignore:3)"));
  EXPECT_THAT(Rules("FROM busybox AS a\nCOPY src a.c /\nFROM scratch\nCOPY --from=a a.o /\n"),
              IsEmpty());
  Ignore("*.o\n!a.o\n");
  EXPECT_THAT(Rules("FROM busybox\nCOPY a.o /\n"), IsEmpty());
}

TEST_F(CheckTest, InvalidDefinitionDescription) {
  const std::string all = "# check=experimental=all\n";
  EXPECT_THAT(Find("InvalidDefinitionDescription",
                   all + "# the version\nARG VERSION\n# x\nFROM scratch AS base\n# y\nARG a b\n"),
              ElementsAre("3: Comment for ARG should follow the format: `# VERSION <description>`",
                          "5: Comment for FROM should follow the format: `# base <description>`",
                          "7: Comment for ARG should follow the format: `# <arg_key> "
                          "<description>`"));
  EXPECT_THAT(Rules(all + "# text\n\nARG V\n# base is it\nFROM scratch AS base\n"), IsEmpty());
  EXPECT_THAT(Rules(all + "# text\n#\nARG V\nFROM scratch\n"), IsEmpty());
  EXPECT_THAT(Rules("# the version\nARG VERSION\nFROM scratch\n"), IsEmpty());
  EXPECT_THAT(Rules("# check=experimental=InvalidDefinitionDescription;skip=all\n# the\nARG V\n"
                    "FROM scratch\n"),
              ElementsAre("InvalidDefinitionDescription"));
}

TEST_F(CheckTest, ExposeProtoCasing) {
  EXPECT_THAT(Find("ExposeProtoCasing", "FROM busybox\nEXPOSE 80/TcP\n"),
              ElementsAre("2: Defined protocol '80/TcP' in EXPOSE instruction should be "
                          "lowercase"));
  EXPECT_THAT(Rules("FROM busybox\nEXPOSE 80/tcp 81\n"), IsEmpty());
}

TEST_F(CheckTest, ExposeInvalidFormat) {
  EXPECT_THAT(Find("ExposeInvalidFormat", "FROM busybox\nEXPOSE 127.0.0.1:80:80 5000:5000 90\n"),
              ElementsAre("2: EXPOSE instruction should not define an IP address or host-port "
                          "mapping, found '127.0.0.1:80:80'",
                          "2: EXPOSE instruction should not define an IP address or host-port "
                          "mapping, found '5000:5000'"));
  EXPECT_THAT(Rules("FROM busybox\nEXPOSE 80-90\n"), IsEmpty());
}

TEST_F(CheckTest, FindingsHaveDescriptionAndUrl) {
  const FileExamination found = Examine("FROM busybox\nMAINTAINER me\n");
  ASSERT_EQ(found.warnings.size(), 1u);
  EXPECT_EQ(found.warnings[0].description(), TextOf(CheckRule::kMaintainerDeprecated).description);
  EXPECT_EQ(found.warnings[0].url(), TextOf(CheckRule::kMaintainerDeprecated).url());
  EXPECT_EQ(found.warnings[0].source().file(), "Dockerfile");
  EXPECT_FALSE(found.warnings_are_errors);
}

TEST_F(CheckTest, TheDirectiveSkips) {
  EXPECT_THAT(Rules("# check=skip=MaintainerDeprecated, JSONArgsRecommended\nFROM busybox\n"
                    "MAINTAINER me\nCMD x\nWORKDIR a\n"),
              ElementsAre("WorkdirRelativePath"));
  EXPECT_THAT(Rules("# check=skip=all\nFROM busybox\nMAINTAINER me\nCMD x\n"), IsEmpty());
}

TEST_F(CheckTest, TheBuildArgumentWinsOverTheDirective) {
  request_.build_args["BUILDKIT_DOCKERFILE_CHECK"] = "skip=JSONArgsRecommended";
  EXPECT_THAT(Rules("# check=skip=all\nFROM busybox\nMAINTAINER me\nCMD x\n"),
              ElementsAre("MaintainerDeprecated"));
  request_.build_args["BUILDKIT_DOCKERFILE_CHECK"] = "skip";
  EXPECT_THAT(
      Examine("FROM busybox\n").status,
      StatusIs(absl::StatusCode::kInvalidArgument,
               StartsWith("the build argument BUILDKIT_DOCKERFILE_CHECK: \"skip\" is not")));
}

TEST_F(CheckTest, WarningsCanBeErrors) {
  const std::string text = "# check=error=true\nFROM busybox\nMAINTAINER me\nCMD x\n";
  const FileExamination found = Examine(text);
  EXPECT_TRUE(found.warnings_are_errors);
  EXPECT_THAT(found.status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("lint violation found for rules: JSONArgsRecommended, "
                                  "MaintainerDeprecated")));
  const auto graph = ConvertFile(request_, resolver_, {});
  ASSERT_OK(graph);
  EXPECT_EQ(graph->violation, found.status);
  EXPECT_EQ(DetailOf(graph->violation).reason(), "LINT_VIOLATION");
  EXPECT_EQ(graph->warnings.size(), 2u);
  EXPECT_OK(Examine("# check=error=true\nFROM busybox\n").status);
  EXPECT_OK(Examine("# check=skip=all;error=true\nFROM busybox\nCMD x\n").status);
}

TEST_F(CheckTest, RefusesBadOptions) {
  EXPECT_THAT(Examine("# check=skpi=all\nFROM busybox\n").status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("Dockerfile:1: \"skpi=all\" is not an option of \"check\"")));
  EXPECT_THAT(ParseCheckOptions("skpi=all"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean skip?")));
  EXPECT_THAT(ParseCheckOptions("error=maybe"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(ParseCheckOptions(" "));
  ASSERT_OK_AND_ASSIGN(CheckOptions options, ParseCheckOptions("error = 1 ; skip = A ,B"));
  EXPECT_TRUE(options.error);
  EXPECT_THAT(options.skip, ElementsAre("A", "B"));
}

TEST_F(CheckTest, WithoutATargetAllStagesAreChecked) {
  const std::string text = "FROM busybox AS a\nCMD x\nFROM busybox AS b\nENV a b\nFROM a\n";
  EXPECT_THAT(Rules(text), ElementsAre("JSONArgsRecommended", "LegacyKeyValueFormat"));
  request_.target = "a";
  EXPECT_THAT(Rules(text), ElementsAre("JSONArgsRecommended"));
  request_.target = "";
  request_.text = text;
  const auto built = ConvertFile(request_, resolver_, {});
  ASSERT_OK(built);
  EXPECT_EQ(built->warnings.size(), 1u);
  EXPECT_EQ(built->graph.stages_size(), 2);
}

TEST_F(CheckTest, GoesOnBehindAnError) {
  const FileExamination found = Examine(
      "FROM missing\nSTOPSIGNAL nonsense\nCMD [\"a\"]\nCMD [\"b\"]\nFROM busybox\nENV a b\n");
  EXPECT_THAT(found.status, StatusIs(absl::StatusCode::kNotFound, StartsWith("Dockerfile:1: ")));
  EXPECT_EQ(found.warnings.size(), 2u);
  EXPECT_TRUE(found.outline.has_value());
  std::string many = "FROM busybox\n";
  for (int i = 0; i < 100; ++i) {
    many += "STOPSIGNAL nonsense\n";
  }
  EXPECT_THAT(Examine(many + "CMD x\n").warnings, IsEmpty());
}

TEST_F(CheckTest, AFileThatDoesNotReadHasAnError) {
  const FileExamination found = Examine("FROM busybox AS a\nMAINTAINER x\nRNU x\n");
  EXPECT_THAT(found.status, StatusIs(absl::StatusCode::kInvalidArgument,
                                     StartsWith("Dockerfile:3: unknown instruction \"RNU\"")));
  EXPECT_EQ(found.warnings.size(), 1u);
  EXPECT_FALSE(found.outline.has_value());
}

TEST_F(CheckTest, FindingsAreBounded) {
  std::string text = "FROM busybox\n";
  for (int i = 0; i < 300; ++i) {
    text += "LABEL a=$v" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(Examine(text).warnings.size(), 200u);
}

TEST_F(CheckTest, TheOutlineHasWhatTheTargetTakes) {
  request_.build_args["VERSION"] = "2";
  const FileExamination found = Examine(
      "# REGISTRY where images are\nARG REGISTRY=busy\n# BASE what it stands on\n"
      "ARG BASE=${REGISTRY}box\nARG UNUSED=1\n"
      "FROM busybox AS other\nARG NOT_THIS\n"
      "# build compiles\nFROM $BASE AS build\n# VERSION of the program\nARG VERSION=1 EMPTY\n"
      "RUN --mount=type=cache,target=/root/.cache --mount=type=secret,id=key,required make\n"
      "# app is the program\nFROM build AS app\nARG BASE\n"
      "RUN --mount=type=ssh true\n");
  ASSERT_TRUE(found.outline.has_value());
  const v1::BuildOutline& outline = *found.outline;
  EXPECT_EQ(outline.name(), "app");
  EXPECT_EQ(outline.description(), "is the program");
  std::vector<std::string> arguments;
  for (const auto& argument : outline.arguments()) {
    arguments.push_back(
        argument.name() + "=" + (argument.has_value() ? argument.value() : "(none)") + " " +
        argument.description() + ":" + std::to_string(argument.source().first_line()));
  }
  EXPECT_THAT(arguments,
              ElementsAre("REGISTRY=busy where images are:2", "BASE=busybox what it stands on:4",
                          "EMPTY=(none) :11", "VERSION=2 of the program:11"));
  ASSERT_EQ(outline.secrets_size(), 1);
  EXPECT_EQ(outline.secrets(0).id(), "key");
  EXPECT_TRUE(outline.secrets(0).required());
  EXPECT_EQ(outline.secrets(0).source().first_line(), 12u);
  ASSERT_EQ(outline.ssh_size(), 1);
  EXPECT_EQ(outline.ssh(0).id(), "default");
  ASSERT_EQ(outline.caches_size(), 1);
  EXPECT_EQ(outline.caches(0).id(), "/root/.cache");
}

TEST_F(CheckTest, TargetsAreTheStages) {
  const FileExamination found = Examine(
      "ARG V=1\n# base has tools\nFROM --platform=$BUILDPLATFORM busybox:$V AS Base\nFROM base\n");
  ASSERT_EQ(found.targets.size(), 2u);
  EXPECT_EQ(found.targets[0].name(), "base");
  EXPECT_EQ(found.targets[0].description(), "has tools");
  EXPECT_EQ(found.targets[0].base(), "busybox:$V");
  EXPECT_EQ(found.targets[0].platform(), "$BUILDPLATFORM");
  EXPECT_FALSE(found.targets[0].is_default());
  EXPECT_EQ(found.targets[0].source().first_line(), 3u);
  EXPECT_EQ(found.targets[1].name(), "");
  EXPECT_TRUE(found.targets[1].is_default());
}

}  // namespace
}  // namespace zlayer
