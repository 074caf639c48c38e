#include "daemon/frontend/zimagefile/stage_section.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"
#include "daemon/frontend/zimagefile/step.h"

namespace zlayer {
namespace {

absl::Status ReadStageBase(const Field& value, StageSection* stage) {
  ASSIGN_OR_RETURN(stage->base, ReadBase(value));
  stage->base_source = value.source();
  return absl::OkStatus();
}

absl::Status ReadStageBuild(const Field& value, StageSection* stage) {
  ASSIGN_OR_RETURN(stage->build, ReadBuild(value));
  stage->base_source = value.source();
  return absl::OkStatus();
}

// Variables may stand in it, so that only a plain one can be checked here.
absl::Status ReadStagePlatform(const Field& value, StageSection* stage) {
  ASSIGN_OR_RETURN(std::string platform, ReadNonEmptyWord(value));
  if (platform.find('$') == std::string::npos) {
    RETURN_IF_ERROR(value.Located(ParsePlatform(platform, {}).status()));
  }
  stage->platform.platform = std::move(platform);
  return absl::OkStatus();
}

absl::Status ReadStageOs(const Field& value, StageSection* stage) {
  return ReadOs(value, &stage->platform.os);
}

// Sets `file`, `directory` and `args` of the long form.
const KeyTable<NestedBuild>& LongBuildKeys() {
  static const auto* keys = new KeyTable<NestedBuild>{
      {"workdir", Into<&NestedBuild::directory, ReadLiteral, NestedBuild>},
      {"context", Into<&NestedBuild::directory, ReadLiteral, NestedBuild>},
      {"file", Into<&NestedBuild::file, ReadLiteral, NestedBuild>},
      {"args", Into<&NestedBuild::args, ReadLiteralPairs, NestedBuild>},
  };
  return *keys;
}

const KeyTable<StageSection>& Keys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<StageSection>{{"base", ReadStageBase},
                                             {"build", ReadStageBuild},
                                             {"platform", ReadStagePlatform},
                                             {"os", ReadStageOs}};
    for (const Key<StageContent>& key : StageContentKeys()) {
      table->push_back({key.name, key.read});
    }
    return table;
  }();
  return *keys;
}

// A stage begins with an earlier one, or with an image.
absl::Status CheckBaseIsEarlier(const Field& stage, const std::vector<std::string>& names,
                                size_t index) {
  const std::optional<Field> base = stage.Find("base");
  if (!base) {
    return absl::OkStatus();
  }
  const std::string& text = base->node().text;
  const auto found =
      std::find(names.begin() + static_cast<std::ptrdiff_t>(index), names.end(), ToLower(text));
  if (found == names.end()) {
    return absl::OkStatus();
  }
  const bool itself = found == names.begin() + static_cast<std::ptrdiff_t>(index);
  return base->Error(
      fmt::format("{0} is {1}, and a stage begins with an earlier one; an image of "
                  "that name is written with its tag ({2}:latest)",
                  GoQuote(text), itself ? "the stage itself" : "a later stage", text));
}

}  // namespace

std::string PlatformKeys::Combined() const {
  if (os.empty() || platform.empty()) {
    return os.empty() ? platform : os;
  }
  if (const size_t slash = platform.find('/'); slash != std::string::npos) {
    return os + platform.substr(slash);
  }
  // It is an architecture, or a system, which counts no more.
  const absl::StatusOr<v1::Platform> parsed = ParsePlatform(platform, {});
  return parsed.ok() && parsed->architecture().empty() ? os : os + "/" + platform;
}

absl::StatusOr<std::string> ReadBase(const Field& value) {
  ASSIGN_OR_RETURN(std::string base, ReadNonEmptyWord(value));
  if (base.find_first_of(" \t\r\n") != std::string::npos || base == NestedBuildBase("")) {
    return value.Error(
        fmt::format("{} is not the name of an image or a stage", GoQuote(CutUtf8(base, 80))));
  }
  return base;
}

absl::StatusOr<NestedBuild> ReadBuild(const Field& value) {
  NestedBuild build;
  build.source = value.source();
  if (value.IsScalar()) {
    ASSIGN_OR_RETURN(build.directory, ReadLiteral(value));
    if (build.directory.empty()) {
      return value.Error("is empty; the build context itself is \".\"");
    }
    return build;
  }
  if (!value.IsMap()) {
    return value.TypeError("a directory, or a map with \"workdir\", \"file\" and \"args\"");
  }
  if (const std::optional<Field> context = value.Find("context");
      context && value.Find("workdir")) {
    return context->ErrorAtKey("\"context\" is another name of \"workdir\"; give one of them");
  }
  RETURN_IF_ERROR(ReadMap(value, LongBuildKeys(), &build));
  return build;
}

absl::Status ReadOs(const Field& value, std::string* os) {
  ASSIGN_OR_RETURN(*os, ReadLiteralChoice(value, {"linux", "windows", "darwin"}));
  return absl::OkStatus();
}

absl::StatusOr<StageSection> ReadStage(const Field& value, const std::vector<std::string>& names,
                                       size_t index) {
  if (!value.IsMap()) {
    return value.TypeError("a stage: a map with \"base\" or \"build\"");
  }
  StageSection stage;
  RETURN_IF_ERROR(ReadMap(value, Keys(), &stage));
  if (stage.base.empty() && !stage.build) {
    return value.ErrorAtKey("a stage needs \"base\" or \"build\", what it begins with");
  }
  if (!stage.base.empty() && stage.build) {
    return value.ErrorAtKey("a stage has \"base\" or \"build\", not both");
  }
  RETURN_IF_ERROR(CheckBaseIsEarlier(value, names, index));
  if (!stage.platform.os.empty() && stage.platform.platform.find('$') != std::string::npos) {
    return value.Find("os")->ErrorAtKey(
        "\"platform\" has a variable here, so the system must be a part of it; leave \"os\" out");
  }
  return stage;
}

Instruction MakeFrom(const StageSection& stage, std::string_view name) {
  FromInstruction from;
  from.name = name;
  from.base = stage.build ? "build:" + stage.build->directory : stage.base;
  from.platform = stage.platform.Combined();
  Instruction instruction = MakeInstruction("FROM", from, stage.base_source);
  if (stage.build) {
    std::get<FromInstruction>(instruction.body).base = NestedBuildBase(name);
  }
  return instruction;
}

std::vector<std::string> StageKeys() { return KeyNames(Keys()); }
std::vector<std::string> BuildKeys() { return KeyNames(LongBuildKeys()); }

}  // namespace zlayer
