#include "client/cli/completion_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"
#include "client/lib/fake_daemon.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kDockerfile[] = R"(ARG VERSION=1.2 QUIET
FROM --platform=$BUILDPLATFORM golang:1.22 AS Builder
ARG VERSION
ARG MODE="fast mode"
FROM scratch
FROM builder as final
RUN <<EOF
FROM nothing AS text
EOF
)";

std::vector<std::string> Lines(const std::vector<Candidate>& candidates) {
  std::vector<std::string> lines;
  for (const Candidate& candidate : candidates) {
    lines.push_back(candidate.text + "|" + candidate.description);
  }
  return lines;
}

TEST(StagesOfTest, AreThoseWithNames) {
  EXPECT_THAT(Lines(StagesOf(kDockerfile)),
              ElementsAre("builder|FROM golang:1.22", "final|FROM builder"));
  EXPECT_THAT(StagesOf("FROM x AS"), IsEmpty());
  EXPECT_THAT(StagesOf(""), IsEmpty());
}

TEST(BuildArgsOfTest, AreDeclaredOnce) {
  EXPECT_THAT(Lines(BuildArgsOf(kDockerfile)),
              ElementsAre("VERSION=|1.2", "QUIET=|", "MODE=|\"fast mode\""));
}

class LiveSourceTest : public FakeDaemonTest {
 protected:
  void SetUp() override {
    FakeDaemonTest::SetUp();
    written_.options["--address"] = {address_};
  }

  WrittenCommand written_;
  LiveCompletionSource source_;
};

TEST_F(LiveSourceTest, BuildsOfTheNamespace) {
  std::string name_space;
  service_.list = [&](const v1::ListBuildsRequest& request, v1::ListBuildsResponse* response) {
    name_space = request.namespace_();
    v1::BuildStatus* build = response->add_builds();
    build->set_id("b2");
    build->set_state(v1::RUNNING);
    build->set_title("app:1");
    return grpc::Status::OK;
  };
  StartDaemon();
  written_.options["--namespace"] = {"team"};
  EXPECT_THAT(Lines(source_.Builds(written_)), ElementsAre("b2|running, app:1"));
  EXPECT_EQ(name_space, "team");
}

TEST_F(LiveSourceTest, SilentWithoutADaemon) {
  EXPECT_THAT(source_.Builds(written_), IsEmpty());
  EXPECT_THAT(source_.Images(written_), IsEmpty());
  written_.options["--address"] = {"tcp:80"};
  EXPECT_THAT(source_.Builds(written_), IsEmpty());
}

TEST_F(LiveSourceTest, DoesNotWaitForASlowDaemon) {
  std::mutex mutex;
  std::condition_variable changed;
  bool asked = false;
  service_.list = [&](const v1::ListBuildsRequest&, v1::ListBuildsResponse*) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return asked; });
    return grpc::Status::OK;
  };
  StartDaemon();
  EXPECT_THAT(source_.Builds(written_), IsEmpty());  // or it would hang
  {
    std::lock_guard<std::mutex> lock(mutex);
    asked = true;
  }
  changed.notify_all();
  StopDaemon();  // what the handler uses goes with this test
}

TEST_F(LiveSourceTest, ReadsTheDockerfileThatIsMeant) {
  const std::string& directory = directory_.path();
  ASSERT_OK(WriteFileAtomically(directory + "/Dockerfile", "FROM a AS one\nARG A\n"));
  ASSERT_OK(WriteFileAtomically(directory + "/other", "FROM a AS two\nARG B\n"));
  written_.arguments = {directory};
  EXPECT_THAT(Lines(source_.Stages(written_)), ElementsAre("one|FROM a"));
  EXPECT_THAT(Lines(source_.BuildArgs(written_)), ElementsAre("A=|"));
  written_.options["--file"] = {directory + "/other"};
  EXPECT_THAT(Lines(source_.Stages(written_)), ElementsAre("two|FROM a"));
  written_.options["--file"] = {"-"};
  EXPECT_THAT(source_.Stages(written_), IsEmpty());
  written_.options["--file"] = {directory};
  EXPECT_THAT(source_.BuildArgs(written_), IsEmpty());
}

}  // namespace
}  // namespace zlayer
