#include "daemon/build/run_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Mount Cache(const std::string& target, const std::string& id = "") {
  v1::Mount mount;
  mount.set_type(v1::Mount::CACHE);
  mount.set_target(target);
  mount.set_id(id);
  return mount;
}

v1::Graph OneRun(const std::vector<v1::Mount>& mounts) {
  v1::Graph graph;
  v1::Stage* stage = graph.add_stages();
  stage->add_operations()->mutable_scratch();
  v1::Run* run = stage->add_operations()->mutable_run();
  *run->mutable_mounts() = {mounts.begin(), mounts.end()};
  stage->add_operations()->mutable_make_directory();
  return graph;
}

std::vector<std::string> IdsOf(const v1::Graph& graph) {
  std::vector<std::string> ids;
  for (const v1::Mount& mount : graph.stages(0).operations(1).run().mounts()) {
    ids.push_back(mount.id());
  }
  return ids;
}

TEST(RunDefaultsTest, ARunGetsTheMountsThatItHasNotItself) {
  v1::BuildSpec spec;
  *spec.add_default_cache_mounts() = Cache("/root/.cache", "mine");
  *spec.add_default_cache_mounts() = Cache("/var/cache/apt/");
  v1::Graph graph = OneRun({Cache("/root/.cache/", "own")});
  ApplyRunDefaults(spec, &graph);
  EXPECT_THAT(IdsOf(graph), ElementsAre("own", "/var/cache/apt"));
  v1::Graph bare = OneRun({});
  ApplyRunDefaults(spec, &bare);
  EXPECT_THAT(IdsOf(bare), ElementsAre("mine", "/var/cache/apt"));
  EXPECT_FALSE(bare.stages(0).operations(2).has_run());
}

TEST(RunDefaultsTest, AMountOfAnotherKindKeepsItsPlace) {
  v1::BuildSpec spec;
  *spec.add_default_cache_mounts() = Cache("/t");
  v1::Mount tmpfs;
  tmpfs.set_type(v1::Mount::TMPFS);
  tmpfs.set_target("/t");
  v1::Graph graph = OneRun({tmpfs});
  ApplyRunDefaults(spec, &graph);
  EXPECT_THAT(IdsOf(graph), ElementsAre(""));
}

TEST(RunDefaultsTest, TheHostsNetworkIsForThoseThatSayNothing) {
  v1::BuildSpec spec;
  v1::Graph graph = OneRun({});
  v1::Graph none = OneRun({});
  none.mutable_stages(0)->mutable_operations(1)->mutable_run()->set_network(v1::NETWORK_NONE);
  ApplyRunDefaults(spec, &graph);
  EXPECT_EQ(graph.stages(0).operations(1).run().network(), v1::NETWORK_DEFAULT);
  spec.set_host_network(true);
  ApplyRunDefaults(spec, &graph);
  ApplyRunDefaults(spec, &none);
  EXPECT_EQ(graph.stages(0).operations(1).run().network(), v1::NETWORK_HOST);
  EXPECT_EQ(none.stages(0).operations(1).run().network(), v1::NETWORK_NONE);
}

TEST(RunDefaultsTest, OnlyEmptyCachesWithATargetAreTaken) {
  const auto check = [](const v1::Mount& mount) {
    v1::BuildSpec spec;
    *spec.add_default_cache_mounts() = mount;
    return CheckRunDefaults(spec);
  };
  EXPECT_OK(check(Cache("/c")));
  EXPECT_OK(check(Cache("/" + std::string(300, 'c'), "id")));
  v1::Mount bind = Cache("/c");
  bind.set_type(v1::Mount::BIND);
  EXPECT_THAT(check(bind), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("type cache")));
  v1::Mount seeded = Cache("/c");
  seeded.mutable_from()->set_stage(0);
  for (const v1::Mount& mount :
       {seeded, Cache("c"), Cache("/"), Cache("//."), Cache("/" + std::string(300, 'c'))}) {
    EXPECT_THAT(check(mount), StatusIs(absl::StatusCode::kInvalidArgument)) << mount.target();
  }
  v1::BuildSpec twice;
  *twice.add_default_cache_mounts() = Cache("/c");
  *twice.add_default_cache_mounts() = Cache("/c/");
  EXPECT_THAT(CheckRunDefaults(twice), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
