// Operations without a store: layers are a few entries in memory, and what "runs" is the test's.
#ifndef ZLAYER_BACKENDS_NATIVE_TESTING_FAKE_OPERATIONS_H_
#define ZLAYER_BACKENDS_NATIVE_TESTING_FAKE_OPERATIONS_H_

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "backends/api/backend.h"
#include "backends/native/solver/operations.h"
#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/testing/entries.h"
#include "registry/record_store.h"

namespace zlayer {

class MemoryRecords : public RecordStore {
 public:
  // Called with what Find is about to answer.
  std::function<void(bool found)> on_find = [](bool) {};

  absl::StatusOr<CacheRecord> Find(const Digest& key) override {
    absl::StatusOr<CacheRecord> found = Lookup(key);
    on_find(found.ok());
    return found;
  }
  absl::StatusOr<std::vector<CacheRecord>> FindByContent(const Digest& content_key) override {
    MutexLock lock(&mutex_);
    std::vector<CacheRecord> found;
    for (const Digest& key : by_content_[content_key]) {
      if (const auto record = records_.find(key); record != records_.end()) {
        found.push_back(record->second);
      }
    }
    return found;
  }
  void Touch(const Digest&) override {}
  absl::Status FlushUses() override { return absl::OkStatus(); }
  absl::Status Put(std::string_view, const CacheRecord& record) override {
    MutexLock lock(&mutex_);
    records_[record.key] = record;
    by_content_[record.content_key].insert(record.key);
    return absl::OkStatus();
  }

  // Removes those of which `goes` is true.
  void Evict(const std::function<bool(const CacheRecord&)>& goes) {
    MutexLock lock(&mutex_);
    std::erase_if(records_, [&](const auto& entry) { return goes(entry.second); });
  }
  size_t size() const {
    MutexLock lock(&mutex_);
    return records_.size();
  }

 private:
  absl::StatusOr<CacheRecord> Lookup(const Digest& key) const {
    MutexLock lock(&mutex_);
    const auto found = records_.find(key);
    return found == records_.end() ? absl::StatusOr<CacheRecord>(NotFound("no record"))
                                   : found->second;
  }

  mutable Mutex mutex_;
  std::map<Digest, CacheRecord> records_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, std::set<Digest>> by_content_ ABSL_GUARDED_BY(mutex_);
};

// What all builds of a test share. Thread-safe.
//
// A RUN's only argument is what it does: "write a=1 b=2" writes these files; anything else writes
// one file, which tells what the RUN was made from, and what begins with "noisy" writes another one
// each time. A COPY's source is a file of a stage.
class FakeWorld {
 public:
  // Called while a RUN is made: waits, or fails, as the test wants. Set before the first build.
  std::function<absl::Status(const std::string& text, const std::string& build,
                             std::stop_token stop)>
      on_make =
          [](const std::string&, const std::string&, std::stop_token) { return absl::OkStatus(); };

  MemoryRecords records;

  absl::StatusOr<LayerRef> Layer(const Digest& id) const {
    MutexLock lock(&mutex_);
    for (const auto* layers : {&layers_, &images_}) {
      if (const auto found = layers->find(id); found != layers->end()) {
        return found->second;
      }
    }
    return NotFound("no such layer");
  }

  // Files with their contents; each call gives them a later time.
  LayerRef AddLayer(const std::map<std::string, std::string>& files) {
    const int64_t now = ++clock_;
    std::vector<Entry> entries;
    for (const auto& [path, content] : files) {
      entries.push_back(FileEntry(path, content));
      entries.back().mtime_ns = now;
    }
    LayerRef layer = MakeIndex(entries);
    MutexLock lock(&mutex_);
    for (const auto& [path, content] : files) {
      contents_[Digest::Of(content)] = content;
    }
    layers_[layer->id()] = layer;
    return layer;
  }

  // The layer of a base image: the same for the same reference.
  LayerRef Image(const std::string& reference) {
    LayerRef layer = MakeIndex({FileEntry("base", reference)});
    MutexLock lock(&mutex_);
    return images_.emplace(layer->id(), layer).first->second;
  }

  std::string Content(const Digest& digest) const {
    MutexLock lock(&mutex_);
    const auto found = contents_.find(digest);
    return found == contents_.end() ? "" : found->second;
  }

  void EvictLayers(const std::function<bool(const Digest&)>& goes) {
    MutexLock lock(&mutex_);
    std::erase_if(layers_, [&](const auto& entry) { return goes(entry.first); });
  }

  absl::StatusOr<LayerRef> Run(const std::string& text, const std::string& build,
                               const std::vector<Digest>& chain, const std::string& inputs,
                               std::stop_token stop) {
    {
      MutexLock lock(&mutex_);
      ++runs_[text];
      ++runs_of_builds_[{build, text}];
      most_at_once_ = std::max(most_at_once_, ++at_once_);
    }
    absl::Status status = on_make(text, build, std::move(stop));
    {
      MutexLock lock(&mutex_);
      --at_once_;
    }
    RETURN_IF_ERROR(status);
    std::map<std::string, std::string> files;
    if (text.starts_with("write ")) {
      for (std::string_view word : Split(std::string_view(text).substr(6), ' ')) {
        const size_t equals = word.find('=');
        files[std::string(word.substr(0, equals))] = std::string(word.substr(equals + 1));
      }
    } else {
      const std::string noise = text.starts_with("noisy") ? fmt::format("|{}", ++clock_) : "";
      files[Digest::Of(text).Hex()] = fmt::format("{}|{}{}", text, inputs, noise);
    }
    LayerRef layer = AddLayer(files);
    MutexLock lock(&mutex_);
    made_on_[layer->id()] = chain;
    return layer;
  }

