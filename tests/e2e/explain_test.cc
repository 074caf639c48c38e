// `zlayer explain`: for each step why it ran, against the nearest earlier build.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ExplainTest : public BusyboxTest {
 protected:
  // Builds with this Dockerfile; what `zlayer explain` then says, a line for each instruction, the
  // configuration left out.
  std::string Explain(const std::string& dockerfile,
                      std::vector<std::string> arguments = {"-t", "app"}) {
    WriteContext("Dockerfile", dockerfile);
    arguments.insert(arguments.begin(), "build");
    arguments.push_back(Context());
    const Finished built = Zlayer(arguments);
    EXPECT_EQ(built.exit_code, 0) << built.out << built.err;
    return Explained();
  }
  std::string Explained() {
    const Finished explained = Zlayer({"explain", "@latest"});
    EXPECT_EQ(explained.exit_code, 0) << explained.err;
    std::string lines;
    for (std::string_view line : Split(explained.out, '\n')) {
      if (line.find("  configuration  ") == std::string_view::npos) {
        lines += Unpadded(line) + "\n";
      }
    }
    return lines;
  }
  // Columns are two spaces apart.
  static std::string Unpadded(std::string_view line) {
    std::string text;
    for (char c : line) {
      if (c != ' ' || !text.ends_with("  ")) {
        text += c;
      }
    }
    return text;
  }
  void ChangeMode(const std::string& path, mode_t mode) {
    ASSERT_EQ(chmod((Context() + "/" + path).c_str(), mode), 0);
  }
};

TEST_F(ExplainTest, TheNearestBuildIsTheOneMadeFromTheSame) {
  const std::string dockerfile = "FROM busybox\nCOPY f /f\nARG A\nRUN cat /f; echo $A\n";
  WriteContext("f", "1");
  Explain(dockerfile, {"-t", "app", "--build-arg", "A=1"});
  EXPECT_THAT(Explain(dockerfile, {"-t", "app", "--build-arg", "A=2"}),
              HasSubstr("miss: the variable A changed"));
  WriteContext("f", "2");
  EXPECT_THAT(Explain(dockerfile, {"-t", "app", "--build-arg", "A=1"}),
              AllOf(HasSubstr("miss: file f changed"),
                    HasSubstr("miss: \"COPY f /f\" before it made something else")));
}

TEST_F(ExplainTest, ATagForEachCommitHasOneHistory) {
  const std::string dockerfile = "FROM busybox\nCOPY f /f\n";
  WriteContext("f", "1");
  Explain(dockerfile, {"-t", "app:1a2b"});
  WriteContext("f", "2");
  EXPECT_THAT(Explain(dockerfile, {"-t", "registry.example/app:3c4d", "-t", "app:3c4d"}),
              HasSubstr("miss: file f changed"));
}

TEST_F(ExplainTest, AnotherProjectWithoutATagIsNotCompared) {
  Explain("FROM busybox\nRUN echo p1\nRUN echo common\n", {});
  EXPECT_THAT(Explain("FROM busybox\nRUN echo p2\nRUN echo other\n", {}),
              AllOf(HasSubstr("first time"), Not(HasSubstr("p1"))));
  EXPECT_THAT(Explain("FROM busybox\nRUN echo p3\nRUN echo common\n", {}),
              HasSubstr("miss: the instruction changed, it was \"RUN echo p1\""));
}

TEST_F(ExplainTest, WhatStandsOnAnEvictedLayerIsEvictedToo) {
  const std::string dockerfile = "FROM busybox\nCOPY d /d\nRUN cat /d/f >/o\n";
  WriteContext("d/f", "1");
  Explain(dockerfile);
  ASSERT_EQ(Zlayer({"rmi", "app"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"cache", "prune", "-a"}).exit_code, 0);
  const std::string why = Explain(dockerfile);
  EXPECT_THAT(why, HasSubstr("evicted  COPY d /d"));
  EXPECT_THAT(why, HasSubstr("evicted  RUN cat"));
}

TEST_F(ExplainTest, AStepThatFailedHasItsReason) {
  WriteContext("f", "1");
  Explain("FROM busybox\nCOPY f /f\nRUN true; grep 1 /f\n");
  WriteContext("f", "2");
  const Finished built = Zlayer({"build", "--explain", "-t", "app", Context()});
  EXPECT_NE(built.exit_code, 0);
  const std::string why = "miss: \"COPY f /f\" before it made something else";
  EXPECT_THAT(built.out, HasSubstr("ERROR (" + why + ")"));
  EXPECT_THAT(Explained(), HasSubstr("failed  " + why + "  RUN true"));
  Zlayer({"build", "-t", "app", Context()});
  EXPECT_THAT(Explained(), HasSubstr("miss: the earlier build did not finish it"));
}

