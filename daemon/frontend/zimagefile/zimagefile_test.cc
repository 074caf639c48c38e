#include "daemon/frontend/zimagefile/zimagefile.h"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "base/status_macros.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/dockerfile/words.h"
#include "daemon/frontend/zimagefile/keys.h"
#include "daemon/frontend/zimagefile/render.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kTestdata[] = "daemon/frontend/zimagefile/testdata";
constexpr char kSchema[] = "deploy/zimagefile.schema.json";

bool UpdatesGolden() { return std::getenv("ZLAYER_UPDATE_GOLDEN") != nullptr; }

void Write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(std::filesystem::canonical(file.parent_path() / "ZImagefile").parent_path() /
                file.filename())
      << text;
}

std::string Lines(const v1::SourceRange& source) {
  return source.first_line() == source.last_line()
             ? fmt::format("{}", source.first_line())
             : fmt::format("{}-{}", source.first_line(), source.last_line());
}

std::string Dump(const std::vector<Instruction>& instructions) {
  std::string text;
  for (const Instruction& instruction : instructions) {
    text += fmt::format("{}: {}\n", Lines(instruction.source), RenderInstruction(instruction.body));
  }
  return text;
}

std::string Dump(std::string_view what, const std::vector<NameValue>& pairs) {
  std::string text;
  for (const NameValue& pair : pairs) {
    text += fmt::format("{} {}={}\n", what, pair.name, pair.value);
  }
  return text;
}

std::string Dump(std::string_view what, const std::vector<CommandLine>& commands) {
  std::string text;
  for (const CommandLine& command : commands) {
    text += fmt::format("{} {} {}\n", what, command.shell ? "shell" : "exec",
                        nlohmann::json(command.words).dump());
  }
  return text;
}

std::string Dump(const WasmSection& wasm) {
  std::string text = fmt::format(
      "wasm {}: target {}, optimize {}, opt_level {}, language \"{}\", wit \"{}\", world \"{}\", "
      "output \"{}\", adapter \"{}\", oci {}\n",
      Lines(wasm.source), wasm.target, wasm.optimize, wasm.opt_level, wasm.language, wasm.wit,
      wasm.world, wasm.output, wasm.adapter, wasm.oci);
  for (const std::string& feature : wasm.features) {
    text += "feature " + feature + "\n";
  }
  return text + Dump("build_arg", wasm.build_args) + Dump("pre_build", wasm.pre_build) +
         Dump("post_build", wasm.post_build) + Dump("label", wasm.labels);
}

std::string Dump(const ZImagefile& file) {
  std::string text;
  text += file.platform.empty() ? "" : "platform " + file.platform + "\n";
  text += file.os.empty() ? "" : "os " + file.os + "\n";
  text += Dump("annotation", file.annotations);
  for (const auto& [base, build] : file.builds) {
    text += fmt::format("nested \"{}\" {}: directory \"{}\", file \"{}\"\n", base,
                        Lines(build.source), build.directory, build.file);
    text += Dump("  arg", build.args);
  }
  if (file.runtime) {
    text += fmt::format("runtime {}: {}\n{}{}", Lines(file.runtime->source), file.runtime->name,
                        Dump(file.runtime->args), Dump(file.runtime->instructions));
  }
  if (file.wasm) {
    text += Dump(*file.wasm);
  }
  if (file.image) {
    text += Dump(file.image->global_args);
    for (const DockerfileStage& stage : file.image->stages) {
      text += Dump({stage.from}) + Dump(stage.instructions);
    }
  }
  return text;
}

// Folders with a ZImagefile and what it becomes. `bazel run` of this test with
// ZLAYER_UPDATE_GOLDEN=1 writes that anew.
TEST(ZImagefileTest, Golden) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kTestdata)) {
    if (entry.path().filename() == "errors") {
      continue;
    }
    SCOPED_TRACE(entry.path());
    ++count;
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(entry.path() / "ZImagefile"));
    const absl::StatusOr<ZImagefile> file = ParseZImagefile(text, "ZImagefile");
    EXPECT_OK(file);
    const std::string actual = file.ok() ? Dump(*file) : "";
    if (UpdatesGolden()) {
      Write(entry.path() / "expected.txt", actual);
      continue;
    }
    ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(entry.path() / "expected.txt"));
    EXPECT_EQ(actual, expected);
  }
  EXPECT_GT(count, 20);
}

