#include "client/cli/build_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/directory_project.h"
#include "client/cli/session.h"
#include "client/lib/stoppable_reader.h"
#include "daemon/frontend/build_file_choice.h"
#include "daemon/frontend/template/detect.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/expand_variables.h"
#include "daemon/frontend/zimagefile/file_name.h"
#include "daemon/frontend/zimagefile/zimagefile.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;

// Sets the file's ignore rules from the first file that exists.
absl::Status ReadIgnoreFile(const std::string& path, const BuildFlags& flags, BuildFile* file) {
  std::vector<std::string> candidates;
  if (path != "-") {
    candidates.push_back(path + ".dockerignore");
  }
  if (IsDirectoryContext(flags)) {
    candidates.push_back(flags.context + "/.dockerignore");
  }
  for (const std::string& candidate : candidates) {
    auto text = ReadFile(candidate, kMaxFile);
    if (text.ok()) {
      file->ignore_name =
          candidate == path + ".dockerignore" ? file->name + ".dockerignore" : ".dockerignore";
      file->ignore_text = *std::move(text);
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  return absl::OkStatus();
}

// That of the template which a ZImagefile names, for contexts that have none. What is wrong in the
// file the daemon says.
void UseTemplatesIgnoreFile(const BuildFlags& flags, BuildFile* file) {
  const absl::StatusOr<std::map<std::string, std::string>> variables = VariablesOf(flags);
  if (!variables.ok()) {
    return;
  }
  const absl::StatusOr<std::string> text = ExpandVariables(file->content, *variables, file->name);
  const absl::StatusOr<ZImagefile> parsed =
      text.ok() ? ParseZImagefile(*text, file->name) : text.status();
  if (!parsed.ok() || !parsed->runtime.has_value()) {
    return;
  }
  if (const RuntimeTemplate* runtime = FindTemplate(parsed->runtime->name); runtime != nullptr) {
    file->ignore_name = BuildFileName(*runtime) + ".dockerignore";
    file->ignore_text = std::string(runtime->dockerignore);
  }
}

absl::Status MissingFile(const BuildFlags& flags, const std::string& path) {
  if (!NamedFile(flags).empty()) {
    return NotFound(fmt::format("there is no build file {}", ToUtf8(path)));
  }
  return NotFound(
      access(flags.context.c_str(), F_OK) != 0
          ? fmt::format("the build context \"{}\" does not exist", ToUtf8(flags.context))
          : fmt::format("no Dockerfile at {}, and no ZImagefile; name a build file with -f or -z",
                        ToUtf8(path)));
}

absl::Status CheckRuntimeFlags(const BuildFlags& flags) {
  if (!NamedFile(flags).empty()) {
    return UsageError("--runtime and -f or -z both say what the build file is: give one of them");
  }
  if (flags.runtime_auto && !flags.runtime.empty() && flags.runtime != kDetectRuntime) {
    return UsageError("--runtime-auto and --runtime NAME exclude each other");
  }
  if (!DetectsRuntime(flags) && FindTemplate(flags.runtime) == nullptr) {
    return UsageError(Message(TemplateToBuild(flags.runtime).status()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<BuildFile>> ReadTemplate(const BuildFlags& flags) {
  RETURN_IF_ERROR(CheckRuntimeFlags(flags));
  BuildFile file;
  const RuntimeTemplate* runtime = nullptr;
  if (!DetectsRuntime(flags)) {
    ASSIGN_OR_RETURN(runtime, TemplateToBuild(flags.runtime));
  } else if (IsDirectoryContext(flags)) {
    ASSIGN_OR_RETURN(DetectedRuntime found, DetectRuntimeOf(flags.context));
    runtime = found.runtime;
    file.reason = std::move(found.reason);
  } else {
    return std::nullopt;
  }
  file.name = BuildFileName(*runtime);
  file.content = std::string(runtime->dockerfile);
  file.runtime = std::string(runtime->name);
  RETURN_IF_ERROR(ReadIgnoreFile("-", flags, &file));
  if (file.ignore_name.empty() && IsDirectoryContext(flags)) {
    file.ignore_name = file.name + ".dockerignore";
    file.ignore_text = std::string(runtime->dockerignore);
  }
  return file;
}

}  // namespace

absl::StatusOr<std::string> FindBuildFile(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator(directory, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    std::error_code unknown;
    if (!at->is_directory(unknown)) {
      names.push_back(at->path().filename());
    }
  }
  return ChooseBuildFile(std::move(names), "choose one with -z");
}

absl::StatusOr<std::optional<BuildFile>> ReadBuildFile(const BuildFlags& flags,
                                                       std::stop_token stop) {
  if (HasRuntime(flags)) {
    return ReadTemplate(flags);
  }
  const std::string& given = NamedFile(flags);
  bool context_is_tar = flags.context == "-";
  if (!flags.file.empty() && !flags.zimagefile.empty()) {
    return UsageError("-f and -z both name the build file: give one of them");
  }
  if (IsRemote(flags.context) && given != "-") {
    return std::nullopt;
  }
  if (given == "-" && context_is_tar) {
    return UsageError("stdin cannot be both the build file and the build context");
  }
  if (context_is_tar && (given.empty() || access(given.c_str(), F_OK) != 0)) {
    return std::nullopt;
  }
  BuildFile file;
  file.is_zimagefile = NamesZImagefile(flags);
  std::string path = given;
  if (given.empty()) {
    ASSIGN_OR_RETURN(file.name, FindBuildFile(flags.context));
    file.is_zimagefile = IsZImagefileName(file.name);
    path = flags.context + "/" + file.name;
  } else {
    file.name = given != "-" ? given : file.is_zimagefile ? "ZImagefile" : "Dockerfile";
  }
  auto content = given == "-" ? StoppableReader(STDIN_FILENO, stop).ReadAll(kMaxFile)
                              : ReadFile(path, kMaxFile);
  if (absl::IsNotFound(content.status())) {
    return MissingFile(flags, path);
  }
  if (!content.ok()) {
    return given == "-" ? Annotate(content.status(), "the build file on stdin") : content.status();
  }
  file.content = *std::move(content);
  RETURN_IF_ERROR(ReadIgnoreFile(path, flags, &file));
  if (file.is_zimagefile && file.ignore_name.empty() && IsDirectoryContext(flags)) {
    UseTemplatesIgnoreFile(flags, &file);
  }
  return file;
}

}  // namespace zlayer
