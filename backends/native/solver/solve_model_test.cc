// Random graphs, built many at a time with random wishes, while steps fail, builds are canceled and
// what is cached goes, against a sequential reference: what an image holds must be what its graph
// says, and was made on exactly what lies below it.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backends/graph/validate.h"
#include "backends/native/testing/build_fixture.h"

namespace zlayer {
namespace {

constexpr int kSeeds = 150;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  // 0 to `end` - 1.
  uint32_t Below(uint32_t end) { return engine_() % end; }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  std::mt19937 engine_;
};

v1::Graph RandomGraph(Random& random) {
  v1::Graph graph;
  const uint32_t stages = 1 + random.Below(5);
  for (uint32_t stage = 0; stage < stages; ++stage) {
    v1::Stage& made = *graph.add_stages();
    made.set_name(fmt::format("s{}", stage));
    v1::Operation& base = *made.add_operations();
    if (stage > 0 && random.OneIn(2)) {
      base.mutable_stage()->set_stage(random.Below(stage));
    } else {
      base.mutable_image()->set_reference(fmt::format("base{}", random.Below(2)));
    }
    for (uint32_t i = random.Below(5); i > 0; --i) {
      v1::Operation& operation = *made.add_operations();
      if (stage > 0 && random.OneIn(4)) {
        v1::Copy& copy = *operation.mutable_copy();
        copy.add_sources()->mutable_from()->set_stage(random.Below(stage));
        copy.set_destination(fmt::format("c{}", random.Below(3)));
        continue;
      }
      v1::Run& run = *operation.mutable_run();
      const uint32_t kind = random.Below(10);
      run.add_argv(fmt::format("{} {}",
                               kind == 0  ? "fails"
                               : kind < 3 ? "noisy"
                                          : "plain",
                               random.Below(6)));
      if (stage > 0 && random.OneIn(3)) {
        run.add_mounts()->mutable_from()->set_stage(random.Below(stage));
      }
    }
  }
  graph.add_targets(stages - 1);
  return graph;
}

bool CanFail(const v1::Graph& graph) {
  const std::vector<bool> needed = NeededStages(graph);
  for (int i = 0; i < graph.stages_size(); ++i) {
    for (const v1::Operation& operation : graph.stages(i).operations()) {
      if (needed[static_cast<size_t>(i)] && operation.has_run() &&
          operation.run().argv(0).starts_with("fails")) {
        return true;
      }
    }
  }
  return false;
}

// What the target of a graph without noise holds, made one step after the other.
class Reference {
 public:
  static std::vector<Digest> Contents(FakeWorld* world, const v1::Graph& graph) {
    Reference reference(world, graph);
    return reference.Stage(graph.targets(0));
  }

 private:
  Reference(FakeWorld* world, const v1::Graph& graph) : world_(world), graph_(graph) {}

  const std::vector<Digest>& Stage(uint32_t index) {
    const auto [found, is_new] = stages_.try_emplace(index);
    if (!is_new) {
      return found->second;
    }
    const auto& operations = graph_.stages(static_cast<int>(index)).operations();
    std::vector<Digest> contents = operations[0].has_stage()
                                       ? Stage(operations[0].stage().stage())
                                       : std::vector<Digest>{Base(operations[0])};
    for (int i = 1; i < operations.size(); ++i) {
      contents.push_back(operations[i].has_copy() ? Copy(operations[i].copy())
                                                  : Run(operations[i].run(), contents));
    }
    return stages_[index] = std::move(contents);
  }

  Digest Base(const v1::Operation& operation) {
    return world_->Image(operation.image().reference())->id();
  }
  Digest Copy(const v1::Copy& copy) {
    const std::string content = Joined(Stage(copy.sources(0).from().stage()));
    return MakeIndex({FileEntry(copy.destination(), content)})->ContentDigest();
  }
  Digest Run(const v1::Run& run, const std::vector<Digest>& below) {
    std::string inputs = Joined(below);
    for (const v1::Mount& mount : run.mounts()) {
      inputs += Digest::Of(Joined(Stage(mount.from().stage()))).Hex();
    }
    return MakeIndex({FileEntry(Digest::Of(run.argv(0)).Hex(),
                                fmt::format("{}|{}", run.argv(0), inputs))})
        ->ContentDigest();
  }

  FakeWorld* const world_;
  const v1::Graph& graph_;
  std::map<uint32_t, std::vector<Digest>> stages_;
};

bool IsNoisy(const v1::Graph& graph) {
  return graph.ShortDebugString().find("noisy") != std::string::npos;
}

class SolveModelTest : public BuildTest {
 protected:
  // What lies below a RUN's layer in the image is what it was made on, to the byte.
  void CheckChain(const NewImage& image) {
    std::vector<Digest> below;
    std::vector<Digest> chain;
    for (const ImageLayer& entry : image.layers) {
      // Nothing of an image that was just made may be gone.
      ASSERT_OK_AND_ASSIGN(const LayerRef layer, world_.Layer(entry.layer));
      const std::string content = world_.Content(layer->At(0).content);
      if (const size_t bar = content.find('|'); bar != std::string::npos) {
        EXPECT_EQ(content.substr(bar + 1, 64), Joined(below)) << content;
      }
      const std::vector<Digest>* made_on = world_.MadeOn(entry.layer);
      EXPECT_TRUE(made_on == nullptr || *made_on == chain) << content;
      chain.push_back(layer->id());
      below.push_back(below.empty() ? layer->id() : layer->ContentDigest());
    }
  }

