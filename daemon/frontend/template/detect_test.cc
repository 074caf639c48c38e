#include "daemon/frontend/template/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/errors.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Texts = std::map<std::string, std::string>;

class FakeProject : public ProjectFiles {
 public:
  explicit FakeProject(Texts texts) : texts_(std::move(texts)) {}

  absl::StatusOr<std::vector<std::string>> Names() override {
    std::vector<std::string> names;
    for (const auto& [path, text] : texts_) {
      if (path.find('/') == std::string::npos) {
        names.push_back(path);
      }
    }
    return names;
  }
  absl::StatusOr<std::string> Read(const std::string& path) override {
    const auto found = texts_.find(path);
    if (found == texts_.end()) {
      return NotFound("no file " + path);
    }
    if (found->second == "unreadable") {
      return ResourceExhausted(path + " is too large");
    }
    return found->second;
  }

 private:
  const Texts texts_;
};

struct Case {
  Texts files;
  std::string name;    // of the template
  std::string reason;  // all of it
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name << ": " << test.reason; }

class Detects : public ::testing::TestWithParam<Case> {};

TEST_P(Detects, NameAndReason) {
  FakeProject project(GetParam().files);
  ASSERT_OK_AND_ASSIGN(const DetectedRuntime found, DetectRuntime(project));
  EXPECT_EQ(found.runtime->name, GetParam().name);
  EXPECT_EQ(found.reason, GetParam().reason);
}

constexpr char kNoNode[] = "package.json, where no version of Node is asked for: the newest";

Case Node(Texts files, const std::string& name, const std::string& reason) {
  files.emplace("package.json", "{}");
  return {std::move(files), name, reason};
}

Case Engine(const std::string& range, const std::string& name, const std::string& more = "") {
  return {{{"package.json", R"({"engines": {"node": ")" + range + "\"}}"}},
          name,
          "package.json, which asks for Node " + range + more};
}

INSTANTIATE_TEST_SUITE_P(
    Node, Detects,
    ::testing::Values(
        Node({}, "node24", kNoNode), Node({{"package.json", "unreadable"}}, "node24", kNoNode),
        Node({{"package.json", "[[["}}, "node24", kNoNode),
        Node({{"package.json", R"({"engines": "node 20"})"}}, "node24", kNoNode),
        Node({{".nvmrc", "v22.11.0\n"}}, "node22",
             "package.json, and .nvmrc asks for Node v22.11.0"),
        Node({{".nvmrc", "# why\n\n20\n"}}, "node20", "package.json, and .nvmrc asks for Node 20"),
        Node({{".nvmrc", "lts/jod"}}, "node22", "package.json, and .nvmrc asks for Node 22"),
        Node({{".nvmrc", "lts/*"}}, "node24", "package.json, and .nvmrc asks for Node *"),
        Node({{".nvmrc", "lts/argon"}, {".node-version", "22"}}, "node22",
             "package.json, and .node-version asks for Node 22"),
        Node({{".nvmrc", ""}, {".tool-versions", "python 3.13.1\nnodejs 20.9.0\n"}}, "node20",
             "package.json, and .tool-versions asks for Node 20.9.0"),
        Node({{".nvmrc", "18"}}, "node20",
             "package.json, and .nvmrc asks for Node 18, which has no template: the nearest"),
        Node({{".nvmrc", "26"}}, "node24",
             "package.json, and .nvmrc asks for Node 26, which has no template: the nearest"),
        Node({{"Cargo.toml", ""}, {"requirements.txt", ""}, {"index.html", ""}}, "node24",
             kNoNode)));

INSTANTIATE_TEST_SUITE_P(
    Engines, Detects,
    ::testing::Values(Engine(">=22", "node24"), Engine(">= 20.0.0", "node24"),
                      Engine("^22.1", "node22"), Engine("22.x", "node22"),
                      Engine("~22.1", "node22"), Engine("22", "node22"),
                      Engine(">=20 <23", "node22"), Engine("20 - 22", "node22"),
                      Engine("20 || 22", "node22"), Engine("^20.9.0 || >=22.3 <24", "node22"),
                      Engine("<22.1", "node20"), Engine("*", "node24"), Engine(">18", "node24"),
                      Engine("^18", "node20", ", which has no template: the nearest")));

constexpr char kPyproject[] = "pyproject.toml, which asks for Python ";

Case Pyproject(const std::string& range, const std::string& name) {
  return {{{"pyproject.toml",
            "[build-system]\nrequires-python = \"2\"\n[project]\n"
            "requires-python = '" +
                range + "' # why\n"}},
          name,
          kPyproject + range};
}

INSTANTIATE_TEST_SUITE_P(
    Python, Detects,
    ::testing::Values(
        Pyproject(">=3.13", "python314"), Pyproject(">=3.10,<3.14", "python313"),
        Pyproject("~=3.12", "python314"), Pyproject("~=3.12.1", "python312"),
        Pyproject("==3.13.*", "python313"), Pyproject("3.13", "python313"),
        Pyproject(">=3.9, !=3.14.*", "python313"), Pyproject(">3.12, <4", "python314"),
        Pyproject(">=3", "python314"),
        Case{{{"pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.12\"\n"}},
             "python314",
             std::string(kPyproject) + "^3.12"},
        Case{{{"pyproject.toml", "[project]\nname = \"a\"\n"}},
             "python314",
             "pyproject.toml, where no version of Python is asked for: the newest"},
        Case{{{"requirements.txt", ""}, {".python-version", "3.12.4\n"}},
             "python312",
             "requirements.txt, and .python-version asks for Python 3.12.4"},
        Case{{{"setup.py", ""}, {".python-version", "pypy3.10"}},
             "python314",
             "setup.py, where no version of Python is asked for: the newest"},
        Case{{{"Pipfile", "[requires]\npython_version = \"3.11\"\n"}},
             "python312",
             "Pipfile, which asks for Python 3.11, which has no template: the nearest"},
        Case{{{"setup.py", ""}, {"go.mod", ""}},
             "python314",
             "setup.py, where no version of Python is asked for: the newest"}));

