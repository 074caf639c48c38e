#include "backends/graph/validate.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "backends/graph/exclude_patterns.h"
#include "backends/graph/file_mode.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

constexpr int kMaxStages = 1'000;
constexpr int kMaxOperations = 10'000;
constexpr int kMaxSources = 10'000;
constexpr int kMaxExcludes = 10'000;
constexpr int kMaxMounts = 100;
constexpr size_t kMaxPath = 4'096;
constexpr size_t kMaxName = 256;
constexpr size_t kMaxHostname = 64;
constexpr size_t kMaxArguments = size_t{2} << 20;

bool IsBase(const v1::Operation& operation) {
  return operation.has_image() || operation.has_scratch() || operation.has_stage();
}

absl::Status CheckText(std::string_view what, std::string_view text, size_t limit) {
  if (text.size() > limit) {
    return InvalidArgument(fmt::format("{} is longer than {} bytes", what, limit));
  }
  if (text.find('\0') != std::string_view::npos) {
    return InvalidArgument(fmt::format("{} contains a NUL byte", what));
  }
  return absl::OkStatus();
}

absl::Status CheckAbsolute(std::string_view what, std::string_view path) {
  RETURN_IF_ERROR(CheckText(what, path, kMaxPath));
  if (!path.starts_with('/')) {
    return InvalidArgument(fmt::format("{} \"{}\" is not an absolute path", what, path));
  }
  return absl::OkStatus();
}

absl::Status CheckEarlierStage(uint32_t used, int stage) {
  if (used >= static_cast<uint32_t>(stage)) {
    return InvalidArgument(
        fmt::format("it uses stage {}, but only stages before it can be used", used));
  }
  return absl::OkStatus();
}

absl::Status CheckDirectory(const v1::Input& input) {
  const std::string& directory = input.directory();
  if (directory.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckText("the directory of a source", directory, kMaxPath));
  if (!input.has_context()) {
    return InvalidArgument("only what is from a context is limited to a directory of it");
  }
  return CleanPath(directory) == directory
             ? absl::OkStatus()
             : InvalidArgument(fmt::format("the directory \"{}\" of a source is not a clean path "
                                           "within its context",
                                           ToUtf8(directory)));
}

absl::Status CheckInput(const v1::Input& input, int stage) {
  RETURN_IF_ERROR(CheckDirectory(input));
  switch (input.kind_case()) {
    case v1::Input::kStage:
      return CheckEarlierStage(input.stage(), stage);
    case v1::Input::kImage:
      if (input.image().reference().empty()) {
        return InvalidArgument("its image has no reference");
      }
      return absl::OkStatus();
    case v1::Input::KIND_NOT_SET:
      return InvalidArgument("a source does not say where it is from");
    default:
      return absl::OkStatus();
  }
}

bool IsFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

absl::Status CheckMount(const v1::Mount& mount, int stage) {
  // A secret may be a variable and nothing else.
  if (mount.type() != v1::Mount::SECRET || mount.environment().empty()) {
    RETURN_IF_ERROR(CheckAbsolute("a mount's target", mount.target()));
    if (mount.target().find_first_not_of('/') == std::string::npos) {
      return InvalidArgument("nothing can be mounted on \"/\"");
    }
  }
  RETURN_IF_ERROR(CheckText("a mount's source", mount.source(), kMaxPath));
  RETURN_IF_ERROR(CheckText("a mount's id", mount.id(), kMaxName));
  if (mount.type() == v1::Mount::CACHE && mount.id().empty()) {
    return InvalidArgument("a cache mount has no id");
  }
  if (mount.mode() > 07777) {
    return InvalidArgument("a mount's mode is larger than 07777");
  }
  if (mount.has_from()) {
    if (mount.type() != v1::Mount::BIND && mount.type() != v1::Mount::CACHE) {
      return InvalidArgument("only bind and cache mounts are from somewhere");
    }
    const bool inline_file = mount.from().kind_case() == v1::Input::kInline;
    if (inline_file && (mount.type() != v1::Mount::BIND || !IsFileName(mount.source()))) {
      return InvalidArgument(
          "only a bind mount can be from an inline file, whose name is its source");
    }
    return CheckInput(mount.from(), stage);
  }
  return mount.type() == v1::Mount::BIND
             ? InvalidArgument("a bind mount does not say where it is from")
             : absl::OkStatus();
}