// Files whose first line is a comment with the error.
TEST(ZImagefileTest, Errors) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(kTestdata) / "errors")) {
    SCOPED_TRACE(entry.path());
    ++count;
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(entry.path()));
    const absl::Status status = ParseZImagefile(text, "ZImagefile").status();
    EXPECT_FALSE(status.ok());
    const v1::ErrorDetail detail = DetailOf(status);
    const std::string actual =
        fmt::format("# {} {}", detail.reason(), std::string(status.message()));
    if (UpdatesGolden()) {
      std::ofstream(std::filesystem::canonical(entry.path()))
          << actual << text.substr(text.find('\n'));
      continue;
    }
    EXPECT_EQ(actual, text.substr(0, text.find('\n')));
    EXPECT_EQ(detail.source().file(), "ZImagefile");
    EXPECT_THAT(actual, HasSubstr(fmt::format(" ZImagefile:{}:", detail.source().first_line())));
    EXPECT_THAT(actual, HasSubstr(detail.subject()));
  }
  EXPECT_GT(count, 100);
}

TEST(ZImagefileTest, ErrorsSayWhetherTheFileReads) {
  const struct {
    const char* text;
    const char* reason;
    const char* subject;
  } kRows[] = {
      {"base: [\n", "ZIMAGEFILE_PARSE", ""},
      {"base: [a]\n", "ZIMAGEFILE_PARSE", "base"},
      {"base: a\nsteps:\n  - run: {}\n", "ZIMAGEFILE_PARSE", "steps[0].run"},
      {"base: a\nsteps:\n  - rum: x\n", "ZIMAGEFILE_VALIDATION", "steps[0].rum"},
      {"base: a\nbuild: b\n", "ZIMAGEFILE_VALIDATION", "build"},
  };
  for (const auto& row : kRows) {
    const absl::Status status = ParseZImagefile(row.text, "ZImagefile").status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << row.text;
    EXPECT_EQ(DetailOf(status).reason(), row.reason) << row.text;
    EXPECT_EQ(DetailOf(status).subject(), row.subject) << row.text;
    EXPECT_GT(DetailOf(status).source().first_line(), 0u) << row.text;
  }
}

// What the schema, with its references resolved, says that the map `name` may have.
std::set<std::string> SchemaKeys(const nlohmann::json& schema) {
  std::set<std::string> keys;
  for (const auto& [key, value] : schema.at("properties").items()) {
    keys.insert(key);
    EXPECT_TRUE(value.contains("description") || value.contains("$ref")) << key;
  }
  return keys;
}

TEST(ZImagefileTest, SchemaHasAllKeysAndNoOther) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(kSchema));
  const nlohmann::json schema = nlohmann::json::parse(text);
  std::set<std::string> maps;
  for (const auto& [map, names] : ZImagefileKeys()) {
    SCOPED_TRACE(map);
    const nlohmann::json& part = map == "file" ? schema : schema.at("$defs").at(map);
    EXPECT_EQ(SchemaKeys(part), std::set<std::string>(names.begin(), names.end()));
    EXPECT_EQ(part.at("additionalProperties"), false);
    maps.insert(map);
  }
  for (const auto& [map, part] : schema.at("$defs").items()) {
    EXPECT_TRUE(maps.contains(map) || !part.contains("properties")) << map;
  }
}

ZImagefile Parsed(const std::string& text) {
  absl::StatusOr<ZImagefile> file = ParseZImagefile(text, "ZImagefile");
  EXPECT_OK(file);
  return file.ok() ? *std::move(file) : ZImagefile();
}

std::vector<std::string> Texts(const std::vector<Instruction>& instructions) {
  std::vector<std::string> texts;
  for (const Instruction& instruction : instructions) {
    texts.push_back(instruction.text);
  }
  return texts;
}

