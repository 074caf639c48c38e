#include "backends/native/solver/explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <string_view>
#include <utility>

#include "backends/graph/describe.h"
#include "backends/native/solver/files_difference.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;
constexpr size_t kValueBytes = 8;
constexpr size_t kMaxText = 120;  // of an instruction in a message

std::string ShortDigest(std::string_view value) {
  return std::string(Digest::Of(value).Bytes().substr(0, kValueBytes));
}

std::string Quoted(std::string_view text) {
  return text.size() <= kMaxText ? fmt::format("\"{}\"", text)
                                 : fmt::format("\"{}...\"", text.substr(0, kMaxText));
}

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

// The steps of a stage are in order.
const internal::ExplainedStep* StepAt(const internal::ExplainedStage& stage, uint32_t index) {
  const auto found = std::lower_bound(
      stage.steps().begin(), stage.steps().end(), index,
      [](const internal::ExplainedStep& step, uint32_t wanted) { return step.index() < wanted; });
  return found == stage.steps().end() || found->index() != index ? nullptr : &*found;
}

// Paths of an index are shown as they are.
std::string SamePath(std::string_view path) { return std::string(path.empty() ? "/" : path); }

}  // namespace

Explainer::Explainer(const v1::Graph& graph, ExplainerOptions options)
    : graph_(graph), options_(std::move(options)) {}

void Explainer::Began(uint32_t stage, const BuiltStage& state) {
  const v1::Stage& definition = graph_.stages(stage);
  Stage begun;
  begun.set_index(stage);
  begun.set_name(definition.name());
  begun.set_base_text(definition.base_text());
  if (definition.operations(0).has_stage()) {
    begun.set_base_stage(definition.operations(0).stage().stage() + 1);
  } else {
    Sha256 layers;
    for (size_t i = 0; i < state.base_layers; ++i) {
      // Nobody has read the layers of an image whose files are of no use to the build.
      layers.Update((state.chain.empty() ? state.layers[i].digest : state.chain[i]).Bytes());
    }
    begun.set_base(std::string(layers.Finish().Bytes().substr(0, kValueBytes)));
  }
  MutexLock lock(&mutex_);
  stages_[stage] = std::move(begun);
}

void Explainer::Done(OperationId id, const Step& step, const StepResult& result) {
  StepFacts facts;
  facts.set_index(id.index);
  facts.set_text(graph_.stages(id.stage).operations(id.index).text());
  facts.set_key(std::string(step.key.Bytes()));
  facts.set_layer(std::string(result.layer->id().Bytes()));
  for (const StepPart& part : step.parts) {
    internal::ExplainedPart& kept = *facts.add_parts();
    kept.set_name(part.name);
    if (part.files == nullptr) {
      kept.set_value(ShortDigest(part.value));
      continue;
    }
    // What a COPY put together is in the store as what it made, with other times perhaps.
    const bool made = part.files->ContentDigest() == result.layer->ContentDigest();
    kept.set_files(std::string((made ? result.layer->id() : part.files->id()).Bytes()));
    kept.set_value(std::string(part.files->ContentDigest().Bytes().substr(0, kValueBytes)));
  }
  MutexLock lock(&mutex_);
  *stages_[id.stage].add_steps() = std::move(facts);
}

std::string Explainer::Serialize() const {
  Build build;
  MutexLock lock(&mutex_);
  for (const auto& [index, stage] : stages_) {
    *build.add_stages() = stage;
  }
  return build.ByteSizeLong() > kMaxBytes ? "" : build.SerializeAsString();
}

// The stage of an earlier build that has this one's name, or without a name its place.
const internal::ExplainedStage* Explainer::Match(const Build& earlier, uint32_t stage) const {
  const std::string& name = graph_.stages(stage).name();
  for (const Stage& other : earlier.stages()) {
    if (name.empty() ? other.name().empty() && other.index() == stage
                     : SameStageName(other.name(), name)) {
      return &other;
    }
  }
  return nullptr;
}

size_t Explainer::Likeness(const Build& earlier) const {
  size_t alike = 0;
  for (int stage = 0; stage < graph_.stages_size(); ++stage) {
    const Stage* other = Match(earlier, static_cast<uint32_t>(stage));
    if (other == nullptr) {
      continue;
    }
    const auto& operations = graph_.stages(stage).operations();
    alike += static_cast<size_t>(
        std::count_if(other->steps().begin(), other->steps().end(), [&](const StepFacts& step) {
          return step.index() < static_cast<uint32_t>(operations.size()) &&
                 operations[static_cast<int>(step.index())].text() == step.text();
        }));
  }
  return alike;
}

const internal::ExplainedBuild* Explainer::Earlier() {
  std::call_once(looked_, [this] {
    size_t best = 0;
    for (const std::string& bytes : options_.earlier().value_or(std::vector<std::string>())) {
      Build build;
      if (!build.ParseFromString(bytes)) {
        continue;
      }
      const size_t likeness = Likeness(build);
      if (!earlier_.has_value() || likeness > best) {
        best = likeness;
        earlier_ = std::move(build);
      }
    }
  });
  return earlier_.has_value() ? &*earlier_ : nullptr;
}

bool Explainer::SameFiles(const std::string& before, const std::string& now) const {
  if (before == now) {
    return true;
  }
  const auto open = [&](const std::string& id) -> absl::StatusOr<LayerRef> {
    ASSIGN_OR_RETURN(const Digest digest, Digest::FromBytes(id));
    return options_.layer(digest);
  };
  const absl::StatusOr<LayerRef> a = open(before);
  const absl::StatusOr<LayerRef> b = open(now);
  return a.ok() && b.ok() && (*a)->ContentDigest() == (*b)->ContentDigest();
}

