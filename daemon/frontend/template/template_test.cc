#include "daemon/frontend/template/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/strings.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Templates, AreSortedAndNamedOnce) {
  std::set<std::string_view> names = {kDetectRuntime};
  std::string_view last;
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    EXPECT_LT(last, runtime.name);
    last = runtime.name;
    EXPECT_TRUE(names.insert(runtime.name).second) << runtime.name;
    for (std::string_view alias : runtime.aliases) {
      EXPECT_TRUE(names.insert(alias).second) << alias;
      EXPECT_EQ(alias, ToLower(alias));
    }
    EXPECT_FALSE(runtime.description.empty());
    EXPECT_FALSE(runtime.description.ends_with('.'));
    EXPECT_FALSE(runtime.detect_files.empty());
  }
}

TEST(Templates, AreFoundByEachName) {
  struct {
    std::string_view name;
    std::string_view found;
  } const cases[] = {
      {"node22", "node22"},
      {"NODE22", "node22"},
      {"node-20", "node20"},
      {"nodejs20", "node20"},
      {"node", "node24"},
      {"python", "python314"},
      {"Python3.12", "python312"},
      {"python-313", "python313"},
      {"rs", "rust"},
      {"golang", "go"},
      {"java", "java-maven"},
      {"gradle", "java-gradle"},
      {"nanoserver", "windows-nanoserver"},
      {"windows_servercore", "windows-servercore"},
      {"wasi-component", "wasm"},
  };
  for (const auto& test : cases) {
    const RuntimeTemplate* found = FindTemplate(test.name);
    ASSERT_NE(found, nullptr) << test.name;
    EXPECT_EQ(found->name, test.found);
  }
  EXPECT_EQ(FindTemplate(""), nullptr);
  EXPECT_EQ(FindTemplate("auto"), nullptr);
  EXPECT_EQ(FindTemplate("cobol"), nullptr);
}

TEST(Templates, HaveTheirTexts) {
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    if (runtime.name == "wasm") {
      EXPECT_TRUE(runtime.dockerfile.empty());
      continue;
    }
    EXPECT_TRUE(runtime.dockerfile.starts_with('#')) << runtime.name;
    EXPECT_THAT(std::string(runtime.dockerfile), HasSubstr("\nUSER ")) << runtime.name;
    EXPECT_THAT(std::string(runtime.dockerfile), HasSubstr("\nCMD [\"")) << runtime.name;
    EXPECT_TRUE(runtime.dockerfile.ends_with("]\n")) << runtime.name;
    EXPECT_THAT(std::string(runtime.dockerignore), AllOf(HasSubstr("/.env\n"), HasSubstr(".git\n")))
        << runtime.name;
  }
  EXPECT_THAT(std::string(FindTemplate("node20")->dockerfile),
              HasSubstr("\nARG NODE_VERSION=20\n"));
  EXPECT_THAT(std::string(FindTemplate("python313")->dockerfile),
              HasSubstr("\nARG PYTHON_VERSION=3.13\n"));
}

TEST(Templates, UnknownNamesAreAnsweredWithTheKnown) {
  const absl::Status status = TemplateToBuild("pyton").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("\"pyton\"; did you mean python?"),
                                     HasSubstr("auto, bun, deno"), HasSubstr("static"))));
  EXPECT_EQ(DetailOf(status).reason(), "UNKNOWN_RUNTIME");
  EXPECT_EQ(DetailOf(status).subject(), "pyton");
  EXPECT_THAT(TemplateToBuild("\xff").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("\xff"))));
}

TEST(Templates, WebAssemblyIsNotBuiltYet) {
  const absl::Status status = TemplateToBuild("webassembly").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("runtime wasm ")));
  EXPECT_EQ(DetailOf(status).reason(), "UNSUPPORTED_RUNTIME");
  EXPECT_EQ(DetailOf(status).subject(), "wasm");
}

TEST(Templates, ThoseForWindowsAreOnTheLineThatIsAskedFor) {
  size_t count = 0;
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    if (runtime.os == "windows") {
      ++count;
      EXPECT_EQ(DockerfileOf(runtime, ""), runtime.dockerfile);
      EXPECT_THAT(DockerfileOf(runtime, "ltsc2025"), HasSubstr("ARG WINDOWS_VERSION=ltsc2025\n"));
    } else {
      EXPECT_EQ(DockerfileOf(runtime, "ltsc2025"), runtime.dockerfile);
    }
  }
  EXPECT_EQ(count, 2u);
}

TEST(Templates, BuildFilesAreNamed) {
  EXPECT_EQ(BuildFileName(*FindTemplate("node")), "runtime:node24");
}

}  // namespace
}  // namespace zlayer
