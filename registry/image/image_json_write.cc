#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "registry/image/image_json.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Members that are empty are left out, as Go's "omitempty" does.
void Put(Json& object, const char* name, const std::string& value) {
  if (!value.empty()) {
    object[name] = value;
  }
}

void Put(Json& object, const char* name, int64_t value) {
  if (value != 0) {
    object[name] = value;
  }
}

template <typename Strings>
void PutList(Json& object, const char* name, const Strings& strings) {
  if (!strings.empty()) {
    object[name] = Json(std::vector<std::string>(strings.begin(), strings.end()));
  }
}

// Sorted. emplace_back, because Json's own ways to add a member search all those before it.
template <typename Map>
void PutMap(Json& object, const char* name, const Map& map) {
  if (map.empty()) {
    return;
  }
  Json::object_t members;
  for (const auto& [key, value] : map) {
    members.emplace_back(key, value);
  }
  object[name] = std::move(members);
}

template <typename Strings>
void PutNames(Json& object, const char* name, const Strings& names) {
  std::map<std::string, Json> members;
  for (const std::string& member : names) {
    members.emplace(member, Json::object());
  }
  PutMap(object, name, members);
}

Json HealthcheckJson(const v1::Healthcheck& check) {
  Json json = Json::object();
  PutList(json, "Test", check.test());
  Put(json, "Interval", check.interval_ns());
  Put(json, "Timeout", check.timeout_ns());
  Put(json, "StartPeriod", check.start_period_ns());
  Put(json, "StartInterval", check.start_interval_ns());
  Put(json, "Retries", int64_t{check.retries()});
  return json;
}

Json ImageConfigJson(const v1::ImageConfig& config) {
  Json json = Json::object();
  Put(json, "User", config.user());
  PutNames(json, "ExposedPorts", config.exposed_ports());
  PutList(json, "Env", config.env());
  PutList(json, "Entrypoint", config.entrypoint().words());
  PutList(json, "Cmd", config.cmd().words());
  PutNames(json, "Volumes", config.volumes());
  Put(json, "WorkingDir", config.working_dir());
  PutMap(json, "Labels",
         std::map<std::string, std::string>(config.labels().begin(), config.labels().end()));
  Put(json, "StopSignal", config.stop_signal());
  if (config.args_escaped()) {
    json["ArgsEscaped"] = true;
  }
  if (Json check = HealthcheckJson(config.healthcheck()); !check.empty()) {
    json["Healthcheck"] = std::move(check);
  }
  PutList(json, "OnBuild", config.on_build());
  PutList(json, "Shell", config.shell().words());
  return json;
}

Json HistoryJson(const ImageHistory& history) {
  Json json = Json::object();
  json["created"] = FormatTime(history.created_ns);
  Put(json, "created_by", history.created_by);
  Put(json, "author", history.author);
  Put(json, "comment", history.comment);
  if (history.empty_layer) {
    json["empty_layer"] = true;
  }
  return json;
}

Json DescriptorJson(std::string_view media_type, const Digest& digest, uint64_t size) {
  Json json = Json::object();
  json["mediaType"] = media_type;
  json["digest"] = digest.ToString();
  json["size"] = size;
  return json;
}

Json PlatformJson(const v1::Platform& platform) {
  Json json = Json::object();
  json["architecture"] = platform.architecture();
  json["os"] = platform.os();
  Put(json, "os.version", platform.os_version());
  Put(json, "variant", platform.variant());
  return json;
}

// Those that say the same already stay as they stand.
void PutAnnotations(Json& object, const std::map<std::string, std::string>& annotations) {
  std::map<std::string, std::string> present;
  if (const auto found = object.find("annotations"); found != object.end()) {
    for (const auto& [key, value] : found->items()) {
      present[key] = value.is_string() ? value.get<std::string>() : "";  // null
    }
  }
  if (present != annotations) {
    PutMap(object, "annotations", annotations);
  }
}

// What an index says of a manifest.
Json EntryJson(const Descriptor& manifest) {
  if (manifest.json.empty()) {
    Json entry = DescriptorJson(manifest.media_type, manifest.digest, manifest.size);
    PutMap(entry, "annotations", manifest.annotations);
    if (!manifest.platform.os().empty()) {
      entry["platform"] = PlatformJson(manifest.platform);
    }
    return entry;
  }
  Json entry = Json::parse(manifest.json);
  if (entry["digest"] != manifest.digest.ToString()) {
    entry["mediaType"] = manifest.media_type;
    entry["digest"] = manifest.digest.ToString();
    entry["size"] = manifest.size;
    entry.erase("data");
    entry.erase("urls");
  }
  PutAnnotations(entry, manifest.annotations);
  return entry;
}

Json LayoutEntryJson(const LayoutEntry& entry) {
  const Descriptor& manifest = entry.manifest;
  Json json = DescriptorJson(manifest.media_type, manifest.digest, manifest.size);
  if (!entry.reference.empty()) {
    json["annotations"][std::string(kImageNameAnnotation)] = entry.reference;
    if (absl::StatusOr<Reference> parsed = Reference::Parse(entry.reference);
        parsed.ok() && !parsed->tag.empty()) {
      json["annotations"][std::string(kRefNameAnnotation)] = parsed->tag;
    }
  }
  if (!manifest.platform.os().empty()) {
    json["platform"] = PlatformJson(manifest.platform);
  }
  return json;
}