constexpr char kProject[] = "<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup>";

INSTANTIATE_TEST_SUITE_P(
    Others, Detects,
    ::testing::Values(
        Case{{{"package.json", "{}"}, {"bun.lock", ""}}, "bun", "package.json and bun.lock"},
        Case{{{"package.json", "{}"}, {"bun.lockb", ""}}, "bun", "package.json and bun.lockb"},
        Case{{{"package.json", "{}"}, {"deno.jsonc", ""}}, "deno", "package.json and deno.jsonc"},
        Case{{{"deno.lock", ""}}, "deno", "deno.lock"},
        Case{{{"Cargo.toml", ""}, {"go.mod", ""}}, "rust", "Cargo.toml"},
        Case{{{"go.mod", "module a\n\ngo 1.24.1 // why\n"}},
             "go",
             "go.mod, which asks for Go 1.24.1"},
        Case{{{"go.mod", "module a\n"}}, "go", "go.mod"},
        Case{{{"pom.xml", ""}, {"index.html", ""}}, "java-maven", "pom.xml"},
        Case{{{"build.gradle.kts", ""}}, "java-gradle", "build.gradle.kts"},
        Case{{{"settings.gradle", ""}}, "java-gradle", "settings.gradle"},
        Case{{{"App.csproj", std::string(kProject) + "<TargetFramework>net10.0</TargetFramework>"}},
             "dotnet",
             "App.csproj"},
        Case{{{"App.csproj", std::string(kProject) +
                                 "<TargetFrameworks>net8.0-windows;net10.0</TargetFrameworks>"}},
             "dotnet",
             "App.csproj"},
        Case{{{"App.csproj", std::string(kProject) + "<TargetFramework>net48</TargetFramework>"}},
             "windows-servercore",
             "App.csproj, which needs Windows"},
        Case{{{"App.csproj",
               std::string(kProject) + "<TargetFramework>net8.0-windows10.0</TargetFramework>"}},
             "windows-servercore",
             "App.csproj, which needs Windows"},
        Case{{{"Old.CSPROJ", "<TargetFrameworkVersion>v4.8</TargetFrameworkVersion>"}},
             "windows-servercore",
             "Old.CSPROJ, which needs Windows"},
        Case{{{"App.sln", "Project(\"{8BC9}\") = \"App\", \"App\\App.csproj\""}},
             "dotnet",
             "App.sln"},
        Case{{{"App.sln", "Project(\"{8BC9}\") = \"App\", \"App\\App.vcxproj\""}},
             "windows-servercore",
             "App.sln, which needs Windows"},
        Case{{{"App.vcxproj", ""}, {"package.json", ""}}, "windows-servercore", "App.vcxproj"},
        Case{{{"project.json", ""}}, "windows-servercore", "project.json"},
        Case{{{"Setup.EXE", ""}, {"index.html", ""}}, "windows-nanoserver", "Setup.EXE"},
        Case{{{"index.html", ""}}, "static", "index.html"}));

TEST(DetectRuntime, WebAssemblyIsKnownButNotBuilt) {
  const Texts projects[] = {
      {{"cargo-component.toml", ""}, {"Cargo.toml", ""}},
      {{"Cargo.toml", "[package]\n[package.metadata.component.target]\n"}},
      {{"componentize-py.config", ""}, {"pyproject.toml", ""}},
      {{"package.json", R"({"devDependencies": {"@bytecodealliance/jco": "1"}})"}},
      {{"Cargo.toml", ""}, {".cargo/config.toml", "[build]\ntarget = \"wasm32-wasip2\"\n"}},
  };
  for (const Texts& files : projects) {
    FakeProject project(files);
    EXPECT_THAT(DetectRuntime(project).status(),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("runtime wasm")))
        << files.begin()->first;
  }
}

TEST(DetectRuntime, NamesThatAreNotUtf8) {
  for (const char* name : {"\xea.vcxproj", "\xea.csproj", "\xea.exe"}) {
    FakeProject project(Texts{{name, ""}});
    ASSERT_OK_AND_ASSIGN(const DetectedRuntime found, DetectRuntime(project));
    EXPECT_TRUE(IsUtf8(found.reason)) << name;
  }
}

TEST(DetectRuntime, SaysWhatItLookedFor) {
  FakeProject project({{"main.c", ""}, {"src/package.json", "{}"}});
  const absl::Status status = DetectRuntime(project).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("*.csproj"), HasSubstr("package.json"),
                                     HasSubstr("name a template"))));
  EXPECT_EQ(DetailOf(status).reason(), "NO_RUNTIME_FITS");
}

}  // namespace
}  // namespace zlayer
