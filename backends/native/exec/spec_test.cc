#include "backends/native/exec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
