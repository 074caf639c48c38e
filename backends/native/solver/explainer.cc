#include "backends/native/solver/explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "backends/native/solver/files_difference.h"
#include "base/errors.h"
#include "base/strings.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

// Raised when what is recorded means something else.
constexpr uint32_t kFormat = 1;
constexpr size_t kValueBytes = 8;
constexpr size_t kMaxText = 120;  // of an instruction in a message
// To tell earlier builds apart by their files: of how many, and of at most so many files.
constexpr size_t kMaxCompared = 4;
constexpr size_t kMaxComparedFiles = 10'000;

std::string Short(const Digest& digest) {
  return std::string(digest.Bytes().substr(0, kValueBytes));
}

std::string Quoted(std::string_view text) {
  return text.size() <= kMaxText ? fmt::format("\"{}\"", text)
                                 : fmt::format("\"{}...\"", CutUtf8(text, kMaxText));
}

// What the same step on the same contents has.
const Digest& ContentKeyOf(const Step& step) {
  return step.content_key.IsNone() ? step.key : step.content_key;
}

internal::ExplainedPart Recorded(const StepPart& part) {
  internal::ExplainedPart recorded;
  recorded.set_name(part.name);
  if (part.files == nullptr) {
    recorded.set_value(Short(Digest::Of(part.value)));
    return recorded;
  }
  recorded.set_is_files(true);
  recorded.set_value(std::string(part.files->ContentDigest().Bytes()));
  for (const Digest& layer : part.origin.layers) {
    recorded.add_layers(std::string(layer.Bytes()));
  }
  recorded.set_path(part.origin.path);
  recorded.set_reset_owner(part.origin.reset_owner);
  return recorded;
}

bool SamePart(const internal::ExplainedPart& a, const internal::ExplainedPart& b) {
  return a.name() == b.name() && a.is_files() == b.is_files() && a.value() == b.value();
}

bool IsCalledAs(const internal::ExplainedPart& part, const StepPart& other) {
  return part.name() == other.name && part.is_files() == (other.files != nullptr);
}

// Null where the step had none.
const internal::ExplainedPart* PartCalledAs(const internal::ExplainedStep& step,
                                            const StepPart& part) {
  const auto found = std::find_if(step.parts().begin(), step.parts().end(),
                                  [&](const auto& other) { return IsCalledAs(other, part); });
  return found == step.parts().end() ? nullptr : &*found;
}

bool HasComparableFiles(const StepPart& part) {
  return part.files != nullptr && part.files->size() <= kMaxComparedFiles;
}

}  // namespace

Explainer::Explainer(const v1::Graph& graph, ExplainerOptions options)
    : graph_(graph), options_(std::move(options)), outline_(OutlineOf(graph)), now_(outline_) {
  now_.set_format(kFormat);
}

internal::ExplainedStage* Explainer::Stage(uint32_t index) {
  return const_cast<StageFacts*>(StageAt(now_, index));
}

internal::ExplainedStep* Explainer::StepOf(OperationId id) {
  return const_cast<StepFacts*>(StepAt(*Stage(id.stage), id.index));
}

void Explainer::Began(uint32_t stage, const BuiltStage& state) {
  if (graph_.stages(static_cast<int>(stage)).operations(0).has_stage()) {
    return;
  }
  Sha256 layers;
  for (size_t i = 0; i < state.base_layers; ++i) {
    // Nobody has read the layers of an image whose files are of no use to the build.
    layers.Update((state.chain.empty() ? state.layers[i].digest : state.chain[i]).Bytes());
  }
  MutexLock lock(&mutex_);
  StageFacts* const begun = Stage(stage);
  begun->set_base(Short(layers.Finish()));
  CountBase(*begun);
}

void Explainer::CountBase(const StageFacts& stage) {
  for (const std::unique_ptr<Earlier>& earlier : earlier_) {
    const StageFacts* const before = earlier->alignment.StageOf(stage.index());
    earlier->alike += before != nullptr && before->base() == stage.base() ? kStepWeight : 0;
  }
}

