#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

using Strings = google::protobuf::RepeatedPtrField<std::string>;

constexpr std::string_view kDockerIndex =
    "application/vnd.docker.distribution.manifest.list.v2+json";

Digest ReadDigest(const JsonMember& member) {
  std::string text = member.String();
  absl::StatusOr<Digest> digest = Digest::Parse(text);
  if (!digest.ok()) {
    member.Fail("is not a digest (\"sha256:\" and 64 lower-case hex digits)");
    return {};
  }
  return *digest;
}

// Nanoseconds since 1970; Go's zero time (year 1) and what lies before 1970 become 0.
int64_t ReadTime(const JsonMember& member) {
  if (!member) {
    return 0;
  }
  std::string text = member.String();
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, absl::string_view(text.data(), text.size()), &time,
                       nullptr)) {
    member.Fail("is not a time (\"2026-01-31T12:00:00Z\")");
    return 0;
  }
  return std::max<int64_t>(absl::ToUnixNanos(time), 0);
}

void ReadStrings(const JsonMember& member, Strings* strings) {
  member.ForEach([&](const JsonMember& element) { *strings->Add() = element.String(); });
}

void ReadWords(const JsonMember& member, v1::Words* words) {
  ReadStrings(member, words->mutable_words());
}

// The names of an object whose values mean nothing: ExposedPorts, Volumes.
void ReadNames(const JsonMember& member, Strings* names) {
  member.ForEachNamed([&](const std::string& name, const JsonMember&) { *names->Add() = name; });
}

v1::Platform ReadPlatform(const JsonMember& member) {
  v1::Platform platform;
  platform.set_os(member["os"].String());
  platform.set_architecture(member["architecture"].String());
  platform.set_variant(member["variant"].String());
  platform.set_os_version(member["os.version"].String());
  return platform;
}

std::map<std::string, std::string> ReadAnnotations(const JsonMember& member) {
  std::map<std::string, std::string> annotations;
  member.ForEachNamed([&](const std::string& name, const JsonMember& value) {
    annotations[name] = value.String();
  });
  return annotations;
}

void ReadHealthcheck(const JsonMember& member, v1::Healthcheck* check) {
  ReadStrings(member["Test"], check->mutable_test());
  check->set_interval_ns(member["Interval"].Int());
  check->set_timeout_ns(member["Timeout"].Int());
  check->set_start_period_ns(member["StartPeriod"].Int());
  check->set_start_interval_ns(member["StartInterval"].Int());
  JsonMember retries = member["Retries"];
  int64_t count = retries.Int();
  if (count > std::numeric_limits<uint32_t>::max()) {
    retries.Fail("is too large");
    return;
  }
  check->set_retries(static_cast<uint32_t>(count));
}

v1::ImageConfig ReadImageConfig(const JsonMember& member) {
  v1::ImageConfig config;
  ReadStrings(member["Env"], config.mutable_env());
  if (JsonMember entrypoint = member["Entrypoint"]) {
    ReadWords(entrypoint, config.mutable_entrypoint());
  }
  if (JsonMember command = member["Cmd"]) {
    ReadWords(command, config.mutable_cmd());
  }
  if (JsonMember shell = member["Shell"]) {
    ReadWords(shell, config.mutable_shell());
  }
  if (JsonMember check = member["Healthcheck"]) {
    ReadHealthcheck(check, config.mutable_healthcheck());
  }
  config.set_user(member["User"].String());
  config.set_working_dir(member["WorkingDir"].String());
  config.set_stop_signal(member["StopSignal"].String());
  config.set_args_escaped(member["ArgsEscaped"].Bool());
  ReadNames(member["ExposedPorts"], config.mutable_exposed_ports());
  ReadNames(member["Volumes"], config.mutable_volumes());
  ReadStrings(member["OnBuild"], config.mutable_on_build());
  member["Labels"].ForEachNamed([&](const std::string& name, const JsonMember& value) {
    (*config.mutable_labels())[name] = value.String();
  });
  return config;
}

ImageHistory ReadHistory(const JsonMember& member) {
  ImageHistory history;
  history.created_ns = ReadTime(member["created"]);
  history.created_by = member["created_by"].String();
  history.comment = member["comment"].String();
  history.author = member["author"].String();
  history.empty_layer = member["empty_layer"].Bool();
  return history;
}