absl::Status CheckHostname(std::string_view name) {
  if (name.size() > kMaxHostname ||
      name.find_first_of(std::string_view(" \t\r\n\0", 5)) != std::string_view::npos) {
    return InvalidArgument(
        fmt::format("\"{}\" is not a host name of at most {} bytes", ToUtf8(name), kMaxHostname));
  }
  return absl::OkStatus();
}

absl::Status CheckVariable(const std::string& variable) {
  RETURN_IF_ERROR(CheckText("a variable of the environment", variable, kMaxArguments));
  if (const size_t equals = variable.find('='); equals == std::string::npos || equals == 0) {
    return InvalidArgument(
        fmt::format("its environment has \"{}\", which is not KEY=value", variable));
  }
  return absl::OkStatus();
}

absl::Status CheckRun(const v1::Run& run, int stage) {
  if (run.argv().empty() || run.argv(0).empty()) {
    return InvalidArgument("it has no command");
  }
  size_t bytes = 0;
  for (const std::string& argument : run.argv()) {
    RETURN_IF_ERROR(CheckText("an argument", argument, kMaxArguments));
    bytes += argument.size();
  }
  for (const auto* variables : {&run.env(), &run.proxy_env()}) {
    for (const std::string& variable : *variables) {
      RETURN_IF_ERROR(CheckVariable(variable));
      bytes += variable.size();
    }
  }
  if (bytes > kMaxArguments) {
    return InvalidArgument("its arguments and environment are larger than 2 MiB");
  }
  RETURN_IF_ERROR(CheckText("its user", run.user(), kMaxPath));
  RETURN_IF_ERROR(CheckAbsolute("its working directory", run.working_directory()));
  if (run.mounts_size() > kMaxMounts) {
    return InvalidArgument(fmt::format("it has more than {} mounts", kMaxMounts));
  }
  for (const v1::Mount& mount : run.mounts()) {
    RETURN_IF_ERROR(CheckMount(mount, stage));
  }
  return CheckHostname(run.hostname());
}

absl::Status CheckCopy(const v1::Copy& copy, int stage) {
  if (copy.sources().empty() || copy.sources_size() > kMaxSources) {
    return InvalidArgument(
        fmt::format("it has {} sources (1 to {} can be)", copy.sources_size(), kMaxSources));
  }
  for (const v1::Copy::Source& source : copy.sources()) {
    RETURN_IF_ERROR(CheckInput(source.from(), stage));
    RETURN_IF_ERROR(CheckText("a source", source.path(), kMaxPath));
  }
  if (copy.exclude_size() > kMaxExcludes) {
    return InvalidArgument(fmt::format("it has more than {} exclude patterns", kMaxExcludes));
  }
  for (const std::string& pattern : copy.exclude()) {
    RETURN_IF_ERROR(CheckText("an exclude pattern", pattern, kMaxPath));
  }
  RETURN_IF_ERROR(ExcludePatterns::Parse(copy.exclude()).status());
  RETURN_IF_ERROR(CheckAbsolute("its destination", copy.destination()));
  RETURN_IF_ERROR(CheckText("its owner", copy.owner(), kMaxPath));
  if (!copy.mode().empty() && !ChangeMode(copy.mode(), 0, false).has_value()) {
    return InvalidArgument(fmt::format(
        "\"{}\" is not a mode; it is octal (0755) or symbolic (u=rwX,go=rX)", copy.mode()));
  }
  return absl::OkStatus();
}