  void CheckContents(const NewImage& image, const v1::Graph& graph) {
    const std::vector<Digest> expected = Reference::Contents(&world_, graph);
    ASSERT_EQ(image.layers.size(), expected.size());
    for (size_t i = 1; i < expected.size(); ++i) {
      ASSERT_OK_AND_ASSIGN(const LayerRef layer, world_.Layer(image.layers[i].layer));
      EXPECT_EQ(layer->ContentDigest(), expected[i]) << i << " of " << graph.ShortDebugString();
    }
  }

  void Check(const TestBuild& build, const v1::Graph& graph, bool was_canceled) {
    if (build.image.ok()) {
      EXPECT_FALSE(CanFail(graph));
      CheckChain(*build.image);
      if (!IsNoisy(graph)) {
        CheckContents(*build.image, graph);
      }
    } else if (absl::IsCancelled(build.image.status())) {
      EXPECT_TRUE(was_canceled) << build.image.status();
    } else {
      EXPECT_TRUE(CanFail(graph)) << build.image.status();
      EXPECT_EQ(build.image.status().message(), "it broke");
    }
  }

  struct Run {
    std::shared_ptr<const v1::Graph> graph;
    std::unique_ptr<TestBuild> build;
    bool canceled = false;
  };

  std::vector<Run> StartSome(Random& random,
                             const std::vector<std::shared_ptr<const v1::Graph>>& graphs) {
    std::vector<Run> runs;
    for (uint32_t i = 3 + random.Below(5); i > 0; --i) {
      const auto& graph = graphs[random.Below(static_cast<uint32_t>(graphs.size()))];
      BuildJob job = Job(graph);
      job.no_cache = random.OneIn(6);
      if (random.OneIn(5)) {
        job.no_cache_stages = {"s0"};
      }
      runs.push_back({.graph = graph, .build = Start(std::move(job))});
    }
    return runs;
  }
};

TEST_F(SolveModelTest, ImagesAreWhatTheirGraphsSay) {
  world_.on_make = [](const std::string& text, const std::string& build,
                      std::stop_token stop) -> absl::Status {
    Random random(static_cast<uint32_t>(std::hash<std::string>()(text + build)));
    for (uint32_t i = random.Below(20); i > 0 && !stop.stop_requested(); --i) {
      std::this_thread::yield();
    }
    if (stop.stop_requested()) {
      return Cancelled("stopped");
    }
    return text.starts_with("fails") ? FailedPrecondition("it broke") : absl::OkStatus();
  };
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    std::vector<std::shared_ptr<const v1::Graph>> graphs;
    for (uint32_t i = 1 + random.Below(3); i > 0; --i) {
      graphs.push_back(std::make_shared<v1::Graph>(RandomGraph(random)));
    }
    std::vector<Run> runs = StartSome(random, graphs);
    for (Run& run : runs) {
      if (random.OneIn(4)) {
        run.canceled = true;
        run.build->stop.request_stop();
      }
      if (random.OneIn(4)) {
        const uint32_t part = 1 + random.Below(3);
        world_.records.Evict(
            [&](const CacheRecord& record) { return record.created_ns % 3 < part; });
      }
    }
    for (Run& run : runs) {
      run.build->Wait();
      Check(*run.build, *run.graph, run.canceled);
      ++clock_.now_ns;
    }
    EXPECT_EQ(world_.at_once(), 0);
    if (HasFailure()) {
      return;
    }
    // Between rounds nothing stands on what goes.
    if (random.OneIn(3)) {
      world_.EvictLayers([&](const Digest&) { return random.OneIn(3); });
    }
  }
}

TEST_F(SolveModelTest, WhatManyWantIsMadeOnce) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(1000 + seed);
    FakeWorld world;
    StepCache cache({.records = &world.records,
                     .layer = [&](const Digest& id) { return world.Layer(id); },
                     .clock = &clock_,
                     .pool = &pool_});
    auto graph = std::make_shared<v1::Graph>(RandomGraph(random));
    if (CanFail(*graph)) {
      continue;
    }
    std::vector<std::unique_ptr<TestBuild>> builds;
    for (int i = 0; i < 6; ++i) {
      builds.push_back(std::make_unique<TestBuild>(&world, &cache, &pool_, Job(graph)));
    }
    for (auto& build : builds) {
      build->Start();
    }
    std::set<std::vector<std::string>> images;
    for (auto& build : builds) {
      ASSERT_OK(build->Wait());
      std::vector<std::string> layers;
      for (const ImageLayer& layer : build->image->layers) {
        layers.push_back(layer.layer.Hex());
      }
      images.insert(std::move(layers));
    }
    // One of each, so all have the same: a step that ran twice would have other times.
    EXPECT_EQ(images.size(), 1u) << graph->ShortDebugString();
  }
}

}  // namespace
}  // namespace zlayer
