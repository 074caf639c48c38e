#include "client/cli/build_request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/directory_project.h"
#include "client/cli/instant.h"
#include "client/cli/session.h"
#include "client/lib/stoppable_reader.h"
#include "daemon/frontend/build_file_choice.h"
#include "daemon/frontend/dockerfile/git_url.h"
#include "daemon/frontend/dockerfile/run_mount.h"
#include "daemon/frontend/template/detect.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/expand_variables.h"
#include "daemon/frontend/zimagefile/file_name.h"
#include "daemon/frontend/zimagefile/zimagefile.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;
constexpr std::string_view kImageScheme = "docker-image://";

// Whether the daemon fetches the context. A URL that is malformed is one, too.
bool IsRemote(const std::string& context) {
  const absl::StatusOr<std::optional<GitUrl>> git = ParseGitUrl(context);
  return !git.ok() || git->has_value() || IsHttpUrl(context) || context.starts_with(kImageScheme);
}

// A string of a request must be UTF-8.
absl::Status CheckText(std::string_view flag, std::string_view text) {
  return IsUtf8(text)
             ? absl::OkStatus()
             : UsageError(fmt::format("{} takes UTF-8 text, not \"{}\"", flag, ToUtf8(text)));
}

absl::Status AddTexts(std::string_view flag, const std::vector<std::string>& texts,
                      google::protobuf::RepeatedPtrField<std::string>* list) {
  for (const std::string& text : texts) {
    RETURN_IF_ERROR(CheckText(flag, text));
    list->Add(std::string(text));
  }
  return absl::OkStatus();
}

// The same for "A,B".
absl::Status AddLists(std::string_view flag, const std::vector<std::string>& texts,
                      google::protobuf::RepeatedPtrField<std::string>* list) {
  for (const std::string& text : texts) {
    RETURN_IF_ERROR(CheckText(flag, text));
    for (std::string_view part : Split(text, ',')) {
      list->Add(std::string(part));
    }
  }
  return absl::OkStatus();
}

struct Pair {
  std::string key;
  std::string value;
};

absl::StatusOr<Pair> ParsePair(std::string_view flag, std::string_view text,
                               std::string_view form = "KEY=VALUE") {
  RETURN_IF_ERROR(CheckText(flag, text));
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return UsageError(fmt::format("{} takes {}, not \"{}\"", flag, form, text));
  }
  return Pair{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

absl::Status AddPairs(std::string_view flag, const std::vector<std::string>& texts,
                      google::protobuf::Map<std::string, std::string>* map) {
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(Pair pair, ParsePair(flag, text));
    (*map)[pair.key] = pair.value;
  }
  return absl::OkStatus();
}

absl::Status AddBuildArgs(const std::vector<std::string>& texts, const Environment& environment,
                          google::protobuf::Map<std::string, std::string>* map) {
  // Passed on as buildx does.
  if (std::optional<std::string> epoch = environment("SOURCE_DATE_EPOCH")) {
    RETURN_IF_ERROR(CheckText("SOURCE_DATE_EPOCH", *epoch));
    (*map)["SOURCE_DATE_EPOCH"] = *epoch;
  }
  for (const std::string& text : texts) {
    if (!text.empty() && text.find('=') == std::string::npos) {
      if (std::optional<std::string> value = environment(text)) {
        RETURN_IF_ERROR(CheckText("--build-arg", text + "=" + *value));
        (*map)[text] = *value;
      }
      continue;
    }
    ASSIGN_OR_RETURN(Pair pair, ParsePair("--build-arg", text, "NAME=VALUE or NAME"));
    (*map)[pair.key] = pair.value;
  }
  return absl::OkStatus();
}

// "DIR" or "type=local,dest=DIR".
absl::StatusOr<v1::BuildSpec::Output> ParseOutput(const std::string& text) {
  v1::BuildSpec::Output output;
  if (text.find('=') == std::string::npos) {
    output.set_type("local");
    (*output.mutable_attributes())["dest"] = text;
    return output;
  }
  for (std::string_view part : Split(text, ',')) {
    ASSIGN_OR_RETURN(Pair pair, ParsePair("--output", part, "DIR or type=TYPE,KEY=VALUE,..."));
    if (pair.key == "type") {
      output.set_type(pair.value);
    } else {
      (*output.mutable_attributes())[pair.key] = pair.value;
    }
  }
  if (output.type().empty()) {
    return UsageError(fmt::format("--output \"{}\" names no type", text));
  }
  return output;
}

bool NamesType(std::string_view mount) {
  for (std::string_view part : Split(mount, ',')) {
    if (ToLower(part.substr(0, part.find('='))) == "type") {
      return true;
    }
  }
  return false;
}

