#include "backends/native/exec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

ContainerRun SampleRun() {
  ContainerRun run;
  run.id = "run-1";
  run.argv = {"/bin/sh", "-c", "echo \"ü\""};
  run.env = {"PATH=/bin", "A=b\nc"};
  run.working_directory = "/src";
  return run;
}

SpecOptions Options() {
  SpecOptions options;
  options.root = "/w/root";
  options.resolv_conf = "/w/resolv.conf";
  options.hosts = "/w/hosts";
  options.max_files = 20000;
  return options;
}

nlohmann::json Parsed(const ContainerRun& run, const SpecOptions& options = Options()) {
  auto text = BuildSpec(run, options);
  EXPECT_OK(text);
  return text.ok() ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
}

std::set<std::string> Namespaces(const nlohmann::json& spec) {
  std::set<std::string> result;
  for (const auto& entry : spec["linux"]["namespaces"]) {
    EXPECT_FALSE(entry.contains("path"));
    result.insert(entry["type"].get<std::string>());
  }
  return result;
}

TEST(SpecTest, SaysWhatToRun) {
  ContainerRun run = SampleRun();
  run.uid = 5;
  run.gid = 6;
  run.additional_gids = {7};
  nlohmann::json spec = Parsed(run);
  EXPECT_EQ(spec["process"]["args"], run.argv);
  EXPECT_EQ(spec["process"]["env"], run.env);
  EXPECT_EQ(spec["process"]["cwd"], "/src");
  EXPECT_EQ(spec["process"]["terminal"], false);
  EXPECT_EQ(spec["process"]["noNewPrivileges"], false);
  EXPECT_EQ(spec["process"]["user"],
            nlohmann::json({{"uid", 5}, {"gid", 6}, {"umask", 18}, {"additionalGids", {7}}}));
  EXPECT_EQ(spec["root"]["path"], "/w/root");
  EXPECT_EQ(spec["hostname"], "zlayer");
}

TEST(SpecTest, NetworkNamespaceUnlessItIsTheHosts) {
  ContainerRun run = SampleRun();
  EXPECT_EQ(Namespaces(Parsed(run)),
            (std::set<std::string>{"pid", "ipc", "uts", "mount", "network"}));
  run.host_network = true;
  EXPECT_EQ(Namespaces(Parsed(run)), (std::set<std::string>{"pid", "ipc", "uts", "mount"}));
}

TEST(SpecTest, CapabilitiesAreDockersAndNotInheritable) {
  nlohmann::json capabilities = Parsed(SampleRun())["process"]["capabilities"];
  EXPECT_EQ(capabilities["bounding"].size(), 14u);
  EXPECT_THAT(capabilities["bounding"], Contains("CAP_SYS_CHROOT"));
  EXPECT_THAT(capabilities["bounding"], Not(Contains("CAP_SYS_ADMIN")));
  EXPECT_EQ(capabilities["effective"], capabilities["bounding"]);
  EXPECT_FALSE(capabilities.contains("inheritable"));
  EXPECT_FALSE(capabilities.contains("ambient"));
}

TEST(SpecTest, FileLimitStaysBelowTheDaemons) {
  auto files = [](uint64_t max_files) {
    SpecOptions options = Options();
    options.max_files = max_files;
    return Parsed(SampleRun(), options)["process"]["rlimits"][0];
  };
  EXPECT_EQ(files(1000),
            nlohmann::json({{"type", "RLIMIT_NOFILE"}, {"hard", 1000}, {"soft", 1000}}));
  EXPECT_EQ(files(~uint64_t{0})["hard"], 1048576);
  EXPECT_EQ(files(~uint64_t{0})["soft"], 65536);
}

TEST(SpecTest, AnnotatesNothingButTheFilter) {
  EXPECT_FALSE(Parsed(SampleRun()).contains("annotations"));
  SpecOptions options = Options();
  options.seccomp_bpf = "QUJD";
  EXPECT_EQ(Parsed(SampleRun(), options)["annotations"],
            nlohmann::json({{"run.oci.seccomp_bpf_data", "QUJD"}}));
  EXPECT_FALSE(Parsed(SampleRun(), options)["linux"].contains("seccomp"));
}