std::string_view ManifestMediaType(ImageFormat format) {
  return format == ImageFormat::kDocker ? kDockerManifestMediaType : kManifestMediaType;
}

std::string_view ConfigMediaType(ImageFormat format) {
  return format == ImageFormat::kDocker ? kDockerConfigMediaType : kConfigMediaType;
}

}  // namespace

std::string LayerMediaTypeIn(ImageFormat format, std::string_view media_type) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {kTarMediaType, kDockerTarMediaType},
      {kNondistributableTarMediaType, kDockerForeignTarMediaType}};
  for (const auto& [oci, docker] : kNames) {
    if (format == ImageFormat::kDocker && media_type.starts_with(oci)) {
      // "tar+gzip" is "tar.gzip".
      std::string compression(media_type.substr(oci.size()));
      std::replace(compression.begin(), compression.end(), '+', '.');
      return std::string(docker) + compression;
    }
  }
  return std::string(media_type);
}

std::string WriteConfig(const NewImage& image) {
  Json json = Json::object();
  json["architecture"] = image.platform.architecture();
  Put(json, "author", image.config.author());
  json["config"] = ImageConfigJson(image.config);
  json["created"] = FormatTime(image.created_ns);
  Json& history = json["history"] = Json::array();
  for (const ImageHistory& entry : image.history) {
    history.push_back(HistoryJson(entry));
  }
  json["os"] = image.platform.os();
  Put(json, "os.version", image.platform.os_version());
  Json diff_ids = Json::array();
  for (const ImageLayer& layer : image.layers) {
    diff_ids.push_back(layer.diff_id.ToString());
  }
  json["rootfs"]["type"] = "layers";
  json["rootfs"]["diff_ids"] = std::move(diff_ids);
  Put(json, "variant", image.platform.variant());
  return Text(json);
}

std::string WriteManifest(const NewImage& image, const Digest& config, uint64_t config_size) {
  Json json = Json::object();
  json["schemaVersion"] = 2;
  json["mediaType"] = ManifestMediaType(image.format);
  json["config"] = DescriptorJson(ConfigMediaType(image.format), config, config_size);
  Json& layers = json["layers"] = Json::array();
  for (const ImageLayer& layer : image.layers) {
    Json& descriptor =
        layers.emplace_back(DescriptorJson(layer.media_type, layer.digest, layer.size));
    PutList(descriptor, "urls", layer.urls);
  }
  PutMap(json, "annotations", image.annotations);
  return Text(json);
}

void KeepEntries(std::string_view index_json, std::vector<Descriptor>* manifests) {
  const Json json = Json::parse(index_json);
  for (size_t i = 0; i < manifests->size(); ++i) {
    (*manifests)[i].json = Text(json["manifests"][i]);
  }
}

std::string WriteIndex(const std::vector<Descriptor>& manifests,
                       const std::map<std::string, std::string>& annotations,
                       std::string_view index_json) {
  Json json = index_json.empty() ? Json::object() : Json::parse(index_json);
  json["schemaVersion"] = 2;
  json["mediaType"] = kIndexMediaType;
  Json list = Json::array();
  for (const Descriptor& manifest : manifests) {
    list.push_back(EntryJson(manifest));
  }
  json["manifests"] = std::move(list);
  PutAnnotations(json, annotations);
  return Text(json);
}

std::string WithLayers(ImageFormat format, std::string_view manifest_json,
                       const std::vector<ImageLayer>& layers) {
  Json json = Json::parse(manifest_json);
  json["mediaType"] = ManifestMediaType(format);
  json["config"]["mediaType"] = ConfigMediaType(format);
  Json& list = json["layers"];
  for (size_t i = 0; i < layers.size(); ++i) {
    list[i]["mediaType"] = LayerMediaTypeIn(format, layers[i].media_type);
    list[i]["digest"] = layers[i].digest.ToString();
    list[i]["size"] = layers[i].size;
  }
  return Text(json);
}

std::string WriteLayoutIndex(const std::vector<LayoutEntry>& entries) {
  Json json = Json::object();
  json["schemaVersion"] = 2;
  json["mediaType"] = kIndexMediaType;
  Json& manifests = json["manifests"] = Json::array();
  for (const LayoutEntry& entry : entries) {
    manifests.push_back(LayoutEntryJson(entry));
  }
  return Text(json);
}

std::string WriteDockerArchive(const std::vector<DockerArchiveImage>& images) {
  Json json = Json::array();
  for (const DockerArchiveImage& image : images) {
    Json& entry = json.emplace_back(Json::object());
    entry["Config"] = image.config;
    // Docker writes null for an image without a name.
    entry["RepoTags"] = image.names.empty() ? Json() : Json(image.names);
    entry["Layers"] = Json(image.layers);
  }
  return Text(json);
}

}  // namespace zlayer