Descriptor ReadDescriptor(const JsonMember& member) {
  Descriptor descriptor;
  descriptor.media_type = member["mediaType"].String();
  descriptor.digest = ReadDigest(member["digest"]);
  descriptor.size = static_cast<uint64_t>(member["size"].Int());
  descriptor.annotations = ReadAnnotations(member["annotations"]);
  member["urls"].ForEach([&](const JsonMember& url) { descriptor.urls.push_back(url.String()); });
  if (JsonMember platform = member["platform"]) {
    descriptor.platform = ReadPlatform(platform);
  }
  return descriptor;
}

void CheckSchemaVersion(const JsonMember& document) {
  JsonMember version = document["schemaVersion"];
  if (version.Int() != 2) {
    version.Fail("is not 2");
  }
}

void ReadManifest(const JsonMember& root, AnyManifest* result) {
  result->config = ReadDescriptor(root["config"]);
  bool is_image = IsConfigMediaType(result->config.media_type);
  root["layers"].ForEach([&](const JsonMember& element) {
    result->layers.push_back(ReadDescriptor(element));
    is_image = is_image && IsLayerMediaType(result->layers.back().media_type);
  });
  result->kind = is_image ? ManifestKind::kImage : ManifestKind::kArtifact;
  if (result->artifact_type.empty()) {
    result->artifact_type = result->config.media_type;
  }
}

// "...tar", "...tar+gzip" (OCI) or "...tar.gzip" (Docker) and the like; encryption is not a
// compression.
bool IsTarType(std::string_view media_type, std::string_view tar) {
  if (!media_type.starts_with(tar)) {
    return false;
  }
  std::string_view suffix = media_type.substr(tar.size());
  return suffix.empty() || suffix == "+gzip" || suffix == "+zstd" || suffix == ".gzip" ||
         suffix == ".zstd";
}

// Whoever writes a manifest again keeps the order of members, and looks through all of an object
// for each (image_json_write.cc).
constexpr size_t kMaxMembers = 1000;

bool HasTooManyMembers(const nlohmann::json& value) {
  return (value.is_object() && value.size() > kMaxMembers) ||
         (value.is_structured() && std::any_of(value.begin(), value.end(), HasTooManyMembers));
}

// Of a manifest or an index.
absl::StatusOr<nlohmann::json> ParseDocument(std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseJsonObject(json, kMaxManifestBytes));
  if (HasTooManyMembers(document)) {
    return InvalidArgument(
        fmt::format("an object of the JSON document has more than {} members", kMaxMembers));
  }
  return document;
}

}  // namespace

absl::Status CheckIndexDepth(int depth) {
  return depth > kMaxIndexDepth
             ? InvalidArgument(fmt::format("indexes are nested more than {} deep", kMaxIndexDepth))
             : absl::OkStatus();
}

bool IsManifestMediaType(std::string_view media_type) {
  return media_type == kManifestMediaType || media_type == kDockerManifestMediaType;
}

bool IsIndexMediaType(std::string_view media_type) {
  return media_type == kIndexMediaType || media_type == kDockerIndex;
}

bool IsConfigMediaType(std::string_view media_type) {
  return media_type == kConfigMediaType || media_type == kDockerConfigMediaType;
}

bool IsLayerMediaType(std::string_view media_type) {
  for (std::string_view tar : {kTarMediaType, kNondistributableTarMediaType, kDockerTarMediaType,
                               kDockerForeignTarMediaType}) {
    if (IsTarType(media_type, tar)) {
      return true;
    }
  }
  return false;
}

bool IsForeignLayer(std::string_view media_type) {
  return IsTarType(media_type, kNondistributableTarMediaType) ||
         IsTarType(media_type, kDockerForeignTarMediaType);
}

