// Pipelines as their users see them: order, failures, cancel, a daemon that dies, sending.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PipelineTest : public BusyboxTest {
 protected:
  void SetUp() override {
    BusyboxTest::SetUp();
    if (!IsSkipped()) {
      ASSERT_OK(MakeDirectories(Context()));
    }
  }

  // An image that is built from the directory of its name.
  void WriteImage(const std::string& name, const std::string& dockerfile) {
    ASSERT_OK(MakeDirectories(Context() + "/" + name));
    WriteContext(name + "/Dockerfile", dockerfile);
  }
  std::string File() const { return Context() + "/ZPipeline.yaml"; }

  Finished Run(std::vector<std::string> flags = {}) {
    std::vector<std::string> arguments = {"pipeline", "-f", File()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return Zlayer(arguments);
  }
  // The pipeline's last status.
  Json RunJson(std::vector<std::string> flags, int exit_code) {
    flags.insert(flags.end(), {"--format", "json"});
    std::vector<std::string> arguments = {"pipeline", "-f", File()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Finished finished = Process(Cli(arguments)).Wait(240);  // registries are tried for long
    EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
    const Json status = Json::parse(finished.out, nullptr, false);
    return status.is_object() ? status : Json::object();
  }
  std::string Detach() {
    const Finished finished = Run({"--detach"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.out.substr(0, finished.out.find('\n'));
  }
  Json Show(const std::string& id) {
    const Finished shown = Zlayer({"pipelines", "show", "--format", "json", id});
    const Json status = Json::parse(shown.out, nullptr, false);
    return status.is_object() ? status : Json::object();
  }
  // The state of each image, without what all states begin with.
  static std::map<std::string, std::string> States(const Json& status) {
    std::map<std::string, std::string> states;
    for (const Json& image : status.value("images", Json::array())) {
      states[image.value("name", "")] =
          image.value("state", "").substr(std::string("PIPELINE_IMAGE_").size());
    }
    return states;
  }
  static Json Image(const Json& status, const std::string& name) {
    for (const Json& image : status.value("images", Json::array())) {
      if (image.value("name", "") == name) {
        return image;
      }
    }
    return Json::object();
  }
  bool AwaitState(const std::string& id, const std::string& image, const std::string& state) {
    return WaitUntil([&] { return States(Show(id))[image] == state; });
  }
  bool AwaitOutput(const std::string& id, const std::string& image) {
    const std::string build = Image(Show(id), image).value("build_id", "");
    return WaitUntil([&] { return !Zlayer({"builds", "logs", build}).out.empty(); });
  }
  // Sequence numbers without gaps, and exactly one end.
  void ExpectWholeHistory(const std::string& id) {
    int sequence = 0;
    int ends = 0;
    for (const Json& event :
         ParseEvents(Zlayer({"pipelines", "watch", "--progress", "json", id}).out)) {
      if (event.value("pipeline_id", "") == id) {
        EXPECT_EQ(event["sequence"], std::to_string(++sequence));
        ends += event.contains("ended") ? 1 : 0;
      }
    }
    EXPECT_EQ(ends, 1);
  }
  size_t CountBuilds() {
    const std::string out = Zlayer({"builds", "ls", "--format", "json"}).out;
    return static_cast<size_t>(std::count(out.begin(), out.end(), '\n'));
  }
};

TEST_F(PipelineTest, TheExampleBuildsInItsOrder) {
  // A copy: the files may be links here.
  const std::string example = Path("example");
  ASSERT_EQ(Execute({"cp", "-rL", "deploy/examples/pipeline", example}).exit_code, 0);
  const Finished first = Zlayer({"pipeline", "-f", example + "/ZPipeline.yaml"});
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("base    | building (build "),
                               HasSubstr("greeter | built"), HasSubstr("IMAGE")));
  const size_t base = first.out.find("base    | built");
  const size_t greeter = first.out.find("greeter | building");
  ASSERT_NE(base, std::string::npos) << first.out;
  EXPECT_LT(base, greeter) << first.out;
  EXPECT_EQ(Zlayer({"inspect", "example-greeter:1.0"}).exit_code, 0);

  const Finished other = Zlayer({"pipeline", "-f", example + "/ZPipeline.yaml", "--only", "greeter",
                                 "--set", "VERSION=2", "--progress", "plain"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.out, Not(HasSubstr("page")));
  EXPECT_EQ(Zlayer({"inspect", "example-greeter:2"}).exit_code, 0);
  EXPECT_EQ(Zlayer({"inspect", "example-page:2"}).exit_code, 1);
}

TEST_F(PipelineTest, TheFirstFailureSkipsWhatIsLeft) {
  WriteImage("bad", "FROM busybox\nRUN echo to stderr >&2; exit 7\n");
  WriteImage("after", "FROM busybox\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  bad: {file: bad/Dockerfile}\n"
               "  after: {file: after/Dockerfile, depends_on: [bad]}\n");
  const Finished finished = Run();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("image \"bad\": "), HasSubstr("Dockerfile:2")));
  EXPECT_THAT(finished.out, AllOf(HasSubstr("bad   | #"), HasSubstr("to stderr"),
                                  HasSubstr("after | skipped: it needs \"bad\", which failed")));
}

