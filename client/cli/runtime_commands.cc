// Runtime templates: what there is, and build files made of them. No daemon is asked: the texts are
// part of this program.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/directory_project.h"
#include "client/cli/session.h"
#include "client/progress/text.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/template/template_messages.h"

namespace zlayer {
namespace {

struct ListOptions {
  std::string show;
  std::string format = "text";
};

struct InitOptions {
  std::string runtime = std::string(kDetectRuntime);
  std::string directory = ".";
  bool zimagefile = false;
  bool force = false;
};

// A name that is not known is a mistake in the call.
absl::StatusOr<const RuntimeTemplate*> TemplateOf(const std::string& name) {
  absl::StatusOr<const RuntimeTemplate*> runtime = TemplateToBuild(name);
  return absl::IsInvalidArgument(runtime.status()) ? UsageError(Message(runtime.status()))
                                                   : runtime;
}

absl::Status Show(const ListOptions& options) {
  const bool is_json = options.format == "json";
  if (!options.show.empty()) {
    ASSIGN_OR_RETURN(const RuntimeTemplate* runtime, TemplateOf(options.show));
    Print(is_json ? ToJson(ToMessage(*runtime)) + "\n" : std::string(runtime->dockerfile));
    return absl::OkStatus();
  }
  const v1::ListRuntimesResponse list = ListTemplates();
  if (is_json) {
    Print(ToJson(list) + "\n");
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "ALIASES", "DESCRIPTION"}};
  for (const v1::Runtime& runtime : list.runtimes()) {
    rows.push_back({runtime.name(),
                    Join({runtime.aliases().begin(), runtime.aliases().end()}, ", "),
                    runtime.description()});
  }
  Print(FormatTable(rows));
  return absl::OkStatus();
}

struct FileToWrite {
  std::string name;
  std::string text;
};

std::vector<FileToWrite> FilesOf(const RuntimeTemplate& runtime, bool zimagefile) {
  if (zimagefile) {
    return {{"ZImagefile", fmt::format("# {}. See \"zlayer runtimes --show {}\".\nruntime: {}\n",
                                       runtime.description, runtime.name, runtime.name)}};
  }
  return {{"Dockerfile", std::string(runtime.dockerfile)},
          {".dockerignore", std::string(runtime.dockerignore)}};
}

// kAlreadyExists where there is such a file, unless `force`.
absl::Status Write(const std::string& path, std::string_view text, bool force) {
  if (force) {
    return WriteFileAtomically(path, text);
  }
  const absl::StatusOr<UniqueFd> file = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL);
  if (!file.ok()) {
    return file.status();
  }
  return WriteFully(file->get(), text);
}

bool Exists(const std::string& path) {
  return faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

// Writes what is not there; of what is there nothing is touched unless `force`. Returns the names.
absl::StatusOr<std::vector<std::string>> WriteFiles(const std::vector<FileToWrite>& files,
                                                    const InitOptions& options) {
  const std::string build_file = options.directory + "/" + files.front().name;
  if (!options.force && Exists(build_file)) {
    return AlreadyExists(
        fmt::format("{} is there already; --force overwrites it", ToUtf8(build_file)));
  }
  std::vector<std::string> written;
  for (const FileToWrite& file : files) {
    const std::string path = options.directory + "/" + file.name;
    if (!options.force && Exists(path)) {
      PrintError(fmt::format("{} is there already and stays as it is", ToUtf8(path)));
      continue;
    }
    RETURN_IF_ERROR(Write(path, file.text, options.force));
    written.push_back(file.name);
  }
  return written;
}

absl::StatusOr<DetectedRuntime> Choose(const InitOptions& options) {
  if (options.runtime == kDetectRuntime) {
    return DetectRuntimeOf(options.directory);
  }
  ASSIGN_OR_RETURN(const RuntimeTemplate* runtime, TemplateOf(options.runtime));
  return DetectedRuntime{runtime, std::string(runtime->description)};
}

absl::Status Init(const InitOptions& options) {
  ASSIGN_OR_RETURN(const DetectedRuntime chosen, Choose(options));
  ASSIGN_OR_RETURN(const std::vector<std::string> written,
                   WriteFiles(FilesOf(*chosen.runtime, options.zimagefile), options));
  const std::string where = options.directory == "." ? "" : " in " + ToUtf8(options.directory);
  Print(fmt::format("Wrote {}{} for {} ({}).\nBuild it with: zlayer build -t NAME {}\n",
                    Join(written, " and "), where, chosen.runtime->name, chosen.reason,
                    ToUtf8(options.directory)));
  return absl::OkStatus();
}

void AddRuntimes(Command& root) {
  Command runtimes = root.Sub("runtimes", "List the runtime templates, or print one",
                              "zlayer runtimes --show node24");
  auto options = std::make_shared<ListOptions>();
  runtimes
      .Option({"--show", "NAME", "Print the Dockerfile of this template", Completes::kRuntime},
              &options->show)
      .Choice({"--format", "", "A table, or one JSON document with all texts"}, &options->format,
              {"text", "json"});
  runtimes.Run([options](Session&) { return Show(*options); });
}

void AddInit(Command& root) {
  Command init = root.Sub("init", "Write a Dockerfile and a .dockerignore for a project",
                          "zlayer init python313 services/api");
  auto options = std::make_shared<InitOptions>();
  init.Argument({"NAME", "",
                 "Runtime template (see zlayer runtimes); auto for the one that fits the files",
                 Completes::kRuntime},
                &options->runtime, /*required=*/false)
      .Argument({"DIR", "", "The project's directory"}, &options->directory, /*required=*/false)
      .Flag({"--zimagefile", "", "Write a ZImagefile that names the template, instead of its text"},
            &options->zimagefile)
      .Flag({"--force", "", "Overwrite files that are there"}, &options->force);
  init.Run([options](Session&) { return Init(*options); });
}

}  // namespace

void AddRuntimeCommands(Command& root) {
  AddRuntimes(root);
  AddInit(root);
}

}  // namespace zlayer