  // The layers that a RUN's layer was made on; null for other layers.
  const std::vector<Digest>* MadeOn(const Digest& layer) const {
    MutexLock lock(&mutex_);
    const auto found = made_on_.find(layer);
    return found == made_on_.end() ? nullptr : &found->second;
  }

  // How often a RUN was made, by all, or for a build (as the one that began it).
  int Runs(const std::string& text) const {
    MutexLock lock(&mutex_);
    const auto found = runs_.find(text);
    return found == runs_.end() ? 0 : found->second;
  }
  int Runs(const std::string& text, const std::string& build) const {
    MutexLock lock(&mutex_);
    const auto found = runs_of_builds_.find({build, text});
    return found == runs_of_builds_.end() ? 0 : found->second;
  }
  int at_once() const {
    MutexLock lock(&mutex_);
    return at_once_;
  }
  int most_at_once() const {
    MutexLock lock(&mutex_);
    return most_at_once_;
  }

 private:
  std::atomic<int64_t> clock_ = 0;
  mutable Mutex mutex_;
  std::map<Digest, LayerRef> layers_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, LayerRef> images_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, std::vector<Digest>> made_on_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, std::string> contents_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> runs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, int> runs_of_builds_ ABSL_GUARDED_BY(mutex_);
  int at_once_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_at_once_ ABSL_GUARDED_BY(mutex_) = 0;
};

inline std::string Joined(const std::vector<Digest>& digests) {
  Sha256 all;
  for (const Digest& digest : digests) {
    all.Update(digest.Bytes());
  }
  return all.Finish().Hex();
}

class FakeOperations : public Operations {
 public:
  FakeOperations(FakeWorld* world, const BuildJob* job) : world_(world), job_(job) {}

  absl::StatusOr<BuiltStage> Base(const v1::Operation& operation, const Stages& stages,
                                  std::stop_token) override {
    if (operation.has_stage()) {
      return stages[operation.stage().stage()];
    }
    BuiltStage state;
    if (operation.has_image()) {
      const LayerRef layer = world_->Image(operation.image().reference());
      state.files.view = Rootfs({layer});
      state.chain = {layer->id()};
      state.layers = {{.layer = layer->id(), .media_type = "tar"}};
      state.base_layers = 1;
    }
    return state;
  }

  absl::StatusOr<Step> Prepare(const v1::Operation& operation, uint32_t stage, const Stages& stages,
                               const StepSink& sink, std::stop_token) override {
    return operation.has_copy() ? Copy(operation.copy(), stages)
                                : Run(operation.run(), stages[stage], stages, sink);
  }

 private:
  absl::StatusOr<Step> Run(const v1::Run& run, const BuiltStage& state, const Stages& stages,
                           const StepSink&) {
    const std::string text = run.argv(0);
    std::string mounts;
    for (const v1::Mount& mount : run.mounts()) {
      ASSIGN_OR_RETURN(const std::string file,
                       Select(stages[mount.from().stage()], mount.source()));
      mounts += Digest::Of(file).Hex();
    }
    const std::string inputs = Joined(ContentChain(state)) + mounts;
    Step step;
    step.chain = state.chain;
    step.key = Digest::Of(fmt::format("run {} {} {}", text, Joined(state.chain), mounts));
    step.content_key = Digest::Of(fmt::format("content {} {}", text, inputs));
    step.parts = {{.name = "the command", .value = text, .files = nullptr},
                  {.name = "the mounts", .value = mounts, .files = nullptr}};
    step.make = [world = world_, text, inputs, chain = state.chain, build = job_->build_id](
                    const StepSink& told, std::stop_token stop) {
      v1::BuildEvent event;
      event.mutable_output()->set_data(text);
      told(std::move(event));
      return world->Run(text, build, chain, inputs, std::move(stop));
    };
    return step;
  }

  absl::StatusOr<Step> Copy(const v1::Copy& copy, const Stages& stages) {
    ASSIGN_OR_RETURN(const std::string content,
                     Select(stages[copy.sources(0).from().stage()], copy.sources(0).path()));
    const std::string path = copy.destination();
    Step step;
    step.key = Digest::Of(fmt::format("copy {} {}", path, content));
    step.parts = {
        {.name = "the files", .value = "", .files = MakeIndex({FileEntry(path, content)})}};
    step.make = [world = world_, path, content](const StepSink&,
                                                std::stop_token) -> absl::StatusOr<LayerRef> {
      return world->AddLayer({{path, content}});
    };
    return step;
  }

  // The content of a file of the stage, or of all that it has.
  absl::StatusOr<std::string> Select(const BuiltStage& state, const std::string& path) const {
    if (path.empty()) {
      return Joined(ContentChain(state));
    }
    const auto entry = state.files.view.Lookup(path);
    if (!entry.has_value()) {
      return NotFound(fmt::format("there is no {}", path));
    }
    return world_->Content(entry->entry.content);
  }

  FakeWorld* const world_;
  const BuildJob* const job_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_TESTING_FAKE_OPERATIONS_H_
