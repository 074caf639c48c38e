#include "backends/native/solver/key.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace zlayer {
namespace {

// All that a RUN key is made of, to be changed one by one.
struct Inputs {
  KeyScope scope;
  v1::Run run;
  std::vector<std::string> environment = {"A=1", "B=2"};
  ProcessUser user;
  bool host_network = false;
  std::string runtime = "crun 1.8";
  v1::Mount mount;
  std::vector<MountKey> mounts = {{.mount = &mount}};
  std::vector<Digest> chain = {Digest::Of("base"), Digest::Of("next")};

  Inputs() {
    scope.name_space = "default";
    scope.platform.set_os("linux");
    scope.platform.set_architecture("amd64");
    run.add_argv("/bin/sh");
    run.add_argv("-c");
    run.add_argv("make");
    run.set_working_directory("/src");
  }
  Digest Key() const {
    return KeyOf(scope, RunKey{.run = &run,
                               .environment = &environment,
                               .user = &user,
                               .host_network = host_network,
                               .mounts = mounts,
                               .runtime = runtime,
                               .chain = &chain});
  }
};

TEST(RunKeyTest, HowACacheIsSharedDoesNotCount) {
  Inputs locked;
  locked.mount.set_sharing(v1::Mount::LOCKED);
  EXPECT_EQ(locked.Key(), Inputs().Key());
}

TEST(RunKeyTest, IsTheSameForTheSameInputs) { EXPECT_EQ(Inputs().Key(), Inputs().Key()); }

TEST(RunKeyTest, EveryInputCounts) {
  const std::vector<std::function<void(Inputs&)>> changes = {
      [](Inputs&) {},
      [](Inputs& in) { in.scope.name_space = "other"; },
      [](Inputs& in) { in.scope.platform.set_architecture("arm64"); },
      [](Inputs& in) { in.scope.platform.set_variant("v8"); },
      [](Inputs& in) { in.run.set_argv(2, "make all"); },
      [](Inputs& in) { in.run.add_argv(""); },
      [](Inputs& in) {
        in.environment = {"A=1", "B=3"};
      },
      [](Inputs& in) { in.environment = {"A=1B=2"}; },
      [](Inputs& in) {
        in.environment = {"B=2", "A=1"};
      },
      [](Inputs& in) { in.user.uid = 1; },
      [](Inputs& in) { in.user.gid = 1; },
      [](Inputs& in) { in.user.additional_gids = {1}; },
      [](Inputs& in) { in.run.set_working_directory("/"); },
      [](Inputs& in) { in.host_network = true; },
      [](Inputs& in) { in.runtime = "crun 1.9"; },
      [](Inputs& in) { in.run.set_hostname("h"); },
      [](Inputs& in) { in.run.set_security(v1::SECURITY_INSECURE); },
      [](Inputs& in) { in.mounts.clear(); },
      [](Inputs& in) { in.mounts.push_back(in.mounts[0]); },
      [](Inputs& in) { in.mounts[0].content = Digest::Of("x"); },
      [](Inputs& in) { in.mount.set_type(v1::Mount::TMPFS); },
      [](Inputs& in) { in.mount.set_target("/x"); },
      [](Inputs& in) { in.mount.set_id("x"); },
      [](Inputs& in) { in.mount.set_read_only(true); },
      [](Inputs& in) { in.mount.set_size_bytes(1); },
      [](Inputs& in) { in.mount.set_mode(0); },
      [](Inputs& in) { in.mount.set_uid(1); },
      [](Inputs& in) { in.mount.set_gid(1); },
      [](Inputs& in) { in.chain.pop_back(); },
      [](Inputs& in) { std::swap(in.chain[0], in.chain[1]); },
  };
  std::set<Digest> keys;
  for (const auto& change : changes) {
    Inputs inputs;
    change(inputs);
    keys.insert(inputs.Key());
  }
  EXPECT_EQ(keys.size(), changes.size());
}

TEST(FileKeyTest, DependsOnScopeAndContentAlone) {
  const KeyScope scope{.name_space = "a", .platform = {}};
  const KeyScope other{.name_space = "b", .platform = {}};
  const Digest content = Digest::Of("index");
  EXPECT_EQ(FileKey(scope, content), FileKey(scope, content));
  EXPECT_NE(FileKey(scope, content), FileKey(other, content));
  EXPECT_NE(FileKey(scope, content), FileKey(scope, Digest::Of("other")));
}

}  // namespace
}  // namespace zlayer
