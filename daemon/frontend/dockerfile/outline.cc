#include "daemon/frontend/dockerfile/outline.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

// What a comment above says of `name`: "# NAME text".
std::string DescriptionOf(const Instruction& instruction, const std::string& name) {
  for (const std::string& comment : instruction.comments) {
    if (!name.empty() && comment.starts_with(name + " ")) {
      return ToUtf8(std::string_view(comment).substr(name.size() + 1));
    }
  }
  return "";
}

v1::BuildOutline::Argument ToArgument(const Instruction& instruction, const std::string& name,
                                      const std::optional<std::string>& value) {
  v1::BuildOutline::Argument argument;
  argument.set_name(ToUtf8(name));
  argument.set_description(DescriptionOf(instruction, name));
  if (value) {
    argument.set_value(ToUtf8(*value));
  }
  *argument.mutable_source() = instruction.source;
  return argument;
}

std::string_view KeyOf(const v1::BuildOutline::Secret& secret) { return secret.id(); }
std::string_view KeyOf(const v1::BuildOutline::Cache& cache) { return cache.id(); }

// Appends what is not there yet.
template <typename Item>
void Append(const std::vector<Item>& items, google::protobuf::RepeatedPtrField<Item>* to) {
  for (const Item& item : items) {
    const bool there = std::any_of(to->begin(), to->end(),
                                   [&](const Item& other) { return KeyOf(other) == KeyOf(item); });
    if (!there) {
      *to->Add() = item;
    }
  }
}

template <typename Item>
void SortByLine(google::protobuf::RepeatedPtrField<Item>* items) {
  std::stable_sort(items->begin(), items->end(), [](const Item& a, const Item& b) {
    return a.source().first_line() < b.source().first_line();
  });
}

}  // namespace

std::set<std::string> OutlineBuilder::NamesIn(std::string_view word) const {
  std::set<std::string> names;
  WordOptions options;
  options.escape = escape_;
  const auto lookup = [&names](std::string_view name) -> std::optional<std::string> {
    names.emplace(name);
    return std::nullopt;
  };
  // A malformed word is an error elsewhere.
  ExpandWord(word, lookup, options).status().IgnoreError();
  return names;
}

void OutlineBuilder::AddGlobals(const std::vector<Instruction>& global_args, char escape,
                                const Variables& arguments) {
  escape_ = escape;
  for (const Instruction& instruction : global_args) {
    for (const auto& argument : std::get<ArgInstruction>(instruction.body).arguments) {
      Global& global = globals_[argument.name];
      global.argument = ToArgument(instruction, argument.name, arguments.Get(argument.name));
      global.uses = NamesIn(argument.value.value_or(""));
    }
  }
}

void OutlineBuilder::Begin(size_t stage, const Instruction& from) {
  stage_ = &stages_[stage];
  const auto& body = std::get<FromInstruction>(from.body);
  stage_->uses = NamesIn(body.base);
  stage_->uses.merge(NamesIn(body.platform));
}

void OutlineBuilder::Add(const Instruction& instruction, const StageState& state) {
  const auto* run = std::get_if<RunInstruction>(&instruction.body);
  if (run == nullptr) {
    return;
  }
  WordOptions options;
  options.escape = escape_;
  const auto lookup = [&state](std::string_view name) { return state.variables.Get(name); };
  const auto expand = [&](std::string_view word) -> absl::StatusOr<std::string> {
    auto expanded = ExpandWord(word, lookup, options);
    return expanded.ok() ? absl::StatusOr<std::string>(std::move(expanded->text))
                         : expanded.status();
  };
  for (const RunMountText& text : run->mounts) {
    if (const auto mount = ParseRunMount(text, expand); mount.ok()) {
      AddMount(*mount, instruction);
    }
  }
}

void OutlineBuilder::AddMount(const RunMount& mount, const Instruction& instruction) {
  if (mount.type == v1::Mount::CACHE) {
    v1::BuildOutline::Cache& cache = stage_->caches.emplace_back();
    cache.set_id(ToUtf8(mount.id.empty() ? mount.target : mount.id));
    *cache.mutable_source() = instruction.source;
  } else if (mount.type == v1::Mount::SECRET || mount.type == v1::Mount::SSH) {
    const bool is_secret = mount.type == v1::Mount::SECRET;
    auto& secret = (is_secret ? stage_->secrets : stage_->ssh).emplace_back();
    const std::string fallback = !is_secret ? "default"
                                 : !mount.source.empty()
                                     ? mount.source
                                     : mount.target.substr(mount.target.find_last_of('/') + 1);
    secret.set_id(ToUtf8(mount.id.empty() ? fallback : mount.id));
    secret.set_required(mount.required);
    *secret.mutable_source() = instruction.source;
  }
}

void OutlineBuilder::AddArgument(const Instruction& instruction, const std::string& name,
                                 const std::optional<std::string>& value, bool inherited) {
  stage_->uses.insert(name);
  if (!inherited) {
    stage_->arguments.push_back(ToArgument(instruction, name, value));
  }
}

void OutlineBuilder::Use(const std::string& name, std::map<std::string, Argument>* used) const {
  const auto global = globals_.find(name);
  if (global == globals_.end() || !used->emplace(name, global->second.argument).second) {
    return;
  }
  for (const std::string& inner : global->second.uses) {
    Use(inner, used);
  }
}

v1::BuildOutline OutlineBuilder::Build(const DockerfileStage& target,
                                       const std::vector<bool>& needed) const {
  v1::BuildOutline outline;
  outline.set_name(target.base().name);
  outline.set_description(DescriptionOf(target.from, target.base().name));
  std::map<std::string, Argument> arguments;
  // The target last: of an argument that several stages declare, its declaration is the one.
  for (const auto& [index, stage] : stages_) {
    if (index >= needed.size() || !needed[index]) {
      continue;
    }
    for (const Argument& argument : stage.arguments) {
      arguments[argument.name()] = argument;
    }
    Append(stage.secrets, outline.mutable_secrets());
    Append(stage.ssh, outline.mutable_ssh());
    Append(stage.caches, outline.mutable_caches());
  }
  for (const auto& [index, stage] : stages_) {
    if (index < needed.size() && needed[index]) {
      for (const std::string& name : stage.uses) {
        Use(name, &arguments);
      }
    }
  }
  for (auto& entry : arguments) {
    *outline.add_arguments() = std::move(entry.second);
  }
  SortByLine(outline.mutable_arguments());
  SortByLine(outline.mutable_secrets());
  SortByLine(outline.mutable_ssh());
  SortByLine(outline.mutable_caches());
  return outline;
}

std::vector<v1::BuildTarget> TargetsOf(const DockerfileInstructions& file) {
  std::vector<v1::BuildTarget> targets;
  for (const DockerfileStage& stage : file.stages) {
    v1::BuildTarget& target = targets.emplace_back();
    target.set_name(stage.base().name);
    target.set_description(DescriptionOf(stage.from, stage.base().name));
    target.set_base(ToUtf8(stage.base().base));
    target.set_platform(ToUtf8(stage.base().platform));
    target.set_is_default(targets.size() == file.stages.size());
    *target.mutable_source() = stage.from.source;
  }
  return targets;
}

}  // namespace zlayer