TEST_F(PipelineTest, KeepGoingBuildsAllThatDoesNotDependOnAFailure) {
  WriteImage("bad", "FROM busybox\nRUN exit 7\n");
  WriteImage("after", "FROM busybox\n");
  WriteImage("good", "FROM busybox\nRUN true\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  bad: {file: bad/Dockerfile}\n"
               "  after: {file: after/Dockerfile, depends_on: [bad]}\n"
               "  good: {file: good/Dockerfile, depends_on: []}\n");
  const Json status = RunJson({"--keep-going", "--jobs", "1"}, 1);
  EXPECT_EQ(States(status), (std::map<std::string, std::string>{
                                {"bad", "FAILED"}, {"after", "SKIPPED"}, {"good", "BUILT"}}));
  EXPECT_THAT(Image(status, "after").value("reason", ""), HasSubstr("\"bad\""));
  ExpectWholeHistory(status.value("id", ""));
}

TEST_F(PipelineTest, ItGoesOnAfterAKill) {
  WriteImage("second", "FROM first\nRUN true\n");
  WriteImage("quick", "FROM busybox\nRUN true\n");
  WriteImage("first", "FROM busybox\nRUN echo hello; sleep 8\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  first: {file: first/Dockerfile, context: first, tags: [first]}\n"
               "  second: {file: second/Dockerfile, context: second, depends_on: [first]}\n"
               "  quick: {file: quick/Dockerfile, context: quick}\n");
  const std::string id = Detach();
  ASSERT_TRUE(AwaitState(id, "quick", "BUILT"));
  ASSERT_TRUE(AwaitOutput(id, "first"));
  Process watcher(Cli({"pipelines", "watch", "--progress", "json", id}));
  StopDaemon(SIGKILL);
  StartDaemon();
  const Finished watched = watcher.Wait();
  EXPECT_EQ(watched.exit_code, 0) << watched.err;
  EXPECT_EQ(States(Show(id)), (std::map<std::string, std::string>{
                                  {"first", "BUILT"}, {"second", "BUILT"}, {"quick", "BUILT"}}));
  EXPECT_EQ(CountBuilds(), 3u);  // none twice
  ExpectWholeHistory(id);
}

TEST_F(PipelineTest, CancelingCancelsTheBuilds) {
  WriteImage("long", "FROM busybox\nRUN echo running; sleep 600\n");
  WriteImage("after", "FROM busybox\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  long: {file: long/Dockerfile}\n"
               "  after: {file: after/Dockerfile, depends_on: [long]}\n");
  const std::string id = Detach();
  ASSERT_TRUE(AwaitState(id, "long", "BUILDING"));
  ASSERT_TRUE(AwaitOutput(id, "long"));
  EXPECT_EQ(Zlayer({"pipelines", "rm", id}).exit_code, 1);
  EXPECT_EQ(Zlayer({"pipelines", "cancel", id}).exit_code, 0);
  ASSERT_TRUE(WaitUntil([&] { return Show(id).value("state", "") == "PIPELINE_CANCELED"; }));
  EXPECT_EQ(States(Show(id)),
            (std::map<std::string, std::string>{{"long", "CANCELED"}, {"after", "SKIPPED"}}));
  EXPECT_THAT(Zlayer({"pipelines", "ls"}).out, AllOf(HasSubstr(id), HasSubstr("canceled")));
  EXPECT_EQ(Zlayer({"pipelines", "rm", id}).exit_code, 0);
  EXPECT_THAT(Zlayer({"pipelines", "show", id}).err, HasSubstr("is not known"));
}

