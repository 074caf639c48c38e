#include "backends/native/exec/seccomp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>

#include <map>
#include <set>

#include "backends/native/exec/seccomp_profile.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::Contains;
using testing::Not;

std::set<std::string> Names(SeccompRule::Action action) {
  std::set<std::string> result;
  for (const SeccompRule& rule : DefaultSeccompRules()) {
    if (rule.action == action && rule.test == SeccompRule::Test::kAlways) {
      result.insert(rule.names.begin(), rule.names.end());
    }
  }
  return result;
}

TEST(SeccompTest, CompilesToABpfProgramThatTheKernelTakes) {
  auto program = CompileSeccompProfile();
  ASSERT_OK(program);
  ASSERT_GT(program->size(), 0u);
  EXPECT_EQ(program->size() % sizeof(sock_filter), 0u);
  EXPECT_LE(program->size() / sizeof(sock_filter), size_t{BPF_MAXINSNS});
}

TEST(SeccompTest, NothingIsBothAllowedAndRefused) {
  std::set<std::string> refused = Names(SeccompRule::Action::kRefuse);
  for (const std::string& name : Names(SeccompRule::Action::kAllow)) {
    EXPECT_THAT(refused, Not(Contains(name)));
  }
}

TEST(SeccompTest, WhatEscapesContainersIsRefused) {
  std::set<std::string> refused = Names(SeccompRule::Action::kRefuse);
  for (const char* name : {"mount", "umount2", "unshare", "setns", "keyctl", "add_key", "bpf",
                           "perf_event_open", "kexec_load", "init_module", "open_by_handle_at",
                           "pivot_root", "userfaultfd", "move_mount", "reboot", "swapon"}) {
    EXPECT_THAT(refused, Contains(name));
  }
}

TEST(SeccompTest, Clone3LooksLikeAnOldKernel) {
  EXPECT_THAT(Names(SeccompRule::Action::kAllow), Not(Contains("clone3")));
  EXPECT_THAT(Names(SeccompRule::Action::kRefuse), Not(Contains("clone3")));
}

TEST(SeccompTest, JsonSaysTheSame) {
  nlohmann::json profile = SeccompProfileJson();
  EXPECT_EQ(profile["defaultAction"], "SCMP_ACT_ERRNO");
  EXPECT_EQ(profile["defaultErrnoRet"], ENOSYS);
  ASSERT_EQ(profile["syscalls"].size(), DefaultSeccompRules().size());
  EXPECT_THAT(profile["syscalls"][0]["names"], Contains("openat"));
  EXPECT_EQ(profile["syscalls"][1]["errnoRet"], EPERM);
  EXPECT_THAT(profile["syscalls"][1]["names"], Contains("mount"));
  EXPECT_EQ(profile["syscalls"][2]["args"][0]["op"], "SCMP_CMP_MASKED_EQ");
  EXPECT_EQ(profile["syscalls"][2]["args"][0]["valueTwo"], 0);
}

}  // namespace
}  // namespace zlayer
