#include "daemon/config/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/files.h"
#include "base/strings.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

Config For(uid_t uid, const std::map<std::string, std::string>& variables) {
  return DefaultConfigFor(uid, [&variables](const char* name) -> const char* {
    auto variable = variables.find(name);
    return variable == variables.end() ? nullptr : variable->second.c_str();
  });
}

std::string Describe(const Config::Gc::Policy& policy) {
  const auto size = [](const Config::Gc::Size& of) {
    return fmt::format("{}+{}%", of.bytes, of.percent);
  };
  return fmt::format("{} {} {}h {} {} {}", Join(policy.types, ","), policy.name_space,
                     std::chrono::duration_cast<hours>(policy.keep_duration).count(),
                     size(policy.reserved), size(policy.max_used), size(policy.min_free));
}

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "config"));
    file_ = directory_.path() + "/zlayerd.yaml";
  }

  absl::StatusOr<Config> Load(const std::string& text) {
    EXPECT_OK(WriteFileAtomically(file_, text));
    return LoadConfig(file_, DefaultConfig());
  }

  // The error's message, which begins with the file's name, without that.
  std::string Error(const std::string& text) {
    absl::Status status = Load(text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    std::string message(status.message().data(), status.message().size());
    EXPECT_TRUE(message.starts_with(file_ + ":")) << message;
    return message.substr(std::min(message.size(), file_.size() + 1));
  }

  ScopedDirectory directory_;
  std::string file_;
};

TEST(DefaultConfigTest, RootHasTheSystemsDirectories) {
  Config config = For(0, {{"HOME", "/root"}, {"XDG_DATA_HOME", "/data"}});
  EXPECT_EQ(config.root, "/var/lib/zlayer");
  EXPECT_EQ(config.address, "unix:///run/zlayer/zlayerd.sock");
  EXPECT_EQ(config.log.level, LogLevel::kInfo);
  EXPECT_EQ(config.log.format, LogFormat::kText);
}

TEST(DefaultConfigTest, OthersHaveTheirOwn) {
  Config config =
      For(1000,
          {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "/data"}, {"XDG_RUNTIME_DIR", "/run/user/1000"}});
  EXPECT_EQ(config.root, "/data/zlayer");
  EXPECT_EQ(config.address, "unix:///run/user/1000/zlayer/zlayerd.sock");
  EXPECT_EQ(For(1000, {{"HOME", "/home/u"}}).root, "/home/u/.local/share/zlayer");
  EXPECT_EQ(For(1000, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "relative"}}).root,
            "/home/u/.local/share/zlayer");
  EXPECT_EQ(For(1000, {}).root, "/var/tmp/zlayer-1000");
  EXPECT_EQ(For(1000, {}).address, "unix:///tmp/zlayer-1000/zlayerd.sock");
}

TEST_F(ConfigTest, ReadsEveryKey) {
  ASSERT_OK_AND_ASSIGN(Config config, Load(R"(
root: /srv/zlayer
address: unix:///srv/z.sock
log:
  level: warn
  format: json
  levels: {queue: debug, executor: error}
queue:
  max_running: 9
  max_running_per_namespace: 2
  max_queued: 300
  max_queued_per_namespace: 30
  max_attempts: 1
  drain_timeout: 5m
history:
  max_age: 7d
  max_builds: 50
native:
  runtime: /usr/bin/runc
  max_parallel: 12
  max_download_mib: 7
  entitlements: security.insecure
)"));
  EXPECT_EQ(config.root, "/srv/zlayer");
  EXPECT_EQ(config.address, "unix:///srv/z.sock");
  EXPECT_EQ(config.log.level, LogLevel::kWarn);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.log.levels[static_cast<size_t>(LogModule::kQueue)], LogLevel::kDebug);
  EXPECT_EQ(config.log.levels[static_cast<size_t>(LogModule::kExecutor)], LogLevel::kError);
  EXPECT_EQ(config.log.levels[static_cast<size_t>(LogModule::kStore)], std::nullopt);
  EXPECT_EQ(config.queue.max_running, 9u);
  EXPECT_EQ(config.queue.max_running_per_namespace, 2u);
  EXPECT_EQ(config.queue.max_queued, 300u);
  EXPECT_EQ(config.queue.max_queued_per_namespace, 30u);
  EXPECT_EQ(config.history.max_age, hours(7 * 24));
  EXPECT_EQ(config.history.max_builds, 50u);
  EXPECT_EQ(config.queue.max_attempts, 1u);
  EXPECT_EQ(config.queue.drain_timeout, minutes(5));
  EXPECT_EQ(config.native.runtime, "/usr/bin/runc");
  EXPECT_EQ(config.native.max_parallel, 12u);
  EXPECT_EQ(config.native.max_download_mib, 7u);
  EXPECT_EQ(config.native.entitlements, "security.insecure");
}