// As RUN --mount has it. What the daemon does not take of it, it says.
absl::StatusOr<v1::Mount> ParseCacheMount(const std::string& text) {
  RETURN_IF_ERROR(CheckText("--default-cache-mount", text));
  const auto as_it_is = [](std::string_view word) { return std::string(word); };
  const std::string whole = NamesType(text) ? text : "type=cache," + text;
  const absl::StatusOr<RunMount> parsed = ParseRunMount({whole, ""}, as_it_is);
  if (!parsed.ok() || !parsed->from.empty()) {
    return UsageError(fmt::format("--default-cache-mount \"{}\": {}", text,
                                  parsed.ok() ? "it is from somewhere, but a cache for every RUN "
                                                "begins empty"
                                              : Message(parsed.status())));
  }
  v1::Mount mount;
  mount.set_type(parsed->type);
  mount.set_target(parsed->target);
  mount.set_source(parsed->source);
  mount.set_id(parsed->id);
  mount.set_sharing(parsed->sharing);
  mount.set_read_only(parsed->read_only);
  if (parsed->mode.has_value()) {
    mount.set_mode(*parsed->mode);
  }
  mount.set_uid(parsed->uid.value_or(0));
  mount.set_gid(parsed->gid.value_or(0));
  return mount;
}

// How commands run, and what becomes of the image.
absl::Status SetRunsAndImage(const BuildFlags& flags, v1::BuildSpec* spec) {
  for (const std::string& text : flags.default_cache_mounts) {
    ASSIGN_OR_RETURN(*spec->add_default_cache_mounts(), ParseCacheMount(text));
  }
  spec->set_host_network(flags.network == "host");
  spec->set_retries(static_cast<uint32_t>(flags.retries));
  RETURN_IF_ERROR(CheckText("--backend", flags.backend));
  spec->set_backend(flags.backend);
  RETURN_IF_ERROR(CheckText("--source-hash", flags.source_hash));
  spec->set_source_hash(flags.source_hash);
  spec->set_format(flags.format);
  spec->set_squash(flags.squash);
  if (flags.no_layers) {
    spec->set_layers(false);
  }
  return absl::OkStatus();
}

v1::PullMode PullModeOf(std::string_view text) {
  return text == "newer"    ? v1::PULL_NEWER
         : text == "always" ? v1::PULL_ALWAYS
         : text == "never"  ? v1::PULL_NEVER
                            : v1::PULL_DEFAULT;
}

// Whether what the options name is a ZImagefile.
bool NamesZImagefile(const BuildFlags& flags) {
  return !flags.zimagefile.empty() || IsZImagefilePath(flags.file);
}

// What `-f` or `-z` names; empty where nothing does.
const std::string& NamedFile(const BuildFlags& flags) {
  return flags.file.empty() ? flags.zimagefile : flags.file;
}
bool DetectsRuntime(const BuildFlags& flags) {
  return flags.runtime_auto || flags.runtime == kDetectRuntime;
}

bool HasRuntime(const BuildFlags& flags) { return flags.runtime_auto || !flags.runtime.empty(); }

void SetSource(const BuildFlags& flags, const std::optional<BuildFile>& file, v1::BuildSpec* spec) {
  if (HasRuntime(flags)) {
    spec->set_runtime(file.has_value() ? file->runtime : std::string(kDetectRuntime));
    return;
  }
  if (!file.has_value()) {
    if (NamesZImagefile(flags)) {
      spec->set_zimagefile(NamedFile(flags));
    } else if (!flags.file.empty()) {
      spec->set_dockerfile(flags.file);
    }
    return;
  }
  v1::InlineFile* source =
      file->is_zimagefile ? spec->mutable_zimagefile_inline() : spec->mutable_dockerfile_inline();
  source->set_name(ToUtf8(file->name));
  source->set_content(file->content);
  source->set_ignore_file(file->ignore_text);
  source->set_ignore_name(ToUtf8(file->ignore_name));
}

absl::Status AddSets(const BuildFlags& flags, const std::optional<BuildFile>& file,
                     google::protobuf::Map<std::string, std::string>* map) {
  if (!flags.sets.empty() && file.has_value() && !file->is_zimagefile) {
    return UsageError(
        fmt::format("--set is for ZImagefiles, and {} is a Dockerfile; --build-arg "
                    "sets its arguments",
                    ToUtf8(file->name)));
  }
  for (const std::string& text : flags.sets) {
    ASSIGN_OR_RETURN(Pair pair, ParsePair("--set", text, "NAME=VALUE"));
    (*map)[pair.key] = pair.value;
  }
  return absl::OkStatus();
}

// A context that the daemon gets by itself; nullopt for a directory.
absl::StatusOr<std::optional<v1::ContextSource>> RemoteContext(const std::string& value) {
  v1::ContextSource source;
  if (value.starts_with(kImageScheme)) {
    source.set_image(value.substr(kImageScheme.size()));
    return source;
  }
  absl::StatusOr<std::optional<GitUrl>> git = ParseGitUrl(value);
  if (!git.ok()) {
    return UsageError(fmt::format("the context \"{}\": {}", value, Message(git.status())));
  }
  if (git->has_value()) {
    *source.mutable_git() = ToGitInput(**std::move(git));
    return source;
  }
  if (IsHttpUrl(value)) {
    source.mutable_http()->set_url(value);
    return source;
  }
  return std::nullopt;
}