void Explainer::CountStep(OperationId id, const StepFacts& step) {
  for (const std::unique_ptr<Earlier>& earlier : earlier_) {
    const StepFacts* const same = earlier->alignment.StepOf(id).same;
    const bool alike = same != nullptr && !same->key().empty() &&
                       std::equal(same->parts().begin(), same->parts().end(), step.parts().begin(),
                                  step.parts().end(), SamePart);
    earlier->alike += alike ? kStepWeight : 0;
  }
}

void Explainer::Record(OperationId id, const Step& step) {
  StepFacts facts;
  for (const StepPart& part : step.parts) {
    *facts.add_parts() = Recorded(part);
  }
  MutexLock lock(&mutex_);
  StepFacts* const recorded = StepOf(id);
  if (!recorded->key().empty()) {
    return;
  }
  recorded->set_key(std::string(ContentKeyOf(step).Bytes()));
  recorded->mutable_parts()->Swap(facts.mutable_parts());
  CountStep(id, *recorded);
}

void Explainer::Done(OperationId id, const Step& step, const StepResult& result) {
  Record(id, step);
  MutexLock lock(&mutex_);
  StepOf(id)->set_content(Short(result.layer->ContentDigest()));
}

std::string Explainer::Serialize() const {
  Build whole;
  {
    MutexLock lock(&mutex_);
    whole = now_;
  }
  Build kept;
  kept.set_format(whole.format());
  size_t left = options_.max_bytes;
  for (StageFacts& stage : *whole.mutable_stages()) {
    auto steps = std::move(*stage.mutable_steps());
    stage.clear_steps();
    StageFacts& kept_stage = *kept.add_stages();
    kept_stage = std::move(stage);
    left -= std::min(left, kept_stage.ByteSizeLong());
    for (StepFacts& step : steps) {
      if (step.ByteSizeLong() > left) {
        step.clear_parts();
        step.set_cut(true);
      }
      if (step.ByteSizeLong() > left) {
        kept.set_cut(true);
        return kept.SerializeAsString();
      }
      left -= step.ByteSizeLong();
      *kept_stage.add_steps() = std::move(step);
    }
  }
  return kept.SerializeAsString();
}

bool Explainer::MayBeOfTheSame(const Earlier& earlier) const {
  const auto steps = [](const Build& build) {
    size_t count = 0;
    for (const StageFacts& stage : build.stages()) {
      count += static_cast<size_t>(stage.steps_size());
    }
    return count;
  };
  return !options_.earlier_may_differ ||
         4 * earlier.alignment.same_texts() >= steps(outline_) + steps(earlier.build);
}

void Explainer::FindEarlier() {
  std::vector<std::unique_ptr<Earlier>> found;
  for (const std::string& bytes : options_.earlier().value_or(std::vector<std::string>())) {
    Build build;
    if (!build.ParseFromString(bytes) || build.format() != kFormat) {
      continue;
    }
    auto earlier = std::make_unique<Earlier>(std::move(build), outline_);
    if (MayBeOfTheSame(*earlier)) {
      found.push_back(std::move(earlier));
    }
  }
  MutexLock lock(&mutex_);
  earlier_ = std::move(found);
  for (const StageFacts& stage : now_.stages()) {
    if (!stage.base().empty()) {
      CountBase(stage);
    }
    for (const StepFacts& step : stage.steps()) {
      if (!step.key().empty()) {
        CountStep({stage.index(), step.index()}, step);
      }
    }
  }
}

std::vector<Explainer::Earlier*> Explainer::Likest() {
  std::vector<Earlier*> likest;
  MutexLock lock(&mutex_);
  for (const std::unique_ptr<Earlier>& earlier : earlier_) {
    if (!likest.empty() && earlier->alike > likest.front()->alike) {
      likest.clear();
    }
    if (likest.empty() || earlier->alike == likest.front()->alike) {
      likest.push_back(earlier.get());
    }
  }
  return likest;
}

