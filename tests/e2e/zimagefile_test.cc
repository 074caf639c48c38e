// ZImagefiles: all that they build, builds nested in builds, and how a build finds its file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class ZImagefileTest : public BusyboxTest {
 protected:
  Json Inspect(const std::string& reference) {
    const Finished inspected = Zlayer({"inspect", "--format", "json", reference});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    return Json::parse(inspected.out, nullptr, false);
  }

  // A file of an image.
  std::string FileOf(const std::string& reference, const std::string& path) {
    const std::string layout = Path("layout-" + reference);
    EXPECT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", layout, reference}).exit_code, 0);
    const std::string bundle = Path("bundle-" + reference);
    EXPECT_EQ(Execute({"umoci", "unpack", "--image", layout + ":latest", bundle}).exit_code, 0);
    return ReadFile(bundle + "/rootfs/" + path).value_or("(missing)");
  }

  Finished Plan(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), "plan");
    arguments.push_back(Context());
    return Zlayer(arguments);
  }
};

TEST_F(ZImagefileTest, ABaseWithStepsAndSettings) {
  WriteContext("ZImagefile", R"(version: "1"
base: busybox
env: {MODE: fast}
workdir: /app
steps:
  - copy: a.txt
    to: .
    owner: "7:8"
    chmod: "0600"
  - run: cat a.txt > both && echo $MODE >> both
  - run: ["sh", "-c", "echo $LATE > late"]
    env: {LATE: only-here}
    cache:
      - target: /cache
labels: {title: app}
expose: 8080
user: "7"
cmd: ["/app"]
annotations: {org.example.a: from-file, org.example.b: from-file}
)");
  WriteContext("a.txt", "text\n");
  const std::vector<Json> events =
      Build({"-t", "app", "--annotation", "org.example.b=from-request"});
  ASSERT_FALSE(Find(events, "build_complete").is_null());
  const Json image = Inspect("app");
  EXPECT_EQ(image["config"]["labels"]["title"], "app");
  EXPECT_EQ(image["config"]["user"], "7");
  EXPECT_EQ(image["config"]["exposed_ports"], Json::array({"8080/tcp"}));
  EXPECT_THAT(image["config"]["env"], Not(Contains(HasSubstr("LATE"))));
  EXPECT_EQ(FileOf("app", "app/both"), "text\nfast\n");
  EXPECT_EQ(FileOf("app", "app/late"), "only-here\n");
  const Json manifest =
      Json::parse(Zlayer({"manifest", "inspect", "app"}).out, nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(manifest["annotations"]["org.example.a"], "from-file") << manifest;
  EXPECT_EQ(manifest["annotations"]["org.example.b"], "from-request");
  EXPECT_THAT(Executed(Build({"-t", "app"})), IsEmpty());
}

TEST_F(ZImagefileTest, StagesOfWhichTheLastIsTheImage) {
  WriteContext("ZImagefile", R"(stages:
  build:
    base: busybox
    steps:
      - run: echo made > /out
  unused:
    base: gone:1
  app:
    base: scratch
    steps:
      - copy: /out
        to: /app/
        from: build
cmd: ["/app/out"]
)");
  EXPECT_THAT(Executed(Build({"-t", "staged"})), UnorderedElementsAre("RUN echo made > /out", _));
  EXPECT_EQ(FileOf("staged", "app/out"), "made\n");
  EXPECT_THAT(Executed(Build({"-t", "staged"})), IsEmpty());
  const Finished plan = Plan();
  EXPECT_THAT(plan.out, HasSubstr("stage \"unused\" FROM gone:1, ZImagefile:"));
  EXPECT_THAT(plan.out, HasSubstr(", the target\n"));
}

// app -> deps -> deps/tools, and a stage that begins with deps/tools as well.
class NestedTest : public ZImagefileTest {
 protected:
  void SetUp() override {
    ZImagefileTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    WriteContext("ZImagefile", R"(stages:
  deps:
    build: ./deps
    steps:
      - run: cat /tool /dep > /all
  tools:
    build: {context: deps/tools}
  app:
    base: scratch
    steps:
      - copy: /all
        to: /
        from: deps
      - copy: /tool
        to: /again
        from: tools
)");
    WriteContext("deps/ZImagefile.deps", R"(build:
  workdir: tools
  file: Dockerfile
steps:
  - copy: dep.txt
    to: /dep
)");
    WriteContext("deps/dep.txt", "dep\n");
    WriteContext("dep.txt", "not this one\n");
    WriteContext("deps/tools/Dockerfile",
                 "FROM busybox AS builder\nRUN --mount=target=/ctx cat /ctx/tool.txt > /tool\n");
    WriteContext("deps/tools/tool.txt", "tool\n");
  }
};

TEST_F(NestedTest, BuildsAreStagesOfOneBuild) {
  const std::vector<Json> first = Build({"-t", "nested"});
  EXPECT_EQ(FileOf("nested", "all"), "tool\ndep\n");
  EXPECT_EQ(FileOf("nested", "again"), "tool\n");
  const std::vector<std::string> executed = Executed(first);
  EXPECT_EQ(std::count_if(executed.begin(), executed.end(),
                          [](const std::string& text) { return text.starts_with("RUN --mount"); }),
            1);
  std::vector<std::string> builds;
  for (const Json& stage : Find(first, "build_plan")["stages"]) {
    builds.push_back(stage["build"]);
  }
  EXPECT_THAT(builds, ElementsAre("deps/tools", "deps", "", "", ""));
  EXPECT_EQ(Find(first, "stage_started")["build"], "");
  EXPECT_THAT(Executed(Build({"-t", "nested"})), IsEmpty());
  // Only the tags that were asked for.
  EXPECT_THAT(Zlayer({"images"}).out, Not(HasSubstr("dep")));
}

TEST_F(NestedTest, ThePlanAndTheProgressShowThem) {
  const Finished plan = Plan();
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("stage 0 \"deps/tools: builder\" FROM busybox"));
  EXPECT_THAT(plan.out, HasSubstr("deps/tools/Dockerfile:2"));
  EXPECT_THAT(plan.out, HasSubstr("stage 2 \"deps\" FROM build: deps"));
  const Finished build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 0) << build.err;
  EXPECT_THAT(build.out, HasSubstr("[deps/tools: builder 1/1]"));
}

