#include "daemon/frontend/dockerfile/run_converter.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/findings.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What Dockerfiles have is tested where they are converted; here, what only other languages have.
class RunConverterTest : public ::testing::Test {
 protected:
  RunConverterTest() {
    scope_.build_args = &build_args_;
    scope_.global_args = &global_args_;
    scope_.checks = &checks_;
    state_.variables.Set("HOME", "/root");
    state_.variables.Set("PREFIX", "/usr");
    state_.variables.Set("ARGUMENT", "1");
    state_.arguments.Set("ARGUMENT", "");
  }

  absl::Status Convert(std::vector<NameValue> environment) {
    Instruction instruction;
    RunInstruction run;
    run.command = {{"make"}, true};
    run.environment = std::move(environment);
    InstructionScope scope(scope_, state_, instruction);
    operation_.Clear();
    return ConvertRun(run, &scope, &operation_, &created_by_);
  }

  std::vector<std::string> Environment() const {
    return {operation_.run().env().begin(), operation_.run().env().end()};
  }

  std::map<std::string, std::string> build_args_;
  Variables global_args_;
  Findings findings_;
  StageChecks checks_{nullptr, &findings_};
  ConvertScope scope_;
  StageState state_;
  v1::Operation operation_;
  std::string created_by_;
};

TEST_F(RunConverterTest, VariablesOfOneCommand) {
  ASSERT_OK(Convert({{"PREFIX", "$HOME/opt"}, {"NEW", "\\$PREFIX $PREFIX"}}));
  EXPECT_THAT(Environment(),
              ElementsAre("HOME=/root", "PREFIX=/root/opt", "ARGUMENT=1", "NEW=$PREFIX /usr"));
  EXPECT_EQ(created_by_, "RUN |3 ARGUMENT=1 PREFIX=/root/opt NEW=$PREFIX /usr /bin/sh -c make");
  EXPECT_EQ(state_.variables.Get("PREFIX"), "/usr");
  EXPECT_EQ(operation_.config_size(), 0);

  ASSERT_OK(Convert({}));
  EXPECT_THAT(Environment(), ElementsAre("HOME=/root", "PREFIX=/usr", "ARGUMENT=1"));
  EXPECT_EQ(created_by_, "RUN |1 ARGUMENT=1 /bin/sh -c make");
}

TEST_F(RunConverterTest, VariablesOfOneCommandWinOverProxies) {
  build_args_["http_proxy"] = "http://proxy";
  ASSERT_OK(Convert({{"HTTP_PROXY", "own"}}));
  EXPECT_THAT(operation_.run().proxy_env(), ElementsAre("http_proxy=http://proxy"));
}

TEST_F(RunConverterTest, BoundsThem) {
  const std::string large(1 << 20, 'x');
  EXPECT_THAT(Convert(std::vector<NameValue>(5, {"A", large})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4 MiB")));
}

}  // namespace
}  // namespace zlayer
