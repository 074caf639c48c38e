// Builds, seen from outside: what comes out, what runs again, and what a failure says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class BuildTest : public BusyboxTest {
 protected:
  // Exports an image and unpacks it with umoci; returns the root filesystem.
  std::string Unpack(const std::string& reference) {
    const std::string layout = Path("layout-" + reference);
    const std::string bundle = Path("bundle-" + reference);
    const Finished exported =
        Zlayer({"export", "--format", "oci-layout", "-o", layout, reference});
    EXPECT_EQ(exported.exit_code, 0) << exported.err;
    const Finished unpacked =
        Execute({"umoci", "unpack", "--image", layout + ":latest", bundle});
    EXPECT_EQ(unpacked.exit_code, 0) << unpacked.err;
    return bundle + "/rootfs";
  }

  Json Inspect(const std::string& reference) {
    const Finished inspected = Zlayer({"inspect", "--format", "json", reference});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    return Json::parse(inspected.out, nullptr, false);
  }
};

TEST_F(BuildTest, TheExamplesShape) {
  WriteContext("Dockerfile", R"(ARG BASE=busybox
FROM $BASE AS build
RUN mkdir /tools && echo '#!/bin/sh' > /tools/cc && chmod +x /tools/cc
WORKDIR /src
COPY hitsd.cc .
RUN cat hitsd.cc > /hitsd && chmod 700 /hitsd && echo 'hits:x:7:8::/:' > /passwd
FROM scratch
COPY --from=build /passwd /etc/
COPY --from=build --chmod=0755 /hitsd /hitsd
LABEL title="hitsd" two='b c'
ENV GREETING=hello
USER hits
EXPOSE 8080
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s CMD ["/hitsd", "--check"]
ENTRYPOINT ["/hitsd"]
CMD ["8080"]
)");
  WriteContext("hitsd.cc", "int main() {}\n");
  const std::vector<Json> events = Build({"-t", "hitsd"});
  ASSERT_FALSE(Find(events, "build_complete").is_null());

  const Json config = Inspect("hitsd")["config"];
  EXPECT_EQ(config["user"], "hits");
  EXPECT_EQ(config["labels"]["title"], "hitsd");
  EXPECT_EQ(config["labels"]["two"], "b c");
  EXPECT_EQ(config["entrypoint"]["words"], Json::array({"/hitsd"}));
  EXPECT_EQ(config["cmd"]["words"], Json::array({"8080"}));
  EXPECT_EQ(config["exposed_ports"], Json::array({"8080/tcp"}));
  EXPECT_EQ(config["volumes"], Json::array({"/data"}));
  EXPECT_EQ(config["healthcheck"]["test"], Json::array({"CMD", "/hitsd", "--check"}));

  const std::string rootfs = Unpack("hitsd");
  EXPECT_THAT(ReadFile(rootfs + "/hitsd"), IsOkAndHolds(std::string("int main() {}\n")));
  EXPECT_THAT(ReadFile(rootfs + "/etc/passwd"), IsOkAndHolds(std::string("hits:x:7:8::/:\n")));
  EXPECT_EQ(Execute({"sh", "-c", "cd " + rootfs + " && find . -type f | sort | tr '\\n' ' '"}).out,
            "./etc/passwd ./hitsd ");
  EXPECT_EQ(Execute({"stat", "-c", "%a", rootfs + "/hitsd"}).out, "755\n");
}

// What the tests of the cache build: one stage that nothing changes, one that a file goes into.
constexpr char kCached[] = R"(FROM busybox AS other
RUN echo other > /other
FROM busybox
ARG LEVEL=1
RUN echo first > /first
COPY a.txt /a.txt
RUN cat /a.txt > /copy
ENV MODE=x
RUN echo "$LEVEL$MODE" > /level
COPY --from=other /other /other
)";

class CacheTest : public BuildTest {
 protected:
  void SetUp() override {
    BuildTest::SetUp();
    if (!IsSkipped()) {
      WriteContext("Dockerfile", kCached);
      WriteContext("a.txt", "one");
      first_ = Build({"-t", "cached"});
    }
  }
  std::vector<Json> first_;
};

TEST_F(CacheTest, ASecondBuildRunsNothingAndGivesTheSameDigests) {
  EXPECT_EQ(Executed(first_).size(), 6u);
  const std::vector<Json> second = Build({"-t", "cached"});
  EXPECT_THAT(Executed(second), IsEmpty());
  const Json before = Find(first_, "build_complete");
  const Json after = Find(second, "build_complete");
  EXPECT_EQ(before["image_id"], after["image_id"]);
  EXPECT_EQ(before["manifest_digest"], after["manifest_digest"]);
}

TEST_F(CacheTest, TimesDoNotMatter) {
  ASSERT_EQ(Execute({"touch", "-d", "2001-02-03", Context() + "/a.txt"}).exit_code, 0);
  EXPECT_THAT(Executed(Build()), IsEmpty());
}