absl::StatusOr<ConfigDocument> ParseConfig(std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseJsonObject(json, kMaxConfigBytes));
  absl::Status status;
  JsonMember root(document, &status);
  ConfigDocument result;
  result.platform = ReadPlatform(root);
  for (const char* name : {"os", "architecture"}) {
    if (root[name].String().empty()) {
      root[name].Fail("is missing");
    }
  }
  result.config = ReadImageConfig(root["config"]);
  result.config.set_author(root["author"].String());
  result.created_ns = ReadTime(root["created"]);
  root["history"].ForEach(
      [&](const JsonMember& entry) { result.history.push_back(ReadHistory(entry)); });
  JsonMember rootfs = root["rootfs"];
  if (!rootfs) {
    rootfs.Fail("is missing");
  }
  if (rootfs["type"].String() != "layers") {
    rootfs["type"].Fail("is not \"layers\"");
  }
  rootfs["diff_ids"].ForEach(
      [&](const JsonMember& element) { result.diff_ids.push_back(ReadDigest(element)); });
  RETURN_IF_ERROR(status);
  return result;
}

absl::StatusOr<ManifestDocument> ParseManifest(std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseDocument(json));
  absl::Status status;
  JsonMember root(document, &status);
  CheckSchemaVersion(root);
  ManifestDocument result;
  result.media_type = root["mediaType"].String();
  if (result.media_type.empty()) {
    result.media_type = kManifestMediaType;
  }
  if (!IsManifestMediaType(result.media_type)) {
    root["mediaType"].Fail("is not an image manifest's");
  }
  result.config = ReadDescriptor(root["config"]);
  root["layers"].ForEach(
      [&](const JsonMember& element) { result.layers.push_back(ReadDescriptor(element)); });
  RETURN_IF_ERROR(status);
  return result;
}

absl::StatusOr<AnyManifest> ParseAnyManifest(std::string_view media_type, std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseDocument(json));
  absl::Status status;
  JsonMember root(document, &status);
  CheckSchemaVersion(root);
  AnyManifest result;
  result.media_type = root["mediaType"].String();
  if (result.media_type.empty()) {
    result.media_type = !media_type.empty() ? std::string(media_type)
                        : root["manifests"] ? std::string(kIndexMediaType)
                                            : std::string(kManifestMediaType);
  }
  if (!media_type.empty() && result.media_type != media_type) {
    root["mediaType"].Fail(fmt::format("is not \"{}\", as which it came", ToUtf8(media_type)));
  }
  if (root["subject"]) {
    result.subject = ReadDescriptor(root["subject"]).digest;
  }
  result.annotations = ReadAnnotations(root["annotations"]);
  result.artifact_type = root["artifactType"].String();
  // Who reads it as the other kind would get something else (CVE-2021-41190).
  if (root["manifests"] && (root["config"] || root["layers"])) {
    root["manifests"].Fail("stands beside a manifest's \"config\" or \"layers\"");
  }
  if (IsIndexMediaType(result.media_type)) {
    result.kind = ManifestKind::kIndex;
    root["manifests"].ForEach(
        [&](const JsonMember& element) { result.manifests.push_back(ReadDescriptor(element)); });
  } else if (IsManifestMediaType(result.media_type)) {
    ReadManifest(root, &result);
  } else {
    root["mediaType"].Fail("is no manifest's or index's of OCI or Docker");
  }
  RETURN_IF_ERROR(status);
  return result;
}

absl::StatusOr<std::vector<Descriptor>> ParseIndex(std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseDocument(json));
  absl::Status status;
  JsonMember root(document, &status);
  CheckSchemaVersion(root);
  std::vector<Descriptor> manifests;
  root["manifests"].ForEach(
      [&](const JsonMember& element) { manifests.push_back(ReadDescriptor(element)); });
  RETURN_IF_ERROR(status);
  return manifests;
}

absl::StatusOr<std::vector<DockerArchiveImage>> ParseDockerArchive(std::string_view json) {
  ASSIGN_OR_RETURN(nlohmann::json document, ParseJsonArray(json, kMaxManifestBytes));
  absl::Status status;
  std::vector<DockerArchiveImage> images;
  JsonMember(document, &status).ForEach([&](const JsonMember& entry) {
    DockerArchiveImage& image = images.emplace_back();
    image.config = entry["Config"].String();
    if (image.config.empty()) {
      entry["Config"].Fail("is missing");
    }
    entry["RepoTags"].ForEach(
        [&](const JsonMember& name) { image.names.push_back(name.String()); });
    entry["Layers"].ForEach(
        [&](const JsonMember& layer) { image.layers.push_back(layer.String()); });
  });
  RETURN_IF_ERROR(status);
  return images;
}

}  // namespace zlayer