Explainer::Earlier* Explainer::Nearest(OperationId id, const Step& step) {
  std::call_once(looked_, [this] { FindEarlier(); });
  const std::vector<Earlier*> likest = Likest();
  const bool has_files = std::any_of(step.parts.begin(), step.parts.end(), HasComparableFiles);
  if (likest.size() < 2 || !has_files) {
    return likest.empty() ? nullptr : likest.front();
  }
  Earlier* nearest = likest.front();
  size_t fewest = OtherFiles(*nearest, id, step);
  bool differ = false;
  for (size_t i = 1; i < std::min(likest.size(), kMaxCompared); ++i) {
    const size_t others = OtherFiles(*likest[i], id, step);
    differ = differ || others != fewest;
    if (others < fewest) {
      nearest = likest[i];
      fewest = others;
    }
  }
  if (differ) {
    MutexLock lock(&mutex_);
    ++nearest->alike;  // for the steps that follow, too
  }
  return nearest;
}

// How many of the step's files were others; those that are not known any more all were.
size_t Explainer::OtherFiles(const Earlier& earlier, OperationId id, const Step& step) const {
  const StepFacts* const same = earlier.alignment.StepOf(id).same;
  size_t others = 0;
  for (const StepPart& part : step.parts) {
    if (!HasComparableFiles(part)) {
      continue;
    }
    const auto before = same == nullptr ? nullptr : PartCalledAs(*same, part);
    if (before != nullptr && SamePart(*before, Recorded(part))) {
      continue;
    }
    const auto files = before == nullptr ? NotFound("no such part") : FilesOf(*before, id.stage);
    others += files.ok() ? CountDifferences(**files, *part.files) : part.files->size();
  }
  return others;
}

absl::StatusOr<std::shared_ptr<const LayerIndex>> Explainer::FilesOf(
    const internal::ExplainedPart& part, uint32_t stage) const {
  FilesOrigin origin{.layers = {}, .path = part.path(), .reset_owner = part.reset_owner()};
  for (const std::string& layer : part.layers()) {
    origin.layers.push_back(Digest::FromBytes(layer).value_or(Digest()));
  }
  return options_.files(graph_.stages(static_cast<int>(stage)).platform(),
                        Digest::FromBytes(part.value()).value_or(Digest()), origin);
}

std::string Explainer::ChangedFiles(const internal::ExplainedPart& before, uint32_t stage,
                                    const StepPart& now) const {
  const absl::StatusOr<std::shared_ptr<const LayerIndex>> files = FilesOf(before, stage);
  if (!files.ok()) {
    return "";
  }
  // What is mounted is a directory with a root, or one file.
  const bool was_directory = (*files)->Find("") != (*files)->size();
  const bool is_directory = now.files->Find("") != now.files->size();
  if (!now.origin.layers.empty() && was_directory != is_directory) {
    return fmt::format("{} was a {}, now it is a {}", now.names(""),
                       was_directory ? "directory" : "file", is_directory ? "directory" : "file");
  }
  return FirstDifference(**files, *now.files, now.names);
}

// Of what the step itself reads; empty where nothing did.
std::string Explainer::WhatChanged(const StepFacts& before, uint32_t stage,
                                   const Step& step) const {
  for (const internal::ExplainedPart& part : before.parts()) {
    if (std::none_of(step.parts.begin(), step.parts.end(),
                     [&](const StepPart& other) { return IsCalledAs(part, other); })) {
      return fmt::format("{} is gone", part.name());
    }
  }
  for (const StepPart& part : step.parts) {
    const internal::ExplainedPart* const found = PartCalledAs(before, part);
    if (found == nullptr) {
      return fmt::format("{} is new", part.name);
    }
    if (SamePart(*found, Recorded(part))) {
      continue;
    }
    const std::string files = part.files == nullptr ? "" : ChangedFiles(*found, stage, part);
    if (files.empty()) {
      return fmt::format("{} changed", part.name);
    }
    return part.name == "the files" ? files : fmt::format("{} ({})", files, part.name);
  }
  return "";
}