TEST(ZImagefileTest, InstructionsAreTold) {
  const ZImagefile file = Parsed(
      "base: alpine\nsteps:\n  - copy: [a, 'b c']\n    to: /dst/\n  - run: |\n      set -e\n"
      "      make\n  - run: " +
      std::string(5000, 'x') + "\nenv: {A: \"1\\n2\"}\n");
  const std::vector<Instruction>& instructions = file.image->stages[0].instructions;
  EXPECT_THAT(
      Texts(instructions),
      ElementsAre("ENV A=\"1 2\"", "COPY [\"a\",\"b c\",\"/dst/\"]", "RUN <<EOF (set -e...)",
                  AllOf(StartsWith("RUN xxx"), ::testing::SizeIs(1024))));
  EXPECT_EQ(instructions[1].keyword, "COPY");
  EXPECT_EQ(instructions[1].keyword_text, "COPY");
  EXPECT_EQ(instructions[1].source.file(), "ZImagefile");
  EXPECT_EQ(instructions[1].source.first_line(), 3u);
  EXPECT_EQ(instructions[1].source.last_line(), 4u);
}

TEST(ZImagefileTest, MountsAreThoseOfDockerfiles) {
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(std::filesystem::path(kTestdata) / "mounts" / "ZImagefile"));
  const WordExpander expand = [](std::string_view word) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(ExpandedWord expanded,
                     ExpandWord(word, [](std::string_view) { return std::string("/root"); }));
    return std::move(expanded.text);
  };
  const ZImagefile file = Parsed(text);
  std::vector<RunMount> mounts;
  for (const Instruction& instruction : file.image->stages[0].instructions) {
    for (const RunMountText& mount : std::get<RunInstruction>(instruction.body).mounts) {
      ASSERT_OK_AND_ASSIGN(mounts.emplace_back(), ParseRunMount(mount, expand));
      EXPECT_EQ(mounts.back().from, mount.from);
    }
  }
  ASSERT_EQ(mounts.size(), 13u);
  EXPECT_EQ(mounts[1].sharing, v1::Mount::LOCKED);
  EXPECT_EQ(mounts[1].mode, 0755u);
  EXPECT_EQ(mounts[2].target, "/root/cache");
  EXPECT_TRUE(mounts[2].read_only);
  EXPECT_EQ(mounts[7].environment, "NPM_TOKEN");
  EXPECT_EQ(mounts[10].target, "/a,b");
  EXPECT_EQ(mounts[10].source, "with \"quotes\"");
  EXPECT_FALSE(mounts[10].read_only);
  EXPECT_EQ(mounts[12].size_bytes, uint64_t{64} << 20);
}

// A file without scripts, odd names and variables of one RUN reads as a Dockerfile, and means the
// same there.
TEST(ZImagefileTest, RendersAsADockerfile) {
  for (const char* name : {"base", "stages", "values", "healthcheck_shell"}) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         ReadFile(std::filesystem::path(kTestdata) / name / "ZImagefile"));
    const ZImagefile file = Parsed(text);
    std::vector<Instruction> all = file.image->global_args;
    for (const DockerfileStage& stage : file.image->stages) {
      all.push_back(stage.from);
      all.insert(all.end(), stage.instructions.begin(), stage.instructions.end());
    }
    for (const Instruction& instruction : all) {
      const std::string rendered = RenderInstruction(instruction.body);
      if (rendered.find('\n') != std::string::npos) {
        continue;
      }
      const absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(rendered, "Dockerfile");
      ASSERT_OK(lexed) << rendered;
      const absl::StatusOr<Instruction> again = ParseInstruction(lexed->nodes[0], "Dockerfile");
      ASSERT_OK(again) << rendered;
      if (instruction.keyword != "ENV" && instruction.keyword != "LABEL") {  // keep their quotes
        EXPECT_EQ(RenderInstruction(again->body), rendered);
      }
    }
  }
}

DockerfileInstructions Template() {
  const absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(
      "ARG MODE=production\nARG OTHER=1 VERSION=2\nFROM a AS build\nRUN make\n"
      "FROM b\nARG MODE\nENV MODE=$MODE\nHEALTHCHECK CMD x\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\n",
      "template");
  EXPECT_OK(lexed);
  absl::StatusOr<DockerfileInstructions> file = ParseInstructions(*lexed, "template");
  EXPECT_OK(file);
  return *std::move(file);
}

