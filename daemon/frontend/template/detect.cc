#include "daemon/frontend/template/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/template/project_text.h"
#include "daemon/frontend/template/version_range.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

// A project's files, with what rules ask of them.
class Project {
 public:
  Project(ProjectFiles& files, const std::vector<std::string>& names)
      : files_(files), names_(names.begin(), names.end()) {}

  bool Has(const std::string& name) const { return names_.contains(name); }

  // The first of these that is there; empty where none is.
  std::string FirstOf(std::initializer_list<std::string_view> names) const {
    for (std::string_view name : names) {
      if (Has(std::string(name))) {
        return std::string(name);
      }
    }
    return "";
  }

  // The first name, in order, that ends so, in any case; empty where none does.
  std::string WithEnding(std::string_view ending) const {
    for (const std::string& name : names_) {
      if (name.size() > ending.size() && ToLower(name).ends_with(ending)) {
        return name;
      }
    }
    return "";
  }

  // Empty where there is none, or it cannot be read.
  std::string Text(const std::string& name) const {
    if (!Has(name)) {
      return "";
    }
    return Below(name);
  }

  // The same for a file that need not be in the root.
  std::string Below(const std::string& path) const {
    absl::StatusOr<std::string> text = files_.Read(path);
    return text.ok() ? *std::move(text) : "";
  }

 private:
  ProjectFiles& files_;
  const std::set<std::string> names_;
};

struct Found {
  std::string_view name;
  std::string reason;
};

// What a project says about the version that it needs.
struct Wish {
  std::string file;
  std::string version;
};

struct ReleaseLine {
  VersionNumbers line;
  std::string_view name;
};

const std::vector<ReleaseLine>& NodeLines() {
  static const auto* const lines =
      new std::vector<ReleaseLine>{{{20}, "node20"}, {{22}, "node22"}, {{24}, "node24"}};
  return *lines;
}

const std::vector<ReleaseLine>& PythonLines() {
  static const auto* const lines = new std::vector<ReleaseLine>{
      {{3, 12}, "python312"}, {{3, 13}, "python313"}, {{3, 14}, "python314"}};
  return *lines;
}

// What version managers call the lines of Node.js.
std::string NodeVersionOf(const std::string& text) {
  const std::string name = ToLower(text);
  return name == "lts/iron"      ? "20"
         : name == "lts/jod"     ? "22"
         : name == "lts/krypton" ? "24"
         : name == "node" || name == "stable" || name == "latest" || name == "lts/*" ||
                 name == "lts" || name == "current"
             ? "*"
             : text;
}

// `lines` in ascending order, `kind` as in "Node".
Found Choose(const std::vector<ReleaseLine>& lines, std::string_view kind,
             const std::string& evidence, const std::optional<Wish>& wish) {
  const std::optional<VersionRange> range =
      wish.has_value() ? VersionRange::Parse(wish->version) : std::nullopt;
  if (!range.has_value()) {
    return {lines.back().name,
            fmt::format("{}, where no version of {} is asked for: the newest", evidence, kind)};
  }
  const std::string where = wish->file == evidence ? "which" : "and " + wish->file;
  const std::string reason =
      fmt::format("{}, {} asks for {} {}", evidence, where, kind, wish->version);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (range->Contains(line->line)) {
      return {line->name, reason};
    }
  }
  const auto nearest = std::find_if(lines.begin(), lines.end(), [&](const ReleaseLine& each) {
    return each.line >= range->First();
  });
  return {(nearest == lines.end() ? lines.back() : *nearest).name,
          reason + ", which has no template: the nearest"};
}

std::optional<Wish> NodeWish(const Project& project) {
  for (const std::string name : {".nvmrc", ".node-version"}) {
    const std::string version = NodeVersionOf(FirstWord(project.Text(name)));
    if (VersionRange::Parse(version).has_value()) {
      return Wish{name, version};
    }
  }
  for (const std::string_view tool : {"nodejs", "node"}) {
    const std::string version = NodeVersionOf(ToolVersion(project.Text(".tool-versions"), tool));
    if (VersionRange::Parse(version).has_value()) {
      return Wish{".tool-versions", version};
    }
  }
  const std::string engine = PackageJson(project.Text("package.json")).node_engine;
  return engine.empty() ? std::nullopt : std::make_optional(Wish{"package.json", engine});
}

std::optional<Wish> PythonWish(const Project& project) {
  const std::string pyproject = project.Text("pyproject.toml");
  const Wish wishes[] = {
      {".python-version", FirstWord(project.Text(".python-version"))},
      {".tool-versions", ToolVersion(project.Text(".tool-versions"), "python")},
      {"pyproject.toml", TomlString(pyproject, "project", "requires-python")},
      {"pyproject.toml", TomlString(pyproject, "tool.poetry.dependencies", "python")},
      {"Pipfile", TomlString(project.Text("Pipfile"), "requires", "python_version")},
  };
  for (const Wish& wish : wishes) {
    if (VersionRange::Parse(wish.version).has_value()) {
      return wish;
    }
  }
  return std::nullopt;
}

std::optional<Found> FindWasm(const Project& project) {
  for (const std::string name : {"cargo-component.toml", "componentize-py.config"}) {
    if (project.Has(name)) {
      return Found{"wasm", name};
    }
  }
  if (HasTomlTable(project.Text("Cargo.toml"), "package.metadata.component")) {
    return Found{"wasm", "Cargo.toml, which describes a component"};
  }
  if (PackageJson(project.Text("package.json")).has_jco) {
    return Found{"wasm", "package.json, which depends on jco"};
  }
  const std::string cargo = project.Has("Cargo.toml") ? project.Below(".cargo/config.toml") : "";
  if (cargo.find("wasm32-wasip1") != std::string::npos ||
      cargo.find("wasm32-wasip2") != std::string::npos) {
    return Found{"wasm", ".cargo/config.toml, which is for WASI"};
  }
  return std::nullopt;
}

