// Where the time of a build went.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::IsSupersetOf;

class TraceTest : public BusyboxTest {
 protected:
  // The complete events of a trace.
  static std::vector<Json> Spans(const std::string& text) {
    const Json trace = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(trace.is_object()) << text;
    std::vector<Json> spans;
    for (const Json& event : trace.is_object() ? trace["traceEvents"] : Json::array()) {
      if (event["ph"] == "X") {
        EXPECT_GE(event["ts"].get<double>(), 0);
        EXPECT_GE(event["dur"].get<double>(), 0);
        spans.push_back(event);
      }
    }
    return spans;
  }

  static std::set<std::string> Names(const std::vector<Json>& spans) {
    std::set<std::string> names;
    for (const Json& span : spans) {
      names.insert(span["name"]);
    }
    return names;
  }
};

TEST_F(TraceTest, ABuildHasSpansAndTheyGoWithIt) {
  WriteContext("Dockerfile", "FROM busybox\nRUN echo x > /x\n");
  Build();
  Finished traced = Zlayer({"trace", "@latest"});
  ASSERT_EQ(traced.exit_code, 0) << traced.err;
  EXPECT_THAT(Names(Spans(traced.out)),
              IsSupersetOf({"queue", "plan", "step", "prepare", "lookup", "wait", "mount",
                            "runtime", "index", "digest", "commit"}));
  EXPECT_TRUE(Zlayer({"trace", "-o", Path("trace.json"), "@latest"}).out.empty());
  EXPECT_THAT(ReadFile(Path("trace.json")), IsOkAndHolds(traced.out));

  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Zlayer({"trace", "@latest"}).out, traced.out);
  EXPECT_EQ(Execute({"sh", "-c", "ls " + Root() + "/builds/*/trace"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"builds", "rm", "@latest"}).exit_code, 0);
  EXPECT_EQ(Execute({"sh", "-c", "ls " + Root() + "/builds"}).out, "");
  EXPECT_EQ(Zlayer({"trace", "01jabcdefghjkmnpqrstvwxyz0"}).exit_code, 1);
}

TEST_F(TraceTest, FailedAndRunningBuildsHaveTraces) {
  WriteContext("Dockerfile", "FROM busybox\nRUN exit 3\n");
  Build({}, 1);
  EXPECT_THAT(Names(Spans(Zlayer({"trace", "@latest"}).out)), IsSupersetOf({"queue", "plan"}));

  WriteContext("Dockerfile", "FROM busybox\nRUN echo begun; sleep 60\n");
  Process running(Cli({"build", "--progress", "plain", Context()}));
  ASSERT_TRUE(WaitUntil([&] {
    return Zlayer({"builds", "logs", "@latest"}).out.find("begun") != std::string::npos;
  }));
  EXPECT_THAT(Names(Spans(Zlayer({"trace", "@latest"}).out)), IsSupersetOf({"queue", "plan"}));
  EXPECT_EQ(Zlayer({"builds", "cancel", "@latest"}).exit_code, 0);
  running.Wait();
}

}  // namespace
}  // namespace zlayer::e2e