TEST(ApplyToTemplateTest, AddsToTheLastStage) {
  DockerfileInstructions file = Template();
  ApplyToTemplate(*Parsed("runtime: x\nargs: {MODE: debug, VERSION: '', NEW: n}\n"
                          "env: {A: '1'}\nsteps: [{run: x}]\nlabels: {l: '1'}")
                       .runtime,
                  &file);
  std::vector<std::string> globals;
  for (const Instruction& arg : file.global_args) {
    globals.push_back(RenderInstruction(arg.body));
  }
  EXPECT_THAT(globals, ElementsAre("ARG MODE=debug", "ARG OTHER=1 VERSION", "ARG NEW=n"));
  EXPECT_THAT(Texts(file.stages[0].instructions), ElementsAre("RUN make"));
  EXPECT_THAT(
      Texts(file.stages[1].instructions),
      ElementsAre("ARG VERSION", "ARG NEW", "ARG MODE", "ENV MODE=$MODE", "HEALTHCHECK CMD x",
                  "ENTRYPOINT [\"e\"]", "CMD [\"c\"]", "ENV A=1", "RUN x", "LABEL l=1"));
}

TEST(ApplyToTemplateTest, ReplacesWhatThereIsOneOf) {
  DockerfileInstructions file = Template();
  ApplyToTemplate(*Parsed("runtime: x\ncmd: [new]\nhealthcheck: {disable: true}").runtime, &file);
  EXPECT_THAT(Texts(file.stages[1].instructions),
              ElementsAre("ARG MODE", "ENV MODE=$MODE", "ENTRYPOINT [\"e\"]", "HEALTHCHECK NONE",
                          "CMD [\"new\"]"));
  file = Template();
  ApplyToTemplate(*Parsed("runtime: x\nentrypoint: [new]").runtime, &file);
  EXPECT_THAT(
      Texts(file.stages[1].instructions),
      ElementsAre("ARG MODE", "ENV MODE=$MODE", "HEALTHCHECK CMD x", "ENTRYPOINT [\"new\"]"));
}

TEST(ZImagefileTest, BoundsWhatAFileComesTo) {
  std::string args = "args:\n";
  for (int i = 0; i < 500; ++i) {
    args += fmt::format("  a{}: x\n", i);
  }
  std::string stages = "stages:\n";
  for (int i = 0; i < 100; ++i) {
    stages += fmt::format("  s{}: {{base: x}}\n", i);
  }
  EXPECT_OK(ParseZImagefile(stages, "f"));
  EXPECT_THAT(ParseZImagefile(args + stages, "f"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("f:1:1: "), HasSubstr("10000 instructions"))));
  for (int i = 100; i < 1001; ++i) {
    stages += fmt::format("  s{}: {{base: x}}\n", i);
  }
  EXPECT_THAT(ParseZImagefile(stages, "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1000 stages")));
  std::string steps = "base: x\nsteps:\n";
  for (int i = 0; i < 10'001; ++i) {
    steps += "- run: x\n";
  }
  EXPECT_THAT(ParseZImagefile(steps, "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10000 instructions")));
}

TEST(ZImagefileTest, TheManualsExampleIsOne) {
  ASSERT_OK_AND_ASSIGN(const std::string manual, ReadFile("daemon/frontend/zimagefile/README.md"));
  const size_t begin = manual.find("```yaml\n") + 8;
  const ZImagefile file = Parsed(manual.substr(begin, manual.find("```", begin) - begin));
  ASSERT_TRUE(file.image.has_value());
  EXPECT_EQ(file.image->stages.size(), 2u);
}

TEST(ZImagefileTest, NestedBuildsAreNoImages) {
  EXPECT_EQ(NestedBuildBase(""), "build:");
  EXPECT_EQ(NestedBuildBase("deps"), "build: deps");
  const ZImagefile file = Parsed("stages: {Deps: {build: x}}");
  EXPECT_EQ(file.image->stages[0].base().base, "build: deps");
  EXPECT_EQ(file.image->stages[0].base().name, "deps");
  EXPECT_TRUE(file.builds.contains("build: deps"));
}

}  // namespace
}  // namespace zlayer