TEST(SpecTest, TakesTheFilterAsJson) {
  SpecOptions options = Options();
  options.seccomp_json = R"({"defaultAction":"SCMP_ACT_ERRNO"})";
  nlohmann::json spec = Parsed(SampleRun(), options);
  EXPECT_EQ(spec["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
  EXPECT_FALSE(spec.contains("annotations"));
}

TEST(SpecTest, MountsAreReadOnlyWhereTheyShowTheMachine) {
  const nlohmann::json spec = Parsed(SampleRun());
  ASSERT_FALSE(spec["mounts"].empty());
  for (const auto& mount : spec["mounts"]) {
    if (mount["type"] == "bind" || mount["type"] == "sysfs") {
      EXPECT_THAT(mount["options"], Contains("ro")) << mount;
    }
    EXPECT_NE(mount["type"], "cgroup");
  }
}

TEST(SpecTest, ALaterMountOnATargetReplacesTheEarlier) {
  ContainerRun run = SampleRun();
  run.mounts = {{.kind = ContainerMount::Kind::kTmpfs, .target = "/dev/shm"},
                {.kind = ContainerMount::Kind::kTrees, .target = "/a", .lower = {1}},
                {.kind = ContainerMount::Kind::kTrees,
                 .target = "/a",
                 .read_only = true,
                 .lower = {1},
                 .source = "x"}};
  SpecOptions options = Options();
  options.tree_mounts = "/w/mounts";
  std::map<std::string, nlohmann::json> mounts;
  const nlohmann::json spec = Parsed(run, options);
  for (const auto& mount : spec["mounts"]) {
    EXPECT_TRUE(mounts.emplace(mount["destination"].get<std::string>(), mount).second) << mount;
  }
  EXPECT_EQ(mounts["/dev/shm"]["options"], nlohmann::json({"nosuid"}));
  EXPECT_EQ(mounts["/a"]["source"], "/w/mounts/1/x");
  EXPECT_EQ(mounts["/a"]["options"], nlohmann::json({"rbind", "ro"}));
}

TEST(SpecTest, PrivilegedRunsHaveAllThatTheDaemonHas) {
  ContainerRun run = SampleRun();
  run.privileged = true;
  SpecOptions options = Options();
  options.seccomp_bpf = "QUJD";
  options.all_capabilities = {"CAP_SYS_ADMIN"};
  options.devices = {{.path = "/dev/loop0", .is_block = true, .major = 7}};
  const nlohmann::json spec = Parsed(run, options);
  for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"}) {
    EXPECT_EQ(spec["process"]["capabilities"][set], nlohmann::json({"CAP_SYS_ADMIN"})) << set;
  }
  EXPECT_FALSE(spec.contains("annotations"));
  EXPECT_FALSE(spec["linux"].contains("maskedPaths"));
  EXPECT_FALSE(spec["linux"].contains("readonlyPaths"));
  EXPECT_EQ(spec["linux"]["devices"][0]["path"], "/dev/loop0");
  EXPECT_FALSE(spec["linux"].contains("resources"));
  options.seccomp_json = "{}";
  options.seccomp_bpf = "";
  EXPECT_TRUE(Parsed(run, options)["linux"]["resources"]["devices"][0]["allow"].get<bool>());
  EXPECT_FALSE(Parsed(run, options)["linux"].contains("seccomp"));
}

TEST(PrivilegesTest, CapabilitiesHaveNames) {
  EXPECT_THAT(ParseEffectiveCapabilities("Name:\tx\nCapEff:\t0000000000200003\nCapBnd:\t0\n"),
              IsOkAndHolds(testing::ElementsAre("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN")));
  EXPECT_THAT(ParseEffectiveCapabilities("x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(SpecTest, RefusesWhatJsonCannotSay) {
  ContainerRun run = SampleRun();
  run.argv[2] = "echo \xc3";
  EXPECT_THAT(BuildSpec(run, Options()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("argument")));
  run = SampleRun();
  run.env = {std::string("A=\0b", 4)};
  EXPECT_THAT(BuildSpec(run, Options()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
}

TEST(SpecTest, RefusesIncompleteRuns) {
  ContainerRun run = SampleRun();
  run.argv.clear();
  EXPECT_THAT(BuildSpec(run, Options()), StatusIs(absl::StatusCode::kInvalidArgument));
  run = SampleRun();
  run.working_directory = "src";
  EXPECT_THAT(BuildSpec(run, Options()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("absolute")));
}

}  // namespace
}  // namespace zlayer
