// Builds of graphs by the real scheduler and cache over fake operations.
#ifndef ZLAYER_BACKENDS_NATIVE_TESTING_BUILD_FIXTURE_H_
#define ZLAYER_BACKENDS_NATIVE_TESTING_BUILD_FIXTURE_H_

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/native/solver/solve.h"
#include "backends/native/solver/step_cache.h"
#include "backends/native/testing/fake_operations.h"
#include "backends/native/testing/gate.h"
#include "base/clock.h"
#include "tests/status_matchers.h"

namespace zlayer {

class SettableClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  std::atomic<int64_t> now_ns = 1;
};

class CollectingSink : public EventSink {
 public:
  void Emit(v1::BuildEvent event) override {
    MutexLock lock(&mutex_);
    if (event.has_instruction_complete()) {
      const v1::InstructionComplete& complete = event.instruction_complete();
      reasons_[{complete.stage(), complete.index()}] = complete.reason();
    } else if (event.has_instruction_missed()) {
      const v1::InstructionMissed& missed = event.instruction_missed();
      missed_[{missed.stage(), missed.index()}] = missed.reason();
    } else if (event.has_output()) {
      output_.push_back(event.output().data());
    } else if (event.has_instruction_waiting()) {
      waiting.Open();
    }
  }
  // Of an operation, its stage's base not counted.
  std::string Reason(uint32_t stage, uint32_t index) const {
    MutexLock lock(&mutex_);
    const auto found = reasons_.find({stage, index});
    return found == reasons_.end() ? "" : found->second;
  }
  // The same, of one that was not found and may not be complete.
  std::string Missed(uint32_t stage, uint32_t index) const {
    MutexLock lock(&mutex_);
    const auto found = missed_.find({stage, index});
    return found == missed_.end() ? "" : found->second;
  }
  std::vector<std::string> output() const {
    MutexLock lock(&mutex_);
    return output_;
  }

  Gate waiting;  // for another build

 private:
  mutable Mutex mutex_;
  std::map<std::pair<uint32_t, uint32_t>, std::string> reasons_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<uint32_t, uint32_t>, std::string> missed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> output_ ABSL_GUARDED_BY(mutex_);
};

// One build, on a thread of its own.
class TestBuild {
 public:
  TestBuild(FakeWorld* world, StepCache* cache, ThreadPool* pool, BuildJob job)
      : job_(std::move(job)), operations_(world, &job_) {
    options_.operations = &operations_;
    options_.cache = cache;
    options_.pool = pool;
    options_.explain.earlier = [this] { return earlier; };
    options_.explain.files = [](const v1::Platform&, const Digest&, const FilesOrigin&) {
      return NotFound("no files are kept");
    };
    options_.explained = [this](const std::string& steps) { explained = steps; };
    options_.kept_layer = [](const LayerRef&) {};
  }
  ~TestBuild() { Wait(); }

  void Start() {
    thread_ = std::thread([this] { image = Solve(options_, job_, events, stop.get_token()); });
  }
  // The image, once the build has ended.
  const absl::StatusOr<NewImage>& Wait() {
    if (thread_.joinable()) {
      thread_.join();
    }
    return image;
  }

  CollectingSink events;
  std::stop_source stop;
  std::vector<std::string> earlier;  // explanations
  std::string explained;
  absl::StatusOr<NewImage> image = Internal("not started");

 private:
  const BuildJob job_;
  FakeOperations operations_;
  SolveOptions options_;
  std::thread thread_;
};

class BuildTest : public ::testing::Test {
 protected:
  explicit BuildTest(size_t places = 4) : pool_(places) {}

  static std::shared_ptr<const v1::Graph> Graph(const std::string& text) {
    auto graph = std::make_shared<v1::Graph>();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, graph.get())) << text;
    return graph;
  }

  BuildJob Job(std::shared_ptr<const v1::Graph> graph) {
    BuildJob job;
    job.build_id = "build-" + std::to_string(++builds_);
    job.name_space = "default";
    job.graph = std::move(graph);
    return job;
  }
  std::unique_ptr<TestBuild> Start(BuildJob job, std::vector<std::string> earlier = {}) {
    auto build = std::make_unique<TestBuild>(&world_, &cache_, &pool_, std::move(job));
    build->earlier = std::move(earlier);
    build->Start();
    return build;
  }
  // Builds to the end.
  std::unique_ptr<TestBuild> Build(BuildJob job, std::vector<std::string> earlier = {}) {
    auto build = Start(std::move(job), std::move(earlier));
    build->Wait();
    return build;
  }
  std::unique_ptr<TestBuild> Build(const std::string& graph) { return Build(Job(Graph(graph))); }

  FakeWorld world_;
  SettableClock clock_;
  StepCache cache_{{.records = &world_.records,
                    .layer = [this](const Digest& id) { return world_.Layer(id); },
                    .clock = &clock_,
                    .pool = &pool_}};
  ThreadPool pool_;
  int builds_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_TESTING_BUILD_FIXTURE_H_