TEST_F(NestedTest, ChangesRunWhatStandsOnThem) {
  Build();
  WriteContext("dep.txt", "of no build\n");
  EXPECT_THAT(Executed(Build()), IsEmpty());
  WriteContext("deps/dep.txt", "changed\n");
  EXPECT_THAT(Executed(Build()), Not(Contains(StartsWith("RUN --mount"))));
}

TEST_F(NestedTest, ATarIsBuiltAsTheDirectoryIs) {
  Build();
  const Finished tar = Execute({"sh", "-c",
                                "tar -C " + Context() + " -c . | client/cli/zlayer --address " +
                                    Address() + " build --progress json -"});
  EXPECT_EQ(tar.exit_code, 0) << tar.err;
  EXPECT_THAT(Executed(ParseEvents(tar.out)), IsEmpty());
}

TEST_F(NestedTest, ErrorsShowTheNestedFile) {
  WriteContext("deps/tools/Dockerfile", "FROM busybox\nRNU x\n");
  Finished build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 1);
  EXPECT_THAT(build.err, StartsWith("deps/tools/Dockerfile:2: "));
  EXPECT_THAT(build.out, HasSubstr("   2 | >>> RNU x\n"));
  WriteContext("deps/tools/Dockerfile", "FROM busybox\nRUN exit 3\n");
  build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_THAT(build.out, HasSubstr("   2 | >>> RUN exit 3\n"));
  WriteContext("deps/tools/Dockerfile", "FROM busybox\nCOPY ../dep.txt /\n");
  build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_THAT(build.err, HasSubstr("dep.txt"));  // there is none in deps/tools
  EXPECT_EQ(build.exit_code, 1);
  WriteContext("deps/ZImagefile.deps", "build: ../..\n");
  build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_THAT(build.err, AllOf(StartsWith("deps/ZImagefile.deps:1"),
                               HasSubstr("outside of the build context")));
}

TEST_F(NestedTest, ACircleIsShown) {
  WriteContext("deps/ZImagefile.deps", "build: ..\n");
  const Json failed = Find(Build({}, 1), "build_failed");
  EXPECT_THAT(std::string(failed["error"]),
              HasSubstr("ZImagefile -> deps/ZImagefile.deps -> ZImagefile"));
  EXPECT_EQ(failed["detail"]["reason"], "CIRCULAR_DEPENDENCY");
  EXPECT_EQ(failed["detail"]["items"].size(), 3u);
}

