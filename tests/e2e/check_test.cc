// Checks of Dockerfiles, what they offer, and the lines that errors show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CheckTest : public BusyboxTest {
 protected:
  Finished Check(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "check");
    arguments.push_back(Context());
    return Zlayer(arguments);
  }
};

TEST_F(CheckTest, ShowsFindingsWithTheirLines) {
  WriteContext("Dockerfile", "FROM busybox\nMAINTAINER me\nCMD true\n");
  const Finished check = Check();
  EXPECT_EQ(check.exit_code, 1) << check.err;
  EXPECT_EQ(check.err, "");
  EXPECT_THAT(check.out, HasSubstr("WARNING: MaintainerDeprecated (Dockerfile:2)\n"));
  EXPECT_THAT(check.out,
              HasSubstr("https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n"));
  EXPECT_THAT(check.out, HasSubstr("   3 | >>> CMD true\n"));
  EXPECT_THAT(check.out, HasSubstr("Dockerfile: 2 findings\n"));
  EXPECT_EQ(Zlayer({"build", "--check", Context()}).out, check.out);

  const Finished json = Check({"--format", "json"});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(Json::parse(json.out)["warnings"][1]["ruleName"], "JSONArgsRecommended");
}

TEST_F(CheckTest, AGoodFileHasNoFinding) {
  WriteContext("Dockerfile", "FROM busybox\nCMD [\"true\"]\n");
  const Finished check = Check();
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_EQ(check.out, "Dockerfile: no finding\n");
}

TEST_F(CheckTest, AnErrorShowsTheLineAndWhatIsNear) {
  WriteContext("Dockerfile", "FROM busybox AS tools\nFROM busybox\nCOPY --from=tool /x /\n");
  Finished check = Check();
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.err, StartsWith("Dockerfile:3: "));
  EXPECT_THAT(check.err, HasSubstr("did you mean tools?"));
  EXPECT_THAT(check.out, HasSubstr("   3 | >>> COPY --from=tool /x /\n"));
  WriteContext("Dockerfile", "FROM busybox\nRNU true\n");
  check = Check({"--format", "json"});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(std::string(Json::parse(check.out)["buildError"]["message"]),
              HasSubstr("did you mean RUN?"));
  const Finished build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 1);
  EXPECT_THAT(build.err, StartsWith("Dockerfile:2: unknown instruction \"RNU\""));
  EXPECT_THAT(build.out, HasSubstr("   2 | >>> RNU true\n"));
}

TEST_F(CheckTest, ABuildWarnsAndMayFailForIt) {
  WriteContext("Dockerfile", "FROM busybox\nMAINTAINER me\n");
  std::vector<Json> events = Build();
  Json warning = Find(events, "warning");
  EXPECT_EQ(warning["rule"], "MaintainerDeprecated");
  EXPECT_THAT(std::string(warning["url"]), HasSubstr("/maintainer-deprecated/"));
  EXPECT_EQ(warning["source"]["first_line"], 2);

  WriteContext("Dockerfile", "# check=error=true\nFROM busybox\nMAINTAINER me\n");
  events = Build({}, 1);
  EXPECT_EQ(Find(events, "warning")["rule"], "MaintainerDeprecated");
  EXPECT_THAT(std::string(Find(events, "build_failed")["error"]),
              HasSubstr("lint violation found for rules: MaintainerDeprecated"));
  Build({"--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all;error=true"});
}

TEST_F(CheckTest, AFailedBuildCarriesTheLines) {
  WriteContext("Dockerfile", "FROM busybox\nRUN false\n");
  const Json failed = Find(Build({}, 1), "build_failed");
  EXPECT_EQ(failed["detail"]["excerpt"]["first_line"], 1);
  EXPECT_EQ(failed["detail"]["excerpt"]["lines"][1], "RUN false");
}

TEST_F(CheckTest, AnIgnoredFileIsNamedWithTheLineThatIgnoresIt) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY secret.txt /\n");
  WriteContext("secret.txt", "x");
  WriteContext(".dockerignore", "# comment\n*.txt\n");
  const Finished check = Check();
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.out, HasSubstr("CopyIgnoredFile"));
  EXPECT_THAT(check.out, HasSubstr(".dockerignore:2"));
  Finished build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 1);
  EXPECT_THAT(build.err, HasSubstr("\"secret.txt\" is left out by line 2 of .dockerignore"));
  WriteContext("Dockerfile.dockerignore", "secret.txt\n");
  build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_THAT(build.err, HasSubstr("left out by line 1 of Dockerfile.dockerignore"));

  const Finished tar = Execute({"sh", "-c",
                                "tar -C " + Context() + " -c . | client/cli/zlayer --address " +
                                    Address() + " build --progress plain -"});
  EXPECT_EQ(tar.exit_code, 1);
  EXPECT_THAT(tar.err, HasSubstr("left out by line 1 of Dockerfile.dockerignore"));
}

TEST_F(CheckTest, OutlineAndTargets) {
  WriteContext(
      "Dockerfile",
      "# base has tools\nFROM busybox AS base\nFROM base AS app\n# VERSION of the program\n"
      "ARG VERSION=1\nRUN --mount=type=secret,id=key,required true\n");
  const Finished outline =
      Zlayer({"build", "--call=outline", "--build-arg", "VERSION=2", Context()});
  EXPECT_EQ(outline.exit_code, 0) << outline.err;
  EXPECT_EQ(outline.out,
            "TARGET:  app\n\nBUILD ARG  VALUE  DESCRIPTION\nVERSION    2      of the program\n\n"
            "SECRET  REQUIRED\nkey     true\n");
  const Json json = Json::parse(Zlayer({"build", "--call=outline,format=json", Context()}).out);
  EXPECT_EQ(json["secrets"][0]["name"], "key");
  const Finished targets = Zlayer({"build", "--call=targets", Context()});
  EXPECT_EQ(targets.exit_code, 0) << targets.err;
  EXPECT_EQ(targets.out,
            "TARGET         BASE     DESCRIPTION\nbase           busybox  has tools\n"
            "app (default)  base     \n");
}

TEST_F(CheckTest, ATarIsChecked) {
  WriteContext("Dockerfile", "FROM busybox\nMAINTAINER me\n");
  const Finished check = Execute(
      {"sh", "-c",
       "tar -C " + Context() + " -c . | client/cli/zlayer --address " + Address() + " check -"});
  EXPECT_EQ(check.exit_code, 1) << check.err;
  EXPECT_THAT(check.out, HasSubstr("MaintainerDeprecated"));
}

}  // namespace
}  // namespace zlayer::e2e
