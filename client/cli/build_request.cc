#include "client/cli/build_request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/instant.h"
#include "client/cli/registry_logins.h"
#include "client/cli/session.h"
#include "client/lib/stoppable_reader.h"
#include "daemon/frontend/dockerfile/git_url.h"

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

v1::PullMode PullModeOf(std::string_view text) {
  return text == "newer"    ? v1::PULL_NEWER
         : text == "always" ? v1::PULL_ALWAYS
         : text == "never"  ? v1::PULL_NEVER
                            : v1::PULL_DEFAULT;
}

void SetSource(const BuildFlags& flags, const std::optional<BuildFile>& file, v1::BuildSpec* spec) {
  if (!file.has_value()) {
    spec->set_dockerfile(flags.file.empty() ? "Dockerfile" : flags.file);
    return;
  }
  v1::InlineFile* source = spec->mutable_dockerfile_inline();
  source->set_name(ToUtf8(file->name));
  source->set_content(file->content);
  source->set_ignore_file(file->ignore_text);
  source->set_ignore_name(ToUtf8(file->ignore_name));
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

}  // namespace

bool IsDirectoryContext(const BuildFlags& flags) {
  return flags.context != "-" && !IsRemote(flags.context);
}

absl::StatusOr<v1::SubmitBuildRequest> MakeBuildRequest(const BuildFlags& flags,
                                                        const std::optional<BuildFile>& file,
                                                        const Environment& environment) {
  v1::SubmitBuildRequest request;
  request.set_priority(flags.priority);
  request.set_idempotency_key(flags.idempotency_key);
  v1::BuildSpec* spec = request.mutable_spec();
  SetSource(flags, file, spec);
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
  spec->set_squash(flags.squash);
  spec->set_host_network(flags.network == "host");
  return request;
}

std::vector<std::string> ImagesOf(const v1::BuildSpec& spec) {
  std::vector<std::string> images(spec.tags().begin(), spec.tags().end());
  for (const std::string& image : ImagesIn(spec.dockerfile_inline().content())) {
    images.push_back(image);
    if (!spec.default_registry().empty()) {
      images.push_back(spec.default_registry() + "/" + image);
    }
  }
  for (const auto& [name, source] : spec.contexts()) {
    if (source.has_image()) {
      images.push_back(source.image());
    }
  }
  return images;
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
  const std::string& given = flags.file;
  bool context_is_tar = flags.context == "-";
  if (IsRemote(flags.context) && given != "-") {
    return std::nullopt;
  }
  if (given == "-" && context_is_tar) {
    return UsageError("stdin cannot be both the build file and the build context");
  }
  if (context_is_tar && (given.empty() || access(given.c_str(), F_OK) != 0)) {
    return std::nullopt;
  }
  std::string path = given.empty() ? flags.context + "/Dockerfile" : given;
  BuildFile file;
  file.name = given.empty() || given == "-" ? "Dockerfile" : given;
  auto content = given == "-" ? StoppableReader(STDIN_FILENO, stop).ReadAll(kMaxFile)
                              : ReadFile(path, kMaxFile);
  if (absl::IsNotFound(content.status())) {
    return NotFound(
        given.empty() && access(flags.context.c_str(), F_OK) != 0
            ? fmt::format("the build context \"{}\" does not exist", ToUtf8(flags.context))
            : fmt::format("no Dockerfile at {}; name another with -f", ToUtf8(path)));
  }
  if (!content.ok()) {
    return given == "-" ? Annotate(content.status(), "the build file on stdin") : content.status();
  }
  file.content = *std::move(content);
  RETURN_IF_ERROR(ReadIgnoreFile(path, flags, &file));
  return file;
}

}  // namespace zlayer