absl::Status AddRemoteContexts(const BuildFlags& flags, v1::BuildSpec* spec) {
  if (IsRemote(flags.context)) {
    RETURN_IF_ERROR(CheckText("CONTEXT", flags.context));
    ASSIGN_OR_RETURN(std::optional<v1::ContextSource> source, RemoteContext(flags.context));
    (*spec->mutable_contexts())[""] = *std::move(source);
  }
  for (const std::string& text : flags.build_contexts) {
    ASSIGN_OR_RETURN(Pair pair, ParsePair("--build-context", text, "NAME=DIR"));
    ASSIGN_OR_RETURN(std::optional<v1::ContextSource> source, RemoteContext(pair.value));
    if (source.has_value()) {
      (*spec->mutable_contexts())[pair.key] = *std::move(source);
    }
  }
  return absl::OkStatus();
}

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
  v1::BuildSpec spec;
  if (!AddSets(flags, *file, spec.mutable_pipeline_vars()).ok()) {
    return;
  }
  const absl::StatusOr<std::string> text = ExpandVariables(
      file->content, {spec.pipeline_vars().begin(), spec.pipeline_vars().end()}, file->name);
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

bool IsDirectoryContext(const BuildFlags& flags) {
  return flags.context != "-" && !IsRemote(flags.context);
}

std::string ContextDirectory(const BuildFlags& flags) {
  return IsDirectoryContext(flags) ? flags.context : std::string();
}

absl::StatusOr<v1::SubmitBuildRequest> MakeBuildRequest(const BuildFlags& flags,
                                                        const std::optional<BuildFile>& file,
                                                        const Environment& environment) {
  v1::SubmitBuildRequest request;
  request.set_priority(flags.priority);
  request.set_idempotency_key(flags.idempotency_key);
  v1::BuildSpec* spec = request.mutable_spec();
  SetSource(flags, file, spec);
  RETURN_IF_ERROR(AddSets(flags, file, spec->mutable_pipeline_vars()));
  RETURN_IF_ERROR(AddRemoteContexts(flags, spec));
  RETURN_IF_ERROR(AddBuildArgs(flags.build_args, environment, spec->mutable_build_args()));
  RETURN_IF_ERROR(AddPairs("--label", flags.labels, spec->mutable_labels()));
  RETURN_IF_ERROR(AddPairs("--annotation", flags.annotations, spec->mutable_annotations()));
  RETURN_IF_ERROR(AddTexts("--tag", flags.tags, spec->mutable_tags()));
  RETURN_IF_ERROR(AddTexts("--cache-from", flags.cache_from, spec->mutable_cache_from()));
  RETURN_IF_ERROR(AddTexts("--cache-to", flags.cache_to, spec->mutable_cache_to()));
  RETURN_IF_ERROR(AddLists("--allow", flags.entitlements, spec->mutable_entitlements()));
  RETURN_IF_ERROR(AddLists("--platform", flags.platforms, spec->mutable_platforms()));
  RETURN_IF_ERROR(
      AddLists("--no-cache-filter", flags.no_cache_filters, spec->mutable_no_cache_stages()));
  for (const std::string& text : flags.outputs) {
    ASSIGN_OR_RETURN(*spec->add_outputs(), ParseOutput(text));
  }
  RETURN_IF_ERROR(CheckText("--target", flags.target));
  RETURN_IF_ERROR(CheckText("--windows-ltsc", flags.windows_ltsc));
  spec->set_target_os(flags.target_os);
  spec->set_windows_ltsc(flags.windows_ltsc);
  RETURN_IF_ERROR(CheckText("--idempotency-key", flags.idempotency_key));
  spec->set_target(flags.target);
  spec->set_no_cache(flags.no_cache);
  if (!flags.cache_ttl.empty()) {
    const std::optional<uint64_t> seconds = ParseSeconds(flags.cache_ttl);
    if (!seconds.has_value()) {
      return UsageError(fmt::format("--cache-ttl takes a time such as 30m, 12h or 7d, not \"{}\"",
                                    flags.cache_ttl));
    }
    spec->mutable_cache_ttl()->set_seconds(static_cast<int64_t>(*seconds));
  }
  spec->set_pull(PullModeOf(flags.pull));
  RETURN_IF_ERROR(CheckText("--default-registry", flags.default_registry));
  spec->set_default_registry(flags.default_registry);
  spec->set_push(flags.push);
  RETURN_IF_ERROR(SetRunsAndImage(flags, spec));
  return request;
}

absl::StatusOr<std::map<std::string, std::string>> DirectoryContexts(const BuildFlags& flags) {
  std::map<std::string, std::string> directories;
  if (IsDirectoryContext(flags)) {
    directories[""] = flags.context;
  }
  for (const std::string& text : flags.build_contexts) {
    ASSIGN_OR_RETURN(Pair pair, ParsePair("--build-context", text, "NAME=DIR"));
    if (!IsRemote(pair.value)) {
      directories[pair.key] = pair.value;
    }
  }
  return directories;
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
