#include "daemon/frontend/template/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

struct TemplateText {
  std::string_view name;
  std::string_view dockerfile;
  std::string_view dockerignore;
};

constexpr TemplateText kTexts[] = {
#include "daemon/frontend/template/template_texts.inc"
};

// Without their texts. A name without a version means the newest.
std::vector<RuntimeTemplate> Table() {
  return {
      {"bun", {"bunjs"}, "A program for Bun, index.ts", {"bun.lock", "bun.lockb"}, {}, {}},
      {"deno", {"denojs"}, "A program for Deno, main.ts", {"deno.json", "deno.jsonc"}, {}, {}},
      {"dotnet",
       {"csharp", "aspnet", ".net"},
       "A .NET program or ASP.NET service for Linux, published for its runtime",
       {"*.csproj", "*.fsproj", "*.sln", "*.slnx"},
       {},
       {}},
      {"go", {"golang"}, "A Go program, as one static binary on Alpine", {"go.mod"}, {}, {}},
      {"java-gradle",
       {"gradle"},
       "A Java program in an executable jar, built with Gradle",
       {"build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"},
       {},
       {}},
      {"java-maven",
       {"maven", "java"},
       "A Java program in an executable jar, built with Maven",
       {"pom.xml"},
       {},
       {}},
      {"node20",
       {"node-20", "nodejs20"},
       "A Node.js 20 program, by the lock file of npm, Yarn or pnpm",
       {"package.json"},
       {},
       {}},
      {"node22",
       {"node-22", "nodejs22"},
       "A Node.js 22 program, by the lock file of npm, Yarn or pnpm",
       {"package.json"},
       {},
       {}},
      {"node24",
       {"node-24", "nodejs24", "node", "nodejs"},
       "A Node.js 24 program, by the lock file of npm, Yarn or pnpm",
       {"package.json"},
       {},
       {}},
      {"python312",
       {"python-312", "python3.12"},
       "A Python 3.12 program, main.py, by its lock file or list of requirements",
       {"pyproject.toml", "requirements.txt", "setup.py", "Pipfile"},
       {},
       {}},
      {"python313",
       {"python-313", "python3.13"},
       "A Python 3.13 program, main.py, by its lock file or list of requirements",
       {"pyproject.toml", "requirements.txt", "setup.py", "Pipfile"},
       {},
       {}},
      {"python314",
       {"python-314", "python3.14", "python", "python3"},
       "A Python 3.14 program, main.py, by its lock file or list of requirements",
       {"pyproject.toml", "requirements.txt", "setup.py", "Pipfile"},
       {},
       {}},
      {"rust", {"rs"}, "A Rust program, as one static binary on Alpine", {"Cargo.toml"}, {}, {}},
      {"static", {"html", "nginx"}, "Files that nginx serves on port 8080", {"index.html"}, {}, {}},
      {"wasm",
       {"webassembly", "wasm-module", "wasm-preview1", "wasm-preview2", "wasm-component",
        "wasi-component"},
       "A WebAssembly module or component",
       {"cargo-component.toml", "componentize-py.config"},
       {},
       {}},
      {"windows-nanoserver",
       {"nanoserver", "windows_nanoserver"},
       "A Windows program, app.exe, on Nano Server",
       {"*.exe"},
       {},
       {},
       "windows"},
      {"windows-servercore",
       {"windows-server-core", "servercore", "windows_servercore"},
       "A Windows program, app.exe, on Server Core, with the .NET Framework's libraries",
       {"*.vcxproj", "project.json"},
       {},
       {},
       "windows"},
  };
}

std::vector<RuntimeTemplate> WithTexts() {
  std::vector<RuntimeTemplate> templates = Table();
  for (RuntimeTemplate& runtime : templates) {
    for (const TemplateText& text : kTexts) {
      if (text.name == runtime.name) {
        runtime.dockerfile = text.dockerfile;
        runtime.dockerignore = text.dockerignore;
      }
    }
  }
  return templates;
}

absl::Status WithReason(absl::Status status, std::string_view reason, std::string_view name) {
  v1::ErrorDetail detail;
  detail.set_reason(std::string(reason));
  detail.set_subject(ToUtf8(name));
  return WithDetail(std::move(status), detail);
}

absl::Status UnknownRuntime(std::string_view name) {
  std::vector<std::string> names = {std::string(kDetectRuntime)};
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    names.emplace_back(runtime.name);
  }
  const std::string known = Join(names, ", ");
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    names.insert(names.end(), runtime.aliases.begin(), runtime.aliases.end());
  }
  return WithReason(
      InvalidArgument(fmt::format("there is no runtime template \"{}\"{}; there are {}",
                                  ToUtf8(CutUtf8(name, 100)), Suggestion(name, names), known)),
      "UNKNOWN_RUNTIME", name);
}

}  // namespace

std::span<const RuntimeTemplate> AllTemplates() {
  static const auto* const templates = new std::vector<RuntimeTemplate>(WithTexts());
  return *templates;
}

const RuntimeTemplate* FindTemplate(std::string_view name) {
  const std::string wanted = ToLower(name);
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    if (runtime.name == wanted || std::find(runtime.aliases.begin(), runtime.aliases.end(),
                                            wanted) != runtime.aliases.end()) {
      return &runtime;
    }
  }
  return nullptr;
}

absl::StatusOr<const RuntimeTemplate*> TemplateToBuild(std::string_view name) {
  const RuntimeTemplate* runtime = FindTemplate(name);
  if (runtime == nullptr) {
    return UnknownRuntime(name);
  }
  if (runtime->dockerfile.empty()) {
    return WithReason(
        Unimplemented(fmt::format("runtime {} is not supported by this version; name another "
                                  "template, or write a Dockerfile",
                                  runtime->name)),
        "UNSUPPORTED_RUNTIME", runtime->name);
  }
  return runtime;
}

std::string DockerfileOf(const RuntimeTemplate& runtime, std::string_view windows_ltsc) {
  constexpr std::string_view kLine = "ARG WINDOWS_VERSION=ltsc2022\n";
  std::string text(runtime.dockerfile);
  if (const size_t line = text.find(kLine); !windows_ltsc.empty() && line != std::string::npos) {
    text.replace(line, kLine.size(), fmt::format("ARG WINDOWS_VERSION={}\n", windows_ltsc));
  }
  return text;
}

std::string BuildFileName(const RuntimeTemplate& runtime) {
  return fmt::format("runtime:{}", runtime.name);
}

}  // namespace zlayer