TEST_F(ConfigTest, WhatIsMissingKeepsItsDefault) {
  Config defaults;
  defaults.root = "/kept";
  defaults.queue.max_running = 77;
  for (const char* text :
       {"", "# nothing\n", "---\n", "root:\nqueue:\n", "queue: {max_attempts: }"}) {
    ASSERT_OK(WriteFileAtomically(file_, text));
    ASSERT_OK_AND_ASSIGN(Config config, LoadConfig(file_, defaults));
    EXPECT_EQ(config.root, "/kept") << text;
    EXPECT_EQ(config.queue.max_running, 77u) << text;
    EXPECT_EQ(config.queue.max_attempts, 3u) << text;
  }
}

TEST_F(ConfigTest, TheShippedFileSaysTheDefaults) {
  Config defaults;
  defaults.root = "/some/root";
  defaults.address = "unix:///some/address";
  Config other = defaults;
  other.log.level = LogLevel::kError;
  other.log.format = LogFormat::kJson;
  other.queue = {1, 1, 1, 1, 1, seconds(1)};
  other.history = {seconds(1), 1};
  other.gc = {false, seconds(1), seconds(1), {}};
  other.native.max_parallel = 99;
  other.native.max_download_mib = 99;
  ASSERT_OK_AND_ASSIGN(Config config, LoadConfig("deploy/zlayerd.yaml", other));
  EXPECT_EQ(config.root, defaults.root);
  EXPECT_EQ(config.address, defaults.address);
  EXPECT_EQ(config.log.level, defaults.log.level);
  EXPECT_EQ(config.log.format, defaults.log.format);
  EXPECT_EQ(config.queue.max_running, defaults.queue.max_running);
  EXPECT_EQ(config.queue.max_running_per_namespace, defaults.queue.max_running_per_namespace);
  EXPECT_EQ(config.queue.max_queued, defaults.queue.max_queued);
  EXPECT_EQ(config.queue.max_queued_per_namespace, defaults.queue.max_queued_per_namespace);
  EXPECT_EQ(config.history.max_age, defaults.history.max_age);
  EXPECT_EQ(config.history.max_builds, defaults.history.max_builds);
  EXPECT_EQ(config.queue.max_attempts, defaults.queue.max_attempts);
  EXPECT_EQ(config.queue.drain_timeout, defaults.queue.drain_timeout);
  EXPECT_EQ(config.gc.automatic, defaults.gc.automatic);
  EXPECT_EQ(config.gc.interval, defaults.gc.interval);
  EXPECT_EQ(config.gc.nameless_images, defaults.gc.nameless_images);
  ASSERT_EQ(config.gc.policies.size(), defaults.gc.policies.size());
  for (size_t i = 0; i < config.gc.policies.size(); ++i) {
    EXPECT_EQ(Describe(config.gc.policies[i]), Describe(defaults.gc.policies[i]));
  }
  EXPECT_EQ(config.native.runtime, defaults.native.runtime);
  EXPECT_EQ(config.native.max_parallel, defaults.native.max_parallel);
  EXPECT_EQ(config.native.max_download_mib, defaults.native.max_download_mib);
  EXPECT_EQ(config.native.entitlements, defaults.native.entitlements);
}