absl::Status CheckConfig(const v1::ConfigChange& change) {
  if (change.has_set_env() &&
      (change.set_env().key().empty() || change.set_env().key().find('=') != std::string::npos)) {
    return InvalidArgument(
        fmt::format("\"{}\" is not the name of a variable", change.set_env().key()));
  }
  if (change.change_case() == v1::ConfigChange::CHANGE_NOT_SET) {
    return InvalidArgument("a change of the configuration is empty");
  }
  return absl::OkStatus();
}

absl::Status CheckOperation(const v1::Operation& operation, int stage, bool first) {
  if (IsBase(operation) != first) {
    return InvalidArgument(first ? "a stage starts with image, scratch or stage"
                                 : "only a stage's first operation is image, scratch or stage");
  }
  for (const v1::ConfigChange& change : operation.config()) {
    RETURN_IF_ERROR(CheckConfig(change));
  }
  switch (operation.kind_case()) {
    case v1::Operation::kImage:
      return operation.image().reference().empty() ? InvalidArgument("its image has no reference")
                                                   : absl::OkStatus();
    case v1::Operation::kStage:
      return CheckEarlierStage(operation.stage().stage(), stage);
    case v1::Operation::kRun:
      return CheckRun(operation.run(), stage);
    case v1::Operation::kCopy:
      return CheckCopy(operation.copy(), stage);
    case v1::Operation::kMakeDirectory:
      if (operation.make_directory().mode() > 07777) {
        return InvalidArgument("its mode is larger than 07777");
      }
      return CheckAbsolute("its directory", operation.make_directory().path());
    case v1::Operation::kScratch:
    case v1::Operation::KIND_NOT_SET:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateGraph(const v1::Graph& graph) {
  if (graph.stages().empty() || graph.stages_size() > kMaxStages) {
    return InvalidArgument(
        fmt::format("the graph has {} stages (1 to {} can be)", graph.stages_size(), kMaxStages));
  }
  if (graph.targets_size() != 1 || graph.targets(0) >= static_cast<uint32_t>(graph.stages_size())) {
    return InvalidArgument("the graph must have exactly one target, one of its stages");
  }
  if (static_cast<uint64_t>(graph.source_date_epoch()) > kMaxSourceDateEpoch) {
    return InvalidArgument(fmt::format("the graph's source_date_epoch is {}, and 0 to {} can be",
                                       graph.source_date_epoch(), kMaxSourceDateEpoch));
  }
  for (int i = 0; i < graph.stages_size(); ++i) {
    const v1::Stage& stage = graph.stages(i);
    if (stage.operations().empty() || stage.operations_size() > kMaxOperations) {
      return InvalidArgument(fmt::format("stage {} ({}) has {} operations (1 to {} can be)", i,
                                         stage.name(), stage.operations_size(), kMaxOperations));
    }
    for (int j = 0; j < stage.operations_size(); ++j) {
      RETURN_IF_ERROR(Annotate(CheckOperation(stage.operations(j), i, j == 0),
                               fmt::format("stage {} ({}), operation {} ({})", i, stage.name(), j,
                                           stage.operations(j).text())));
    }
  }
  return absl::OkStatus();
}

std::vector<bool> NeededStages(const v1::Graph& graph) {
  std::vector<bool> needed(graph.stages_size(), false);
  for (uint32_t target : graph.targets()) {
    needed[target] = true;
  }
  const auto need = [&](const v1::Input& input) {
    if (input.has_stage()) {
      needed[input.stage()] = true;
    }
  };
  // A stage uses only earlier ones, so one pass from the last to the first reaches all.
  for (int i = graph.stages_size() - 1; i >= 0; --i) {
    if (!needed[i]) {
      continue;
    }
    for (const v1::Operation& operation : graph.stages(i).operations()) {
      if (operation.has_stage()) {
        needed[operation.stage().stage()] = true;
      }
      for (const v1::Copy::Source& source : operation.copy().sources()) {
        need(source.from());
      }
      for (const v1::Mount& mount : operation.run().mounts()) {
        need(mount.from());
      }
    }
  }
  return needed;
}

}  // namespace zlayer