// What a stage begins with; empty where that is the same.
std::string Explainer::CompareBase(const Earlier& earlier, const StageFacts& now) const {
  const StageFacts& before = *earlier.alignment.StageOf(now.index());
  if (now.base_stage() != 0) {
    const uint32_t base = now.base_stage() - 1;
    const StageFacts* const base_before = earlier.alignment.StageOf(base);
    if (base_before == nullptr || base_before->index() + 1 != before.base_stage()) {
      return fmt::format("the stage begins with {} now", now.base_text());
    }
    return CompareBelow(earlier, base, std::numeric_limits<uint32_t>::max());
  }
  if (before.base_text() != now.base_text()) {
    return before.base_stage() != 0 || before.base_text().empty()
               ? fmt::format("the stage begins with {} now", now.base_text())
               : fmt::format("the base image was {}, now it is {}", before.base_text(),
                             now.base_text());
  }
  return before.base() == now.base() ? ""
                                     : fmt::format("the base image {} changed", now.base_text());
}

// The lowest difference in what the operations of a stage from `end` on stand on.
std::string Explainer::CompareBelow(const Earlier& earlier, uint32_t stage, uint32_t end) const {
  const StageFacts& now = *StageAt(now_, stage);
  const StageFacts& before = *earlier.alignment.StageOf(stage);
  if (std::string base = CompareBase(earlier, now); !base.empty()) {
    return base;
  }
  auto expected = before.steps().begin();
  for (const StepFacts& step : now.steps()) {
    const StepMatch match = earlier.alignment.StepOf({stage, step.index()});
    if (step.index() < end && match.same == nullptr) {
      return fmt::format("{} before it {}", Quoted(step.text()),
                         match.moved                ? "was moved"
                         : match.instead != nullptr ? "changed"
                                                    : "is new");
    }
    if (&*expected != match.same) {
      return fmt::format("{} is no longer before it", Quoted(expected->text()));
    }
    if (step.index() >= end) {
      return "";
    }
    if (match.same->content() != step.content()) {
      return fmt::format("{} before it made something else", Quoted(step.text()));
    }
    ++expected;
  }
  return expected == before.steps().end()
             ? ""
             : fmt::format("{} is no longer before it", Quoted(expected->text()));
}

// Of what the step stands on; empty where nothing did.
std::string Explainer::ChangedBelow(Earlier* earlier, OperationId id) {
  MutexLock lock(&mutex_);
  std::string& known = earlier->changed_below[id.stage];
  if (known.empty()) {
    known = CompareBelow(*earlier, id.stage, id.index);
  }
  return known;
}

std::string Explainer::Explain(OperationId id, const Step& step) {
  Record(id, step);
  Earlier* const earlier = Nearest(id, step);
  return earlier == nullptr ? "first time" : Compare(earlier, id, step);
}

std::string Explainer::Compare(Earlier* earlier, OperationId id, const Step& step) {
  const StageFacts* const stage = earlier->alignment.StageOf(id.stage);
  const StepMatch match = earlier->alignment.StepOf(id);
  if (match.same == nullptr && earlier->build.cut()) {
    return "miss: the earlier build was too large to be remembered whole";
  }
  if (stage == nullptr) {
    return "first time";
  }
  if (match.same == nullptr) {
    return match.moved                ? "miss: the instruction was moved"
           : match.instead != nullptr ? fmt::format("miss: the instruction changed, it was {}",
                                                    Quoted(match.instead->text()))
                                      : "first time: the instruction is new";
  }
  const StepFacts& same = *match.same;
  if (same.key().empty()) {
    return "first time";
  }
  if (same.key() == ContentKeyOf(step).Bytes()) {
    return same.content().empty() ? "miss: the earlier build did not finish it" : "evicted";
  }
  const std::string& platform = StageAt(outline_, id.stage)->platform();
  if (stage->platform() != platform) {
    return fmt::format("miss: the platform was {}, now it is {}", stage->platform(), platform);
  }
  std::string changed = same.cut() ? "" : WhatChanged(same, id.stage, step);
  if (changed.empty()) {
    changed = ChangedBelow(earlier, id);
  }
  if (changed.empty()) {
    changed = same.cut() ? "what it was made from was too large to be remembered"
                         : "what it stands on changed";
  }
  return fmt::format("miss: {}", changed);
}

}  // namespace zlayer