TEST_F(CacheTest, AChangedFileRunsWhatDependsOnIt) {
  WriteContext("a.txt", "two");
  EXPECT_THAT(Executed(Build()),
              ElementsAre("COPY a.txt /a.txt", "RUN cat /a.txt > /copy",
                          "RUN echo \"$LEVEL$MODE\" > /level"));
}

TEST_F(CacheTest, AChangedModeCounts) {
  ASSERT_EQ(Execute({"chmod", "600", Context() + "/a.txt"}).exit_code, 0);
  EXPECT_THAT(Executed(Build()), testing::Contains("COPY a.txt /a.txt"));
}

TEST_F(CacheTest, AChangedArgumentRunsWhatSeesIt) {
  EXPECT_THAT(Executed(Build({"--build-arg", "LEVEL=2"})),
              ElementsAre("RUN echo first > /first", "RUN cat /a.txt > /copy",
                          "RUN echo \"$LEVEL$MODE\" > /level"));
}

TEST_F(CacheTest, AChangedVariableRunsWhatComesAfterIt) {
  std::string text = kCached;
  text.replace(text.find("MODE=x"), 6, "MODE=y");
  WriteContext("Dockerfile", text);
  EXPECT_THAT(Executed(Build()), ElementsAre("RUN echo \"$LEVEL$MODE\" > /level"));
}

TEST_F(CacheTest, AChangedBaseRunsEveryCommandButNoCopyAgain) {
  ImportBusybox("busybox:latest", "echo new > etc/new");
  EXPECT_THAT(Executed(Build()),
              UnorderedElementsAre("RUN echo other > /other", "RUN echo first > /first",
                                   "RUN cat /a.txt > /copy", "RUN echo \"$LEVEL$MODE\" > /level"));
}

TEST_F(CacheTest, NoCacheRunsEverything) {
  EXPECT_EQ(Executed(Build({"--no-cache"})).size(), 6u);
}

TEST_F(CacheTest, TheCacheOutlivesTheDaemon) {
  StopDaemon();
  StartDaemon();
  const std::vector<Json> second = Build();
  EXPECT_THAT(Executed(second), IsEmpty());
  EXPECT_EQ(Find(first_, "build_complete")["image_id"], Find(second, "build_complete")["image_id"]);
}

TEST_F(BuildTest, AFailingCommandIsNamedWithItsPlaceAndCode) {
  WriteContext("Dockerfile", "FROM busybox\n\nRUN echo before; echo why >&2; exit 7\nRUN echo never\n");
  const Finished finished = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("Dockerfile:3: "), HasSubstr("exit 7"),
                                  HasSubstr("exited with code 7")));
  const std::string output = finished.out + finished.err;
  EXPECT_THAT(output, AllOf(HasSubstr("before"), HasSubstr("why"), Not(HasSubstr("echo never\n#"))));

  const std::vector<Json> events = Build({}, 1);
  const Json failure = Find(events, "build_failed");
  EXPECT_EQ(failure["code"], 10);
  EXPECT_EQ(failure["detail"]["exit_code"], 7);
  EXPECT_EQ(failure["detail"]["reason"], "RUN_FAILED");
  EXPECT_EQ(failure["detail"]["source"]["first_line"], 3);
  EXPECT_THAT(failure["detail"]["instruction"].get<std::string>(), StartsWith("RUN echo before"));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(BuildTest, TheWholeOutputIsKept) {
  WriteContext("Dockerfile", "FROM busybox\nRUN seq 1 20000; printf unfinished\n");
  const std::vector<Json> events = Build();
  const std::string id = events.front()["build_id"];
  const Finished logs = Zlayer({"builds", "logs", id});
  ASSERT_EQ(logs.exit_code, 0) << logs.err;
  std::string expected;
  for (int i = 1; i <= 20000; ++i) {
    expected += std::to_string(i) + "\n";
  }
  EXPECT_EQ(logs.out, expected + "unfinished");
}

TEST_F(BuildTest, IndependentStagesRunAtTheSameTime) {
  WriteContext("Dockerfile", R"(FROM busybox AS a
RUN sleep 1; echo a > /a
FROM busybox AS b
RUN sleep 1; echo b > /b
FROM scratch
COPY --from=a /a /
COPY --from=b /b /
)");
  int started = 0;
  for (const Json& event : Build()) {
    if (event.contains("instruction_complete")) {
      break;
    }
    started += event.contains("instruction_started") ? 1 : 0;
  }
  EXPECT_EQ(started, 2);
}

TEST_F(BuildTest, StagesThatTheTargetDoesNotNeedNeverRun) {
  WriteContext("Dockerfile", "FROM nowhere AS unused\nRUN exit 1\nFROM busybox AS wanted\n"
                             "RUN echo yes\nFROM busybox\nRUN exit 1\n");
  EXPECT_THAT(Executed(Build({"--target", "wanted"})), ElementsAre("RUN echo yes"));
}

