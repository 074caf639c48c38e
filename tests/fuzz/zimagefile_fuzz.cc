// The input is a ZImagefile, read as it is and with variables given: what parses has instructions
// that can be told and expanded, and are the same each time.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/words.h"
#include "daemon/frontend/zimagefile/expand_variables.h"
#include "daemon/frontend/zimagefile/render.h"
#include "daemon/frontend/zimagefile/zimagefile.h"
#include "tests/fuzz/check.h"

namespace {

void CheckWord(const std::string& word) {
  const auto lookup = [](std::string_view) { return std::string("x"); };
  FUZZ_CHECK(zlayer::ExpandWord(word, lookup).ok());
}

void CheckMounts(const zlayer::RunInstruction& run) {
  for (const zlayer::RunMountText& mount : run.mounts) {
    const auto keep = [](std::string_view) { return std::string("1"); };
    const absl::StatusOr<zlayer::RunMountText> split = zlayer::SplitRunMount(mount.text);
    FUZZ_CHECK(split.ok() && split->from == mount.from);
    // Values are checked where variables have theirs; the keys must be known.
    const absl::Status status = zlayer::ParseRunMount(mount, keep).status();
    FUZZ_CHECK(status.message().find("has no key") == std::string::npos);
  }
}

void CheckInstruction(const zlayer::Instruction& instruction) {
  FUZZ_CHECK(instruction.source.first_line() > 0);
  FUZZ_CHECK(instruction.source.last_line() >= instruction.source.first_line());
  FUZZ_CHECK(!instruction.text.empty() && instruction.text.size() <= 1024);
  FUZZ_CHECK(zlayer::IsUtf8(instruction.text));
  FUZZ_CHECK(std::none_of(instruction.text.begin(), instruction.text.end(),
                          [](char c) { return static_cast<unsigned char>(c) < ' '; }));
  FUZZ_CHECK(instruction.text.starts_with(instruction.keyword));
  if (const auto* env = std::get_if<zlayer::EnvInstruction>(&instruction.body)) {
    for (const zlayer::NameValue& variable : env->variables) {
      CheckWord(variable.value);
    }
  } else if (const auto* copy = std::get_if<zlayer::CopyInstruction>(&instruction.body)) {
    FUZZ_CHECK(!copy->sources.empty() && !copy->destination.empty());
    std::for_each(copy->sources.begin(), copy->sources.end(), CheckWord);
    CheckWord(copy->destination);
  } else if (const auto* run = std::get_if<zlayer::RunInstruction>(&instruction.body)) {
    FUZZ_CHECK(!run->command.words.empty());
    CheckMounts(*run);
  }
}

std::string Render(const std::vector<zlayer::Instruction>& instructions) {
  std::string text;
  for (const zlayer::Instruction& instruction : instructions) {
    CheckInstruction(instruction);
    text += zlayer::RenderInstruction(instruction.body) + "\n";
  }
  return text;
}

std::string Render(const zlayer::DockerfileInstructions& file) {
  std::string text = Render(file.global_args);
  for (const zlayer::DockerfileStage& stage : file.stages) {
    text += Render({stage.from}) + Render(stage.instructions);
  }
  return text;
}

std::string Render(const zlayer::ZImagefile& file) {
  FUZZ_CHECK(file.image.has_value() + file.runtime.has_value() + file.wasm.has_value() == 1);
  if (file.image) {
    FUZZ_CHECK(!file.image->stages.empty());
    for (const zlayer::DockerfileStage& stage : file.image->stages) {
      const std::string& base = stage.base().base;
      FUZZ_CHECK(!base.empty());
      FUZZ_CHECK(file.builds.contains(base) ==
                 (base == zlayer::NestedBuildBase(stage.base().name)));
    }
    return Render(*file.image);
  }
  if (file.runtime) {
    zlayer::DockerfileInstructions image;
    image.stages.emplace_back();
    zlayer::ApplyToTemplate(*file.runtime, &image);
    return Render(image.global_args) + Render(image.stages[0].instructions);
  }
  return file.wasm->target;
}

void Parse(const std::string& text) {
  const absl::StatusOr<zlayer::ZImagefile> file = zlayer::ParseZImagefile(text, "ZImagefile");
  if (!file.ok()) {
    FUZZ_CHECK(file.status().message().find("ZImagefile:") == 0);
    return;
  }
  const absl::StatusOr<zlayer::ZImagefile> again = zlayer::ParseZImagefile(text, "ZImagefile");
  FUZZ_CHECK(again.ok() && Render(*again) == Render(*file));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto unchanged = zlayer::ExpandVariables(text, {}, "ZImagefile");
  FUZZ_CHECK(unchanged.ok() && *unchanged == text);
  Parse(text);
  const auto expanded =
      zlayer::ExpandVariables(text, {{"A", "a"}, {"B", ""}, {"C", "${A}"}}, "ZImagefile");
  FUZZ_CHECK(expanded.ok());
  if (*expanded != text) {
    Parse(*expanded);
  }
  return 0;
}
