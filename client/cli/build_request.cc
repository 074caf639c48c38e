#include "client/cli/build_request.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/instant.h"
#include "client/cli/session.h"
#include "daemon/frontend/dockerfile/git_url.h"
#include "daemon/frontend/dockerfile/run_mount.h"
#include "daemon/frontend/template/template.h"

namespace zlayer {
namespace {

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

absl::Status AddPairs(std::string_view flag, const std::vector<std::string>& texts,
                      google::protobuf::Map<std::string, std::string>* map) {
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair(flag, text));
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
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair("--build-arg", text, "NAME=VALUE or NAME"));
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
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair("--output", part, "DIR or type=TYPE,KEY=VALUE,..."));
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
  ASSIGN_OR_RETURN(const auto variables, VariablesOf(flags));
  map->insert(variables.begin(), variables.end());
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
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair("--build-context", text, "NAME=DIR"));
    ASSIGN_OR_RETURN(std::optional<v1::ContextSource> source, RemoteContext(pair.value));
    if (source.has_value()) {
      (*spec->mutable_contexts())[pair.key] = *std::move(source);
    }
  }
  return absl::OkStatus();
}

}  // namespace

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
    ASSIGN_OR_RETURN(FlagPair pair, ParsePair("--build-context", text, "NAME=DIR"));
    if (!IsRemote(pair.value)) {
      directories[pair.key] = pair.value;
    }
  }
  return directories;
}

}  // namespace zlayer