TEST_F(ZImagefileTest, TheFileIsFound) {
  WriteContext("Dockerfile", "FROM busybox\nRUN echo docker\n");
  EXPECT_THAT(Executed(Build()), ElementsAre("RUN echo docker"));
  WriteContext("ZImagefile.one", "base: busybox\nsteps: [{run: echo one}]\n");
  EXPECT_THAT(Executed(Build()), ElementsAre("RUN echo one"));
  WriteContext("ZImagefile.two", "base: busybox\nsteps: [{run: echo two}]\n");
  Finished several = Zlayer({"build", Context()});
  EXPECT_EQ(several.exit_code, 1);
  EXPECT_THAT(several.err, HasSubstr("ZImagefile.one, ZImagefile.two; choose one with -z"));
  const std::string tar = "tar -C " + Context() + " -c . | client/cli/zlayer --address " +
                          Address() + " build --progress json ";
  several = Execute({"sh", "-c", tar + "-"});
  EXPECT_EQ(several.exit_code, 1);
  const Json failed = Find(ParseEvents(several.out), "build_failed");
  EXPECT_EQ(failed["detail"]["items"], Json::array({"ZImagefile.one", "ZImagefile.two"}));
  EXPECT_THAT(Executed(Build({"-z", Context() + "/ZImagefile.two"})), ElementsAre("RUN echo two"));
  EXPECT_THAT(Executed(Build({"-f", Context() + "/ZImagefile.two"})), IsEmpty());
  EXPECT_THAT(Executed(Build({"-f", Context() + "/Dockerfile"})), IsEmpty());
  EXPECT_EQ(Execute({"sh", "-c", tar + "-z ZImagefile.two -"}).exit_code, 0);
  WriteContext("ZImagefile", "base: busybox\nsteps: [{run: echo all}]\n");
  EXPECT_THAT(Executed(Build()), ElementsAre("RUN echo all"));
  const Finished both = Zlayer({"build", "-f", "a", "-z", "b", Context()});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("-f and -z"));
}

TEST_F(ZImagefileTest, VariablesAreSet) {
  WriteContext("ZImagefile",
               "base: ${IMAGE:-busybox}\nsteps:\n  - run: X=1; echo ${WORD} $${X} > /out\n");
  Build({"-t", "set", "--set", "WORD=hello"});
  EXPECT_EQ(FileOf("set", "out"), "hello 1\n");
  const Finished plan = Plan({"--set", "WORD=a b", "--set", "IMAGE=scratch"});
  EXPECT_THAT(plan.out, HasSubstr("FROM scratch"));
  EXPECT_EQ(Zlayer({"build", "--set", "novalue", Context()}).exit_code, 2);
}

TEST_F(ZImagefileTest, ErrorsHaveLineAndColumn) {
  WriteContext("ZImagefile", "base: busybox\nsteps:\n  - rum: true\n");
  Finished build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 1);
  EXPECT_THAT(build.err, StartsWith("ZImagefile:3:5: steps"));
  EXPECT_THAT(build.out, HasSubstr("   3 | >>>   - rum: true\n"));
  const Finished check = Zlayer({"check", Context()});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.err, StartsWith("ZImagefile:3:5: steps"));
  EXPECT_THAT(Plan().err, StartsWith("ZImagefile:3:5: steps"));
  WriteContext("ZImagefile", "wasm: {}\n");
  build = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(build.exit_code, 1);
  EXPECT_THAT(build.err, HasSubstr("WebAssembly"));
  WriteContext("ZImagefile", "base: busybox\ncmd: echo $GONE\nenv: {A: $MISSING}\n");
  const std::vector<Json> events = Build();
  EXPECT_EQ(Find(events, "warning")["rule"], "UndefinedVar");
  EXPECT_EQ(Find(events, "warning")["source"]["first_line"], 3);
}

TEST_F(ZImagefileTest, TheExample) {
  const std::string example = "deploy/examples/zimage";
  Finished build =
      Zlayer({"build", "--progress", "json", "-t", "page", "--set", "TITLE=hello", example});
  ASSERT_EQ(build.exit_code, 0) << build.err << build.out;
  EXPECT_EQ(FileOf("page", "srv/index.html"),
            "<!doctype html>\n<title>hello, hello</title>\n<p>Nothing but text.\n");
  build = Zlayer({"build", "--progress", "json", "-t", "page", "--set", "TITLE=hello", example});
  EXPECT_THAT(Executed(ParseEvents(build.out)), IsEmpty());
  EXPECT_EQ(Zlayer({"check", example}).exit_code, 0);
}

}  // namespace
}  // namespace zlayer::e2e