TEST_F(PipelineTest, AnInterruptCancelsThePipeline) {
  WriteImage("long", "FROM busybox\nRUN echo running; sleep 600\n");
  WriteContext("ZPipeline.yaml", "images:\n  long: {file: long/Dockerfile}\n");
  Process pipeline(Cli({"pipeline", "-f", File(), "--progress", "plain"}));
  ASSERT_TRUE(
      WaitUntil([&] { return pipeline.OutSoFar().find(" running\n") != std::string::npos; }));
  pipeline.Signal(SIGINT);
  const Finished finished = pipeline.Wait();
  EXPECT_EQ(finished.exit_code, 130);
  EXPECT_THAT(finished.out, HasSubstr("long | canceled"));
  EXPECT_EQ(Show("@latest").value("state", ""), "PIPELINE_CANCELED");
}

TEST_F(PipelineTest, ImagesGoToTheRegistryOnceAllAreBuilt) {
  StopDaemon();
  ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"),
                                "server: {address: '127.0.0.1:0', writable: true}\n"));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  const std::string before = "addresses=127.0.0.1:";
  ASSERT_TRUE(WaitUntil([&] { return daemon_->ErrSoFar().find(before) != std::string::npos; }));
  const std::string log = daemon_->ErrSoFar();
  const std::string port = std::to_string(std::stoi(log.substr(log.find(before) + before.size())));
  WriteImage("app", "FROM busybox\nLABEL a=b\n");
  WriteImage("web", "FROM busybox\nLABEL c=d\n");
  WriteContext(
      "ZPipeline.yaml",
      "images:\n  app: {file: app/Dockerfile, tags: [\"${HOST}/sent:1\", \"${HOST}/sent:2\"]}\n"
      "  web: {file: web/Dockerfile, tags: [local]}\n"
      "push: {after_all: true}\n");
  const Json status = RunJson({"--set", "HOST=127.0.0.1:" + port}, 0);
  EXPECT_EQ(States(status),
            (std::map<std::string, std::string>{{"app", "PUSHED"}, {"web", "BUILT"}}));
  for (const char* tag : {"1", "2"}) {
    EXPECT_EQ(Zlayer({"pull", "127.0.0.1:" + port + "/sent:" + tag}).exit_code, 0) << tag;
  }
}

TEST_F(PipelineTest, ARegistryThatIsNotThereFailsThePipeline) {
  // Nothing listens on port 1.
  WriteImage("app", "FROM busybox\nLABEL a=b\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  app: {file: app/Dockerfile, tags: [\"127.0.0.1:1/app\", local]}\n"
               "push: {after_all: true}\n");
  const Json status = RunJson({}, 1);
  EXPECT_EQ(status.value("state", ""), "PIPELINE_FAILED");
  EXPECT_THAT(Image(status, "app")["failure"].value("error", ""),
              HasSubstr("it was built, but cannot be sent: "));
  EXPECT_EQ(RunJson({"--no-push"}, 0).value("state", ""), "PIPELINE_SUCCEEDED");
}

TEST_F(PipelineTest, MistakesInTheFileAreSentencesWithTheirPlace) {
  WriteContext("ZPipeline.yaml", "images:\n  a:\n    fiel: x\n");
  Finished finished = Run();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("ZPipeline.yaml:3:5: images.a.fiel: "),
                                  HasSubstr("did you mean file?")));
  WriteImage("a", "FROM busybox\n");
  WriteContext("ZPipeline.yaml",
               "images:\n  a: {file: a/Dockerfile, depends_on: [b]}\n"
               "  b: {file: a/Dockerfile, depends_on: [a]}\n");
  finished = Run();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, HasSubstr("a -> b -> a"));
  WriteContext("ZPipeline.yaml", "images:\n  a: {file: a/Dockerfile}\n");
  finished = Run({"--only", "aa"});
  EXPECT_EQ(finished.exit_code, 2);
  WriteContext("ZPipeline.yaml",
               "images:\n  a: {file: a/Dockerfile, platforms: [linux/amd64, linux/arm64]}\n");
  finished = Run();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("image \"a\": "), HasSubstr("platforms")));
}

}  // namespace
}  // namespace zlayer::e2e