TEST_F(ExplainTest, AStepThatRunsHasItsReason) {
  WriteContext("Dockerfile", "FROM busybox\nRUN sleep 60\n");
  Process build(Cli({"build", "-t", "app", Context()}));
  EXPECT_TRUE(WaitUntil([&] {
    const Finished explained = Zlayer({"explain", "@latest"});
    return Unpadded(explained.out).find("running  first time  RUN sleep 60") != std::string::npos;
  })) << Explained();
  build.Signal(SIGINT);
  build.Wait();
  EXPECT_THAT(Explained(), HasSubstr("canceled  first time  RUN sleep 60"));
}

TEST_F(ExplainTest, FilesAreNamedByTheirSources) {
  const std::string dockerfile = R"(FROM busybox AS gen
COPY in /in
RUN mkdir /out; cp /in/* /out
FROM busybox
COPY app.conf /etc/my.conf
COPY src /src
RUN --mount=type=bind,from=gen,source=/out,target=/m ls /m
RUN --mount=type=cache,id=c,from=gen,source=/out,target=/m ls /m/a; : cache
RUN --mount=type=bind,source=src/one.c,target=/one cat /one; : one
)";
  WriteContext("in/a", "1");
  WriteContext("app.conf", "1");
  WriteContext("src/one.c", "1");
  Explain(dockerfile);
  WriteContext("in/a", "2");
  EXPECT_THAT(
      Explain(dockerfile),
      AllOf(HasSubstr("miss: file in/a changed  COPY in /in"),
            HasSubstr("miss: file /out/a changed (the mount on /m)  RUN --mount=type=bind"),
            HasSubstr("miss: file /out/a changed (the mount on /m)  RUN --mount=type=cache")));
  // Times do not count, and a file is found again whatever they were.
  WriteContext("src/one.c", "1");
  Explain(dockerfile);
  WriteContext("src/one.c", "2");
  ChangeMode("app.conf", 0600);
  EXPECT_THAT(Explain(dockerfile),
              AllOf(HasSubstr("miss: the mode of app.conf changed  COPY app.conf"),
                    HasSubstr("miss: file src/one.c changed  COPY src /src"),
                    HasSubstr("miss: file src/one.c changed (the mount on /one)  RUN --mount")));
}

// What ADD unpacks is known by what the archive holds, over whatever base.
TEST_F(ExplainTest, FilesOfArchivesAreNamedByTheirArchives) {
  const auto pack = [&](const std::string& content) {
    WriteContext("in/f", content);
    const Finished packed =
        Execute({"tar", "-C", Context() + "/in", "-cf", Context() + "/a.tar", "f"});
    ASSERT_EQ(packed.exit_code, 0) << packed.err;
  };
  const auto dockerfile = [](const std::string& below) {
    return "FROM busybox\nRUN echo " + below + " >/below\nADD a.tar /d/\n";
  };
  pack("1");
  Explain(dockerfile("x"));
  EXPECT_THAT(Explain(dockerfile("y")), HasSubstr("hit  ADD a.tar /d/"));
  pack("2");
  EXPECT_THAT(Explain(dockerfile("y")), HasSubstr("miss: file f of a.tar changed"));
}

TEST_F(ExplainTest, WhatARunHasIsNamed) {
  const auto dockerfile = [](const std::string& environment, const std::string& user) {
    return "FROM busybox\nENV " + environment + "\nUSER " + user + "\nRUN id\n";
  };
  Explain(dockerfile("A=1 B=2", "app"));
  EXPECT_THAT(Explain(dockerfile("A=1 B=2", "root")), HasSubstr("miss: the user changed"));
  EXPECT_THAT(Explain(dockerfile("B=2 A=1", "root")),
              HasSubstr("miss: the order of the variables changed"));
}

TEST_F(ExplainTest, APlatformIsNamed) {
  WriteContext("f", "1");
  const std::string dockerfile = "FROM scratch\nCOPY f /f\n";
  Explain(dockerfile, {"-t", "app", "--platform", "linux/amd64"});
  EXPECT_THAT(Explain(dockerfile, {"-t", "app", "--platform", "linux/arm64"}),
              HasSubstr("miss: the platform was linux/amd64, now it is linux/arm64"));
}

TEST_F(ExplainTest, NamesOfFilesAreMadeSafe) {
  WriteContext("d/\033[31mred\nline", "1");
  Explain("FROM busybox\nCOPY d /d\n");
  WriteContext("d/\033[31mred\nline", "2");
  const std::string why = Explain("FROM busybox\nCOPY d /d\n", {"-t", "app", "--explain"});
  EXPECT_THAT(why, AllOf(HasSubstr("miss: file d/red line changed"), Not(HasSubstr("\033"))));
}

}  // namespace
}  // namespace zlayer::e2e
