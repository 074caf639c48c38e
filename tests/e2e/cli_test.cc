// The command line as a whole: what it prints where, and what reaches the daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CliTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    unsetenv("ZLAYER_NAMESPACE");
    unsetenv("ZLAYER_ADDRESS");
    StartDaemon();
    WriteContext("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
  }

  // What a command that must succeed printed, without the last newline; nothing on standard error.
  std::string Out(const std::vector<std::string>& arguments) {
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return std::string(Trim(finished.out));
  }

  std::string File(const std::string& name) {
    auto content = ReadFile(Path(name));
    return content.ok() ? *content : "no file";
  }

  std::vector<Json> Builds(std::vector<std::string> filters = {}) {
    filters.insert(filters.begin(), {"builds", "ls", "--format", "json"});
    return ParseEvents(Out(filters));
  }
};

TEST_F(CliTest, ABuildTellsItsImage) {
  const std::string id = Out({"build", "-q", "-t", "app:1", "--iidfile", Path("iid"),
                              "--metadata-file", Path("metadata"), Context()});
  EXPECT_THAT(id, StartsWith("sha256:"));
  EXPECT_EQ(File("iid"), id);
  const Json metadata = Json::parse(File("metadata"), nullptr, false);
  ASSERT_FALSE(metadata.is_discarded()) << File("metadata");
  EXPECT_EQ(metadata["build_complete"]["image_id"], id);
  EXPECT_EQ(metadata["build_id"], Builds().at(0)["id"]);
}

TEST_F(CliTest, AFailedBuildLeavesOneSentence) {
  WriteContext("Dockerfile", "FROM scratch\nCOPY absent /\n");
  const Finished finished = Zlayer(
      {"build", "-q", "--iidfile", Path("iid"), "--metadata-file", Path("metadata"), Context()});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_EQ(finished.out, "");
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  EXPECT_EQ(File("iid"), "no file");
  EXPECT_THAT(File("metadata"), HasSubstr("\"build_failed\""));
}

TEST_F(CliTest, ADetachedBuildIsItsId) {
  const std::string id = Out({"build", "--detach", "--idempotency-key", "once", Context()});
  EXPECT_EQ(id.find('\n'), std::string::npos);
  EXPECT_EQ(Out({"build", "--detach", "--idempotency-key", "once", Context()}), id);
  const Finished other =
      Zlayer({"build", "--detach", "--idempotency-key", "once", "--label", "other=1", Context()});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr(id));
  EXPECT_EQ(Zlayer({"builds", "watch", id}).exit_code, 0);
  EXPECT_EQ(Json::parse(Out({"builds", "show", "--format", "json", "@latest"}))["id"], id);
  EXPECT_EQ(
      Json::parse(Out({"builds", "show", "--format", "json", id.substr(0, id.size() - 1)}))["id"],
      id);
  EXPECT_EQ(Zlayer({"build", "--detach", "--iidfile", Path("iid"), Context()}).exit_code, 2);
}

TEST_F(CliTest, TheNamespaceMayComeFromTheEnvironment) {
  ASSERT_EQ(setenv("ZLAYER_NAMESPACE", "team", 1), 0);
  Out({"build", "-q", Context()});
  EXPECT_THAT(Builds(), SizeIs(1));
  EXPECT_EQ(Builds().at(0)["namespace"], "team");
  EXPECT_THAT(Builds({"--namespace", "other"}), IsEmpty());
  ASSERT_EQ(unsetenv("ZLAYER_NAMESPACE"), 0);
}

TEST_F(CliTest, TheAddressMayComeFromTheEnvironment) {
  ASSERT_EQ(setenv("ZLAYER_ADDRESS", Address().c_str(), 1), 0);
  EXPECT_EQ(Execute({"client/cli/zlayer", "info"}).exit_code, 0);
  EXPECT_EQ(Execute({"client/cli/zlayer", "--address", "unix:///nowhere", "info"}).exit_code, 3);
  ASSERT_EQ(unsetenv("ZLAYER_ADDRESS"), 0);
}

TEST_F(CliTest, FurtherContextsLabelsAndPriority) {
  WriteContext("Dockerfile", "FROM scratch\nCOPY --from=more file /\n");
  WriteContext("more/file", "content");
  Out({"build", "-q", "-t", "app", "--build-context", "more=" + Path("context/more"), "--label",
       "team=a", "--priority", "7", Context()});
  EXPECT_EQ(Builds().at(0)["priority"], 7);
  const Json image = Json::parse(Out({"inspect", "--format", "json", "app"}));
  EXPECT_EQ(image["config"]["labels"]["team"], "a");
}

