#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "base/errors.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string Logged(const LogOptions& options, const std::function<void()>& log) {
  SetUpLog(options);
  testing::internal::CaptureStderr();
  log();
  SetUpLog(LogOptions());
  return testing::internal::GetCapturedStderr();
}

LogOptions Json() {
  LogOptions options;
  options.format = LogFormat::kJson;
  return options;
}

constexpr char kTime[] = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9][0-9][0-9]Z";

TEST(Log, TextHasTimeLevelModuleMessageAndFields) {
  const std::string line = Logged({}, [] {
    Log(LogModule::kQueue)
        .Info("build ended", {{"build", std::string("0a1b")},
                              {"seconds", 1.25},
                              {"events", uint64_t{18'446'744'073'709'551'615u}},
                              {"priority", -7}});
  });
  EXPECT_THAT(
      line, MatchesRegex(std::string(kTime) + " info  queue: build ended build=0a1b seconds=1.250 "
                                              "events=18446744073709551615 priority=-7\n"));
}

TEST(Log, TextQuotesValuesThatAreNotOneWord) {
  const std::string line = Logged({}, [] {
    Log(LogModule::kStore)
        .Warn("m", {{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "say \"hi\" \\ bye"}});
  });
  EXPECT_THAT(line, EndsWith("warn  store: m a=\"two words\" b=\"\" c=\"x=y\" "
                             "d=\"say \\\"hi\\\" \\\\ bye\"\n"));
}

TEST(Log, JsonIsOneObjectALine) {
  const std::string line = Logged(Json(), [] {
    Log(LogModule::kBuild).Error("it \"failed\"", {{"build", "x"}, {"n", 3}, {"s", 0.5}});
  });
  EXPECT_THAT(line, MatchesRegex("\\{\"time\":\"" + std::string(kTime) +
                                 "\",\"level\":\"error\",\"module\":\"build\","
                                 "\"message\":\"it ..failed..\",\"build\":\"x\",\"n\":3,"
                                 "\"s\":0\\.500\\}\n"));
}

TEST(Log, StatusesHaveTheirCode) {
  const std::string line = Logged({}, [] {
    Log(LogModule::kStore).Warn("syncing failed", {{"error", Unavailable("no disk")}});
  });
  EXPECT_THAT(line, EndsWith("error=\"UNAVAILABLE: no disk\"\n"));
}

TEST(Log, NothingBreaksALineOrReachesATerminal) {
  const std::string hostile = "a\nb\rc\x1b[31md\x7f\xc2\x9b\xe2\x80\xa8\xff\t\x01z";
  for (const LogOptions& options : {LogOptions(), Json()}) {
    const std::string line = Logged(options, [&] {
      Log(LogModule::kService).Error(hostile, {{"value", hostile}});
    });
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_THAT(line, Not(AnyOf(HasSubstr("\x1b"), HasSubstr("\r"), HasSubstr("\x7f"),
                                HasSubstr("\xc2\x9b"), HasSubstr("\xff"))));
    const std::string escaped =
        "a\\nb\\u000dc\\u001b[31md\\u007f\\u009b\\u2028\xef\xbf\xbd\\u0009\\u0001z";
    EXPECT_THAT(line, HasSubstr(escaped));
    EXPECT_THAT(line, HasSubstr("\"" + escaped + "\""));
  }
}

TEST(Log, ALongValueIsCut) {
  const std::string line = Logged({}, [] {
    Log(LogModule::kDaemon).Info("m", {{"value", std::string(1 << 20, 'x')}});
  });
  EXPECT_THAT(line, AllOf(EndsWith("xxx...\n"), ::testing::SizeIs(::testing::Lt(4300u))));
}

TEST(Log, ModulesHaveTheirOwnLevels) {
  LogOptions options;
  options.level = LogLevel::kWarn;
  options.levels[static_cast<size_t>(LogModule::kQueue)] = LogLevel::kDebug;
  const std::string lines = Logged(options, [] {
    EXPECT_TRUE(Log(LogModule::kQueue).Enabled(LogLevel::kDebug));
    EXPECT_FALSE(Log(LogModule::kQueue).Enabled(LogLevel::kTrace));
    Log(LogModule::kQueue).Debug("one");
    Log(LogModule::kStore).Info("two");
    Log(LogModule::kStore).Warn("three");
  });
  EXPECT_THAT(lines, MatchesRegex(".*debug queue: one\n.*warn  store: three\n"));
}

TEST(Log, InfoIsTheDefault) {
  EXPECT_THAT(Logged({}, [] { Log(LogModule::kQueue).Debug("one"); }), IsEmpty());
  EXPECT_THAT(Logged({}, [] { Log(LogModule::kQueue).Info("two"); }), HasSubstr("two"));
}

}  // namespace
}  // namespace zlayer