std::string Explainer::ChangedFiles(const Digest& before, const LayerIndex& now) const {
  const absl::StatusOr<LayerRef> layer = options_.layer(before);
  return layer.ok() ? FirstDifference(**layer, now, SamePath) : "";
}

// Of what the step itself reads; empty where nothing did.
std::string Explainer::WhatChanged(const StepFacts& before, const Step& step) const {
  const auto same = [](const internal::ExplainedPart& part, const StepPart& other) {
    return part.name() == other.name && part.files().empty() == (other.files == nullptr);
  };
  for (const StepPart& part : step.parts) {
    const auto found = std::find_if(before.parts().begin(), before.parts().end(),
                                    [&](const auto& other) { return same(other, part); });
    if (found == before.parts().end()) {
      return fmt::format("{} is new", part.name);
    }
    if (part.files == nullptr) {
      if (found->value() != ShortDigest(part.value)) {
        return fmt::format("{} changed", part.name);
      }
      continue;
    }
    if (found->value() == part.files->ContentDigest().Bytes().substr(0, kValueBytes)) {
      continue;
    }
    const absl::StatusOr<Digest> id = Digest::FromBytes(found->files());
    const std::string files = id.ok() ? ChangedFiles(*id, *part.files) : "";
    const std::string where = part.name == "the files" ? "" : fmt::format(" ({})", part.name);
    return files.empty() ? fmt::format("{} changed", part.name) : files + where;
  }
  for (const internal::ExplainedPart& part : before.parts()) {
    if (std::none_of(step.parts.begin(), step.parts.end(),
                     [&](const StepPart& other) { return same(part, other); })) {
      return fmt::format("{} is gone", part.name());
    }
  }
  return "";
}

// Adds what can tell how the layers that the first `end` operations of `stage` stand on, and made,
// differ. False after a difference that is certain.
bool Explainer::CompareBelow(const Build& earlier, const Stage& before, uint32_t stage,
                             uint32_t end, std::vector<Below>* below) const {
  const auto differs = [below](std::string how) {
    below->push_back({.how = std::move(how), .before = "", .now = ""});
    return false;
  };
  const auto found = stages_.find(stage);
  if (found == stages_.end()) {
    return true;
  }
  const Stage& now = found->second;
  if (now.base_stage() != 0) {
    const uint32_t base = now.base_stage() - 1;
    const Stage* base_before = Match(earlier, base);
    if (before.base_stage() == 0 || base_before == nullptr ||
        !SameStageName(before.base_text(), now.base_text())) {
      return differs(fmt::format("the stage begins with {} now", now.base_text()));
    }
    if (!CompareBelow(earlier, *base_before, base, std::numeric_limits<uint32_t>::max(), below)) {
      return false;
    }
  } else if (before.base_text() != now.base_text()) {
    return differs(
        fmt::format("the base image was {}, now it is {}", before.base_text(), now.base_text()));
  } else if (before.base() != now.base()) {
    return differs(fmt::format("the base image {} changed", now.base_text()));
  }
  for (const StepFacts& step : now.steps()) {
    if (step.index() >= end) {
      continue;
    }
    const StepFacts* old = StepAt(before, step.index());
    if (old == nullptr || old->text() != step.text()) {
      return differs(fmt::format("{} before it is new or changed", Quoted(step.text())));
    }
    below->push_back({.how = fmt::format("{} before it made something else", Quoted(step.text())),
                      .before = old->layer(),
                      .now = step.layer()});
  }
  return true;
}

// Of what the step stands on; empty where nothing did.
std::string Explainer::ChangedBelow(const Build& earlier, const Stage& before, OperationId id) {
  std::vector<Below> below;
  {
    MutexLock lock(&mutex_);
    if (const auto known = changed_below_.find(id.stage); known != changed_below_.end()) {
      return known->second;
    }
    CompareBelow(earlier, before, id.stage, id.index, &below);
  }
  for (const Below& layer : below) {
    if (layer.before.empty() || !SameFiles(layer.before, layer.now)) {
      MutexLock lock(&mutex_);
      changed_below_[id.stage] = layer.how;
      return layer.how;
    }
  }
  return "";
}

std::string Explainer::Explain(OperationId id, const Step& step) {
  const Build* earlier = Earlier();
  const Stage* before = earlier == nullptr ? nullptr : Match(*earlier, id.stage);
  if (before == nullptr) {
    return "first time";
  }
  const std::string& text =
      graph_.stages(static_cast<int>(id.stage)).operations(static_cast<int>(id.index)).text();
  const StepFacts* same = StepAt(*before, id.index);
  if (same == nullptr || same->text() != text) {
    const StepFacts* const at_place = same;
    const auto found = std::find_if(before->steps().begin(), before->steps().end(),
                                    [&](const StepFacts& other) { return other.text() == text; });
    same = found == before->steps().end() ? nullptr : &*found;
    if (same == nullptr) {
      return at_place != nullptr && FirstWord(at_place->text()) == FirstWord(text)
                 ? fmt::format("miss: the instruction changed, it was {}", Quoted(at_place->text()))
                 : "first time";
    }
  }
  if (same->key() == step.key.Bytes()) {
    return "evicted";
  }
  std::string changed = WhatChanged(*same, step);
  if (changed.empty()) {
    changed = ChangedBelow(*earlier, *before, id);
  }
  return changed.empty() ? "miss: what it stands on changed" : fmt::format("miss: {}", changed);
}

}  // namespace zlayer