TEST_F(ConfigTest, TheShippedFileNamesEveryKey) {
  ASSERT_OK_AND_ASSIGN(std::string text, ReadFile("deploy/zlayerd.yaml"));
  for (const char* key : {"root:",
                          "address:",
                          "log:",
                          "level:",
                          "format:",
                          "levels:",
                          "daemon:",
                          "service:",
                          "queue:",
                          "build:",
                          "store:",
                          "executor:",
                          "max_running:",
                          "max_running_per_namespace:",
                          "max_queued:",
                          "max_queued_per_namespace:",
                          "max_attempts:",
                          "drain_timeout:",
                          "history:",
                          "max_age:",
                          "max_builds:",
                          "gc:",
                          "automatic:",
                          "interval:",
                          "nameless_images:",
                          "policies:",
                          "keep_duration:",
                          "reserved:",
                          "max_used:",
                          "min_free:",
                          "types ",
                          "namespace ",
                          "native:",
                          "runtime:",
                          "max_parallel:",
                          "max_download_mib:",
                          "entitlements:"}) {
    EXPECT_THAT(text, HasSubstr(key));
  }
}

TEST_F(ConfigTest, PoliciesReplaceTheDefaultOnes) {
  ASSERT_OK_AND_ASSIGN(const Config config, Load("gc:\n"
                                                 "  automatic: false\n"
                                                 "  policies:\n"
                                                 "    - types: cache-mount fetched\n"
                                                 "      namespace: team\n"
                                                 "      keep_duration: 48h\n"
                                                 "    - {reserved: 10GB, max_used: 512MiB,"
                                                 " min_free: 20%}\n"));
  EXPECT_FALSE(config.gc.automatic);
  ASSERT_EQ(config.gc.policies.size(), 2u);
  EXPECT_EQ(Describe(config.gc.policies[0]), "cache-mount,fetched team 48h 0+0% 0+0% 0+0%");
  EXPECT_EQ(Describe(config.gc.policies[1]), "  0h 10000000000+0% 536870912+0% 0+20%");
  EXPECT_EQ(std::move(Load("gc: {policies: []}")).value().gc.policies.size(), 0u);
  EXPECT_EQ(Error("gc:\n  policies: 3"),
            "2: gc: policies: the value is not a list of at most 32 mappings");
  EXPECT_EQ(Error("gc:\n  policies:\n    - 3"),
            "3: gc: policies: is not a mapping of keys to values");
  EXPECT_THAT(Error("gc:\n  policies:\n    - types: layers"), HasSubstr("record, cache-mount"));
  EXPECT_THAT(Error("gc:\n  policies:\n    - max_used: 101%"),
              HasSubstr("3: gc: policies: max_used"));
  EXPECT_THAT(Error("gc:\n  automatic: yes"), HasSubstr("\"yes\" is not true or false"));
}

TEST_F(ConfigTest, Durations) {
  auto timeout = [this](const std::string& text) {
    return std::move(Load("queue:\n  drain_timeout: " + text)).value().queue.drain_timeout;
  };
  EXPECT_EQ(timeout("500ms"), milliseconds(500));
  EXPECT_EQ(timeout("30s"), seconds(30));
  EXPECT_EQ(timeout("0s"), seconds(0));
  EXPECT_EQ(timeout("5m"), minutes(5));
  EXPECT_EQ(timeout("24h"), hours(24));
  for (const char* text : {"30", "s", "-1s", "1.5s", "5 m", "25h", "1441m", "86400001ms", "1d",
                           "99999999999999999999s"}) {
    EXPECT_EQ(Error(std::string("queue:\n  drain_timeout: ") + text),
              std::string("2: queue: drain_timeout: \"") + text +
                  "\" is not a duration of up to 24h, such as 500ms, 30s, 5m or 1h");
  }
}

TEST_F(ConfigTest, Ages) {
  auto age = [this](const std::string& text) {
    return std::move(Load("history:\n  max_age: " + text)).value().history.max_age;
  };
  EXPECT_EQ(age("30d"), hours(720));
  EXPECT_EQ(age("3650d"), hours(87600));
  EXPECT_EQ(age("87600h"), hours(87600));
  EXPECT_EQ(age("5m"), minutes(5));
  EXPECT_EQ(age("0s"), seconds(0));
  for (const char* text : {"30", "d", "-1d", "3651d", "87601h", "99999999999999999999d"}) {
    EXPECT_EQ(Error(std::string("history:\n  max_age: ") + text),
              std::string("2: history: max_age: \"") + text +
                  "\" is not an age of up to 3650d, such as 30d, 12h or 5m");
  }
}