TEST_F(CliTest, CompletesWhatTheDaemonHas) {
  Out({"build", "-q", "-t", "app:1", Context()});
  const std::string id = Builds().at(0)["id"];
  const std::vector<std::string> words = {"__complete", "--", "--address", Address()};
  auto complete = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    more.insert(more.begin(), "client/cli/zlayer");
    return Execute(more).out;
  };
  EXPECT_THAT(complete({"inspect", "ap"}), StartsWith("words\napp:1\t"));
  EXPECT_EQ(complete({"builds", "show", ""}), "words\n" + id + "\tsucceeded, app:1\n");
  StopDaemon();
  EXPECT_EQ(complete({"inspect", "ap"}), "words\n");
}

TEST_F(CliTest, TheExampleOfTheLibraryBuilds) {
  ASSERT_EQ(setenv("ZLAYER_ADDRESS", Address().c_str(), 1), 0);
  const Finished built = Execute({"client/lib/example", Context(), "example:1"});
  EXPECT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(built.out, StartsWith("COPY Dockerfile /\nimage sha256:"));
  EXPECT_THAT(built.out, HasSubstr(Json::parse(Out({"inspect", "--format", "json",
                                                    "example:1"}))["image"]["config_digest"]
                                       .get<std::string>()));
  WriteContext("Dockerfile", "FROM scratch\nNONSENSE\n");
  const Finished failed = Execute({"client/lib/example", Context()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("Dockerfile:2"));
  ASSERT_EQ(unsetenv("ZLAYER_ADDRESS"), 0);
}

TEST_F(CliTest, APlanRunsNothing) {
  ImportBusybox();
  WriteContext("Dockerfile",
               "FROM busybox AS tools\nRUN false\nFROM busybox AS unused\nRUN true\n"
               "FROM scratch\nCOPY --from=tools /x /x\n");
  const std::string text = Out({"plan", Context()});
  EXPECT_THAT(text, HasSubstr("stage 0 \"tools\" FROM busybox"));
  EXPECT_THAT(text, HasSubstr("docker.io/library/busybox:latest@sha256:"));
  EXPECT_THAT(text, HasSubstr("Dockerfile:2  RUN false"));
  EXPECT_THAT(text, HasSubstr("stage \"unused\" FROM busybox, Dockerfile:3: not needed"));
  EXPECT_THAT(text, HasSubstr("from stage 0 \"tools\""));
  const Json plan = Json::parse(Out({"plan", "--format", "json", Context()}));
  EXPECT_EQ(plan["plan"]["stages"].size(), 2u);
  EXPECT_THAT(Builds(), IsEmpty());

  WriteContext("Dockerfile", "FROM absent\n");
  const Finished failed = Zlayer({"plan", Context()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_EQ(failed.out, "");
  EXPECT_THAT(failed.err, StartsWith("Dockerfile:1: "));
}

TEST_F(CliTest, FindsAndRemovesBuilds) {
  Out({"build", "-q", "-t", "app:1", Context()});
  Out({"build", "-q", "-t", "app:2", Context()});
  WriteContext("Dockerfile", "FROM scratch\nCOPY absent /\n");
  EXPECT_EQ(Zlayer({"build", Context()}).exit_code, 1);
  EXPECT_THAT(Builds(), SizeIs(3));
  EXPECT_THAT(Builds({"-n", "2"}), SizeIs(2));
  EXPECT_THAT(Builds({"--state", "failed"}), SizeIs(1));
  EXPECT_THAT(Builds({"--state", "failed", "--state", "succeeded"}), SizeIs(3));
  EXPECT_THAT(Builds({"--tag", "app:1"}), SizeIs(1));
  EXPECT_THAT(Builds({"--since", "1h"}), SizeIs(3));
  EXPECT_THAT(Builds({"--before", "1h"}), IsEmpty());

  const std::string id = Builds({"--tag", "app:1"}).at(0)["id"];
  EXPECT_EQ(Out({"builds", "rm", id}), id);
  EXPECT_EQ(Zlayer({"builds", "show", id}).exit_code, 1);
  Out({"builds", "rm", "--all-ended"});
  EXPECT_THAT(Builds(), IsEmpty());
  Out({"inspect", "app:1"});  // what it made stays
}

}  // namespace
}  // namespace zlayer::e2e