// ".NET Framework" and what is for Windows alone.
bool IsWindowsFramework(std::string_view framework) {
  framework = Trim(framework);
  return framework.starts_with("net2") || framework.starts_with("net3") ||
         framework.starts_with("net4") || framework.find("-windows") != std::string_view::npos;
}

// Whether a project file of .NET, or a solution, can be built for Windows only.
bool NeedsWindows(const std::string& text) {
  if (!XmlText(text, "targetframeworkversion").empty() ||
      ToLower(text).find(".vcxproj\"") != std::string::npos) {
    return true;
  }
  const std::string frameworks =
      ToLower(XmlText(text, "targetframework") + XmlText(text, "targetframeworks"));
  const std::vector<std::string_view> each = Split(frameworks, ';');
  return std::all_of(each.begin(), each.end(), IsWindowsFramework);
}

std::optional<Found> FindDotnet(const Project& project) {
  for (const std::string& name :
       {project.FirstOf({"project.json"}), project.WithEnding(".vcxproj")}) {
    if (!name.empty()) {
      return Found{"windows-servercore", name};
    }
  }
  for (const std::string_view ending : {".csproj", ".fsproj", ".sln", ".slnx"}) {
    const std::string name = project.WithEnding(ending);
    if (!name.empty()) {
      return NeedsWindows(project.Text(name))
                 ? Found{"windows-servercore", name + ", which needs Windows"}
                 : Found{"dotnet", name};
    }
  }
  return std::nullopt;
}

std::optional<Found> FindNode(const Project& project) {
  if (!project.Has("package.json")) {
    return std::nullopt;
  }
  if (const std::string lock = project.FirstOf({"bun.lock", "bun.lockb"}); !lock.empty()) {
    return Found{"bun", "package.json and " + lock};
  }
  if (const std::string config = project.FirstOf({"deno.json", "deno.jsonc"}); !config.empty()) {
    return Found{"deno", "package.json and " + config};
  }
  return Choose(NodeLines(), "Node", "package.json", NodeWish(project));
}

std::optional<Found> FindDeno(const Project& project) {
  const std::string name = project.FirstOf({"deno.json", "deno.jsonc", "deno.lock"});
  return name.empty() ? std::nullopt : std::make_optional(Found{"deno", name});
}

std::optional<Found> FindRust(const Project& project) {
  return project.Has("Cargo.toml") ? std::make_optional(Found{"rust", "Cargo.toml"}) : std::nullopt;
}

std::optional<Found> FindPython(const Project& project) {
  const std::string name = project.FirstOf(
      {"pyproject.toml", "requirements.txt", "setup.py", "Pipfile", "poetry.lock", "uv.lock"});
  return name.empty()
             ? std::nullopt
             : std::make_optional(Choose(PythonLines(), "Python", name, PythonWish(project)));
}

std::optional<Found> FindGo(const Project& project) {
  if (!project.Has("go.mod")) {
    return std::nullopt;
  }
  const std::string version = ValueOfLine(project.Text("go.mod"), "go");
  return Found{"go",
               version.empty() ? "go.mod" : fmt::format("go.mod, which asks for Go {}", version)};
}

std::optional<Found> FindJava(const Project& project) {
  if (project.Has("pom.xml")) {
    return Found{"java-maven", "pom.xml"};
  }
  const std::string name = project.FirstOf(
      {"build.gradle.kts", "build.gradle", "settings.gradle.kts", "settings.gradle"});
  return name.empty() ? std::nullopt : std::make_optional(Found{"java-gradle", name});
}

std::optional<Found> FindProgram(const Project& project) {
  const std::string name = project.WithEnding(".exe");
  return name.empty() ? std::nullopt : std::make_optional(Found{"windows-nanoserver", name});
}

std::optional<Found> FindPages(const Project& project) {
  return project.Has("index.html") ? std::make_optional(Found{"static", "index.html"})
                                   : std::nullopt;
}

using Rule = std::optional<Found> (*)(const Project&);

// What is more special comes first.
constexpr Rule kRules[] = {FindWasm,   FindDotnet, FindNode, FindDeno,    FindRust,
                           FindPython, FindGo,     FindJava, FindProgram, FindPages};

absl::Status NothingFits() {
  std::set<std::string> patterns;
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    patterns.insert(runtime.detect_files.begin(), runtime.detect_files.end());
  }
  v1::ErrorDetail detail;
  detail.set_reason("NO_RUNTIME_FITS");
  return WithDetail(
      FailedPrecondition(fmt::format(
          "no runtime template fits: the build context's root has none of {}; name a template, or "
          "write a Dockerfile",
          Join({patterns.begin(), patterns.end()}, ", "))),
      detail);
}

}  // namespace

absl::StatusOr<DetectedRuntime> DetectRuntime(ProjectFiles& files) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.Names());
  const Project project(files, names);
  for (const Rule rule : kRules) {
    if (std::optional<Found> found = rule(project)) {
      found->reason = ToUtf8(found->reason);  // names and contents of files are bytes
      absl::StatusOr<const RuntimeTemplate*> runtime = TemplateToBuild(found->name);
      if (!runtime.ok()) {
        return Annotate(runtime.status(), "this project is told by " + found->reason);
      }
      return DetectedRuntime{*runtime, found->reason};
    }
  }
  return NothingFits();
}

}  // namespace zlayer