TEST_F(ConfigTest, UnknownKeysAreNamedWithTheKnownOnes) {
  EXPECT_EQ(Error("root: /x\nadress: unix:///x\n"),
            "2: the key \"adress\" is not known; known keys are address, gc, history, log, native, "
            "pull, queue, registries, root, server");
  EXPECT_EQ(Error("queue:\n  max_running: 1\n\n  running: 2\n"),
            "4: queue: the key \"running\" is not known; known keys are drain_timeout, "
            "max_attempts, max_queued, max_queued_per_namespace, max_running, "
            "max_running_per_namespace");
  EXPECT_EQ(Error("log:\n  levels:\n    queues: info\n"),
            "3: log: levels: the key \"queues\" is not known; known keys are build, daemon, "
            "executor, queue, service, store");
}

TEST_F(ConfigTest, BadValuesAreRefusedWithTheirLine) {
  EXPECT_EQ(Error("\n\nroot: var/lib\n"), "3: root: \"var/lib\" is not an absolute path");
  EXPECT_EQ(Error("log: {level: loud}"),
            "1: log: level: \"loud\" is not one of trace, debug, info, warn, error");
  EXPECT_EQ(Error("queue:\n  max_running: 0"),
            "2: queue: max_running: \"0\" is not a number from 1 to 1000");
  EXPECT_EQ(Error("queue: {max_attempts: 3x}"),
            "1: queue: max_attempts: \"3x\" is not a number from 1 to 1000");
  EXPECT_EQ(Error("native:\n  entitlements: root"),
            "2: native: entitlements: \"root\" is not an entitlement; security.insecure is one");
  EXPECT_EQ(Error("native:\n  max_parallel: -1"),
            "2: native: max_parallel: \"-1\" is not a number from 0 to 10000");
  EXPECT_EQ(Error("root: [a]"), "1: root: the value is not a plain one");
  EXPECT_EQ(Error("queue: 4"), "1: queue: is not a mapping of keys to values");
  EXPECT_EQ(Error("- a"), "1: the file is not a mapping of keys to values");
  EXPECT_EQ(Error("? [a]\n: b"), "1: a key is not a plain word");
}

TEST_F(ConfigTest, Addresses) {
  for (const char* address : {"tcp://0.0.0.0:80", "unix://relative", "/run/x.sock", "unix:/x"}) {
    EXPECT_EQ(Error(std::string("address: ") + address),
              std::string("1: address: \"") + address +
                  "\" is not unix:///PATH, the one form of address that the API can be served at");
  }
  EXPECT_OK(Load("address: unix:///" + std::string(106, 'x')));
  EXPECT_THAT(Error("address: unix:///" + std::string(107, 'x')), HasSubstr("longer than 107"));
}

TEST_F(ConfigTest, KeysGivenTwiceAreRefused) {
  EXPECT_EQ(Error("root: /a\nroot: /b\n"), "2: \"root\" is given twice");
}

TEST_F(ConfigTest, SyntaxErrorsHaveTheirLine) {
  EXPECT_THAT(Error("root: /a\nqueue: {max_running: 1\n"), HasSubstr("end of map flow not found"));
  EXPECT_TRUE(Error("root: /a\n\taddress: x\n").starts_with("2: "));
  EXPECT_EQ(Error("root: /a\n---\nroot: /b\n").substr(3),
            "a second document begins here; there may be one only");
  EXPECT_TRUE(Error(std::string(200'000, '[')).starts_with("1: "));
}

TEST_F(ConfigTest, AMissingFileIsNotFound) {
  EXPECT_THAT(LoadConfig(file_, Config()), StatusIs(absl::StatusCode::kNotFound, HasSubstr(file_)));
}

}  // namespace
}  // namespace zlayer