TEST_F(BuildTest, IgnoredFilesAreNotThere) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY . /src\nRUN cd /src && find . -type f | sort > /list\n");
  WriteContext(".dockerignore", "**/*.o\nsecret\n!keep.o\n.dockerignore\nDockerfile\n");
  for (const char* file : {"a.c", "a.o", "keep.o", "secret/key", "deep/b.o", "deep/b.c"}) {
    WriteContext(file, file);
  }
  Build({"-t", "ignored"});
  EXPECT_THAT(ReadFile(Unpack("ignored") + "/list"),
              IsOkAndHolds(std::string("./a.c\n./deep/b.c\n./keep.o\n")));
}

TEST_F(BuildTest, NamedContextsAreCopiedFrom) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY --from=assets logo /\nRUN cat /logo > /copy\n");
  ASSERT_OK(MakeDirectories(Path("assets")));
  ASSERT_OK(WriteFileAtomically(Path("assets/logo"), "drawing"));
  Build({"-t", "named", "--build-context", "assets=" + Path("assets")});
  EXPECT_THAT(ReadFile(Unpack("named") + "/copy"), IsOkAndHolds(std::string("drawing")));
}

TEST_F(BuildTest, ATarOnStandardInputIsAContext) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY data /data\nRUN cat /data\n");
  WriteContext(".dockerignore", "skipped\n");
  WriteContext("data", "from the tar");
  WriteContext("skipped", "x");
  const Finished tar = Execute({"tar", "-C", Context(), "-cz", "."});
  const Finished built = Zlayer({"build", "-t", "tarred", "-"}, tar.out);
  EXPECT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(built.out + built.err, HasSubstr("from the tar"));
}

TEST_F(BuildTest, OwnersModesAndLinksOfCopies) {
  WriteContext("Dockerfile", R"(FROM busybox
COPY --chown=app file /own/
COPY --chown=5:6 --chmod=u=rw,go= file /numbers
COPY dir/ /dir/
COPY *.txt only /many/
RUN stat -c '%n %u:%g %a' /own /own/file /numbers /dir/sub/x /many/1.txt > /list; readlink /dir/link >> /list
)");
  WriteContext("file", "f");
  WriteContext("1.txt", "1");
  WriteContext("2.txt", "2");
  WriteContext("only", "o");
  WriteContext("dir/sub/x", "x");
  ASSERT_EQ(symlink("sub/x", (Context() + "/dir/link").c_str()), 0);
  Build({"-t", "copies"});
  EXPECT_THAT(ReadFile(Unpack("copies") + "/list"),
              IsOkAndHolds(std::string("/own 1000:1001 755\n/own/file 1000:1001 644\n"
                                       "/numbers 5:6 600\n/dir/sub/x 0:0 644\n"
                                       "/many/1.txt 0:0 644\nsub/x\n")));
}

TEST_F(BuildTest, UserDirectoryAndEnvironmentOfCommands) {
  WriteContext("Dockerfile", R"(FROM busybox
ENV A=1 B="two words"
ARG C=arg
WORKDIR /app
WORKDIR sub
USER app
RUN id -u > /tmp/list; id -G >> /tmp/list; pwd >> /tmp/list; echo "$A,$B,$C,$HOME,$PATH" >> /tmp/list
)");
  Build({"-t", "user", "--build-arg", "C=given"});
  EXPECT_THAT(ReadFile(Unpack("user") + "/tmp/list"),
              IsOkAndHolds(AllOf(StartsWith("1000\n1001 2000\n/app/sub\n"),
                                 HasSubstr("1,two words,given,/home/app,/usr/local/sbin:"))));
}

TEST_F(BuildTest, ArchivesAreUnpackedByAdd) {
  ASSERT_EQ(Execute({"sh", "-ec", "mkdir -p " + Path("t/in") + "; echo a > " + Path("t/in/a") +
                                      "; tar -C " + Path("t") + " -czf " + Context() + "/a.tgz in"})
                .exit_code,
            0);
  WriteContext("Dockerfile", "FROM busybox\nADD a.tgz /added/\nCOPY a.tgz /copied/\n"
                             "RUN cat /added/in/a && test -f /copied/a.tgz\n");
  Build();
}

TEST_F(BuildTest, NetworkNoneHasOnlyALoopback) {
  WriteContext("Dockerfile",
               "FROM busybox\nRUN --network=none test \"$(ls /sys/class/net)\" = lo\n");
  Build();
}

TEST_F(BuildTest, ARunLeavesNothingOfItsMountsInTheLayer) {
  WriteContext("Dockerfile", "FROM busybox AS b\nRUN echo x > /only\nFROM scratch\nCOPY --from=b / /\n");
  Build({"-t", "clean"});
  const std::string rootfs = Unpack("clean");
  EXPECT_EQ(Execute({"sh", "-c", "cd " + rootfs + " && ls -d proc sys dev etc/hosts etc/resolv.conf "
                                                  "2>/dev/null | wc -l"})
                .out,
            "0\n");
}

}  // namespace
}  // namespace zlayer::e2e
