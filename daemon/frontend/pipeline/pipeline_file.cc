#include "daemon/frontend/pipeline/pipeline_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/pipeline/yaml_reader.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;
constexpr size_t kMaxBytes = size_t{4} << 20;

using Keys = std::vector<std::string>;

const Keys& TopKeys() {
  static const auto& keys = *new Keys{"version", "vars", "defaults", "images", "cache", "push"};
  return keys;
}
const Keys& DefaultsKeys() {
  static const auto& keys =
      *new Keys{"format", "build_args", "no_cache", "cache_mounts", "retries", "platforms"};
  return keys;
}
const Keys& ImageKeys() {
  static const auto& keys =
      *new Keys{"file",   "context",      "tags",    "build_args", "depends_on", "no_cache",
                "format", "cache_mounts", "retries", "platforms",  "os"};
  return keys;
}
const Keys& CacheMountKeys() {
  static const auto& keys = *new Keys{"target", "id", "sharing", "readonly"};
  return keys;
}
const Keys& CacheKeys() {
  static const auto& keys = *new Keys{"type", "path", "bucket", "region", "endpoint", "prefix"};
  return keys;
}
const Keys& PushKeys() {
  static const auto& keys = *new Keys{"after_all"};
  return keys;
}

const Keys& Systems() {
  static const auto& systems = *new Keys{"linux", "windows", "darwin"};
  return systems;
}

// What `defaults` and an image both may say.
struct Settings {
  std::optional<std::string> format;
  std::map<std::string, std::string> build_args;
  std::optional<bool> no_cache;
  std::vector<v1::Mount> cache_mounts;
  std::optional<uint32_t> retries;
  std::vector<std::string> platforms;
};

size_t BytesOf(const Settings& settings) {
  size_t bytes = 0;
  for (const auto& [key, value] : settings.build_args) {
    bytes += key.size() + value.size();
  }
  for (const v1::Mount& mount : settings.cache_mounts) {
    bytes += mount.ByteSizeLong();
  }
  return bytes;
}

std::string SystemOf(std::string_view platform) {
  return std::string(platform.substr(0, platform.find('/')));
}

class Parser {
 public:
  explicit Parser(const PipelineFileOptions& options)
      : options_(options), yaml_(options.name, kMaxBytes) {}

  absl::StatusOr<PipelineFile> Parse(const std::string& text);

 private:
  absl::Status ReadVars(const YamlValue& vars);
  absl::Status ReadTop(const std::string& key, const YamlValue& value);
  absl::Status ReadImages(const YamlValue& images);
  absl::Status ReadImage(const std::string& name, const YamlValue& value);
  absl::Status ReadImageKey(const std::string& key, const YamlValue& value,
                            PipelineFileImage* image, Settings* settings);
  absl::Status ReadSetting(const std::string& key, const YamlValue& value, Settings* settings);
  absl::StatusOr<std::string> ReadPlatform(const YamlValue& value);
  absl::StatusOr<v1::Mount> ReadCacheMount(const YamlValue& value);
  absl::Status RefuseCache(const YamlValue& cache);
  absl::Status Merge(const YamlValue& value, Settings own, PipelineFileImage* image);
  absl::Status CheckSystem(const YamlValue& value, PipelineFileImage* image) const;
  absl::Status CheckDependencies(const YamlValue& images) const;

  absl::StatusOr<std::string> Expanded(const YamlValue& value);
  absl::StatusOr<std::vector<std::string>> TextList(const YamlValue& value, bool expand);

  const PipelineFileOptions& options_;
  YamlReader yaml_;
  Settings defaults_;
  YamlValue images_;
  PipelineFile file_;
};

absl::StatusOr<PipelineFile> Parser::Parse(const std::string& text) {
  ASSIGN_OR_RETURN(const YamlValue document, yaml_.Load(text));
  try {
    RETURN_IF_ERROR(yaml_.ForEachKey(document, TopKeys(),
                                     [this](const std::string& key, const YamlValue& value) {
                                       return key == "vars" ? ReadVars(value) : absl::OkStatus();
                                     }));
    for (const auto& [name, value] : options_.set) {
      file_.vars[name] = value;
    }
    RETURN_IF_ERROR(yaml_.ForEachKey(
        document, TopKeys(),
        [this](const std::string& key, const YamlValue& value) { return ReadTop(key, value); }));
    if (!options_.default_platforms.empty()) {
      defaults_.platforms = options_.default_platforms;
    }
    // Last: what `defaults` says is known.
    if (!images_.node.IsMap() || images_.node.size() == 0) {
      return yaml_.Error(images_.path.empty() ? document : images_,
                         "a pipeline has images: name at least one under images");
    }
    RETURN_IF_ERROR(ReadImages(images_));
  } catch (const YAML::Exception& error) {
    return yaml_.ErrorAt(error.mark, "", error.msg);
  }
  return std::move(file_);
}

absl::Status Parser::ReadVars(const YamlValue& vars) {
  return yaml_.ForEachKey(
      vars, {}, [this](const std::string& name, const YamlValue& value) -> absl::Status {
        if (!IsVariableName(name)) {
          return yaml_.Error(value,
                             "a variable's name is letters, digits and '_', and no digit first");
        }
        if (value.node.IsNull()) {
          file_.vars[name] = "";
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(file_.vars[name], yaml_.Text(value));
        return absl::OkStatus();
      });
}

absl::Status Parser::ReadTop(const std::string& key, const YamlValue& value) {
  if (key == "version") {
    return value.node.IsNull() ? absl::OkStatus() : yaml_.Text(value).status();
  }
  if (key == "defaults") {
    return yaml_.ForEachKey(value, DefaultsKeys(),
                            [this](const std::string& name, const YamlValue& setting) {
                              return ReadSetting(name, setting, &defaults_);
                            });
  }
  if (key == "images") {
    images_ = value;
  } else if (key == "cache") {
    return RefuseCache(value);
  } else if (key == "push") {
    return yaml_.ForEachKey(value, PushKeys(),
                            [this](const std::string&, const YamlValue& flag) -> absl::Status {
                              ASSIGN_OR_RETURN(file_.push_after_all, yaml_.Flag(flag));
                              return absl::OkStatus();
                            });
  }
  return absl::OkStatus();
}

absl::Status Parser::RefuseCache(const YamlValue& cache) {
  RETURN_IF_ERROR(yaml_.ForEachKey(
      cache, CacheKeys(), [this](const std::string& key, const YamlValue& value) -> absl::Status {
        return key == "type" ? yaml_.Choice(value, {"memory", "persistent", "s3"}).status()
                             : yaml_.Text(value).status();
      }));
  if (cache.node.IsNull()) {
    return absl::OkStatus();
  }
  const absl::Status error =
      yaml_.Error(cache,
                  "this version shares no caches; leave the section out: the daemon finds what it "
                  "built before by itself");
  v1::ErrorDetail detail = DetailOf(error);
  detail.set_reason("UNSUPPORTED_OPTION");
  return WithDetail(Unimplemented(Message(error)), detail);
}

absl::Status Parser::ReadImages(const YamlValue& images) {
  RETURN_IF_ERROR(yaml_.ForEachKey(
      images, {},
      [this](const std::string& name, const YamlValue& value) { return ReadImage(name, value); }));
  return CheckDependencies(images);
}

absl::Status Parser::ReadImage(const std::string& name, const YamlValue& value) {
  if (!IsPipelineImageName(name)) {
    return yaml_.Error(value, "an image's name has no white space, comma or control character");
  }
  PipelineFileImage image;
  image.name = name;
  Settings own;
  RETURN_IF_ERROR(
      yaml_.ForEachKey(value, ImageKeys(), [&](const std::string& key, const YamlValue& setting) {
        return ReadImageKey(key, setting, &image, &own);
      }));
  if (image.file.empty()) {
    return yaml_.Error(value, "the image has no file: name its Dockerfile or ZImagefile");
  }
  RETURN_IF_ERROR(Merge(value, std::move(own), &image));
  RETURN_IF_ERROR(CheckSystem(value, &image));
  file_.images.push_back(std::move(image));
  return absl::OkStatus();
}

absl::Status Parser::ReadImageKey(const std::string& key, const YamlValue& value,
                                  PipelineFileImage* image, Settings* settings) {
  if (key == "file" || key == "context") {
    ASSIGN_OR_RETURN(std::string path, Expanded(value));
    if (path.empty()) {
      return yaml_.Error(value, "the path is empty");
    }
    (key == "file" ? image->file : image->context) = std::move(path);
  } else if (key == "tags") {
    ASSIGN_OR_RETURN(image->tags, TextList(value, /*expand=*/true));
  } else if (key == "depends_on") {
    ASSIGN_OR_RETURN(image->depends_on, TextList(value, /*expand=*/false));
  } else if (key == "os") {
    ASSIGN_OR_RETURN(image->os, yaml_.Choice(value, Systems()));
  } else {
    return ReadSetting(key, value, settings);
  }
  return absl::OkStatus();
}

absl::Status Parser::ReadSetting(const std::string& key, const YamlValue& value,
                                 Settings* settings) {
  if (key == "build_args") {
    return yaml_.ForEachKey(value, {},
                            [&](const std::string& name, const YamlValue& text) -> absl::Status {
                              std::string& argument = settings->build_args[name];
                              if (!text.node.IsNull()) {
                                ASSIGN_OR_RETURN(argument, Expanded(text));
                              }
                              return absl::OkStatus();
                            });
  }
  if (key == "cache_mounts") {
    return yaml_.ForEachElement(value, [&](const YamlValue& mount) -> absl::Status {
      ASSIGN_OR_RETURN(settings->cache_mounts.emplace_back(), ReadCacheMount(mount));
      return absl::OkStatus();
    });
  }
  if (key == "platforms") {
    return yaml_.ForEachElement(value, [&](const YamlValue& platform) -> absl::Status {
      ASSIGN_OR_RETURN(settings->platforms.emplace_back(), ReadPlatform(platform));
      return absl::OkStatus();
    });
  }
  if (key == "format") {
    ASSIGN_OR_RETURN(settings->format, yaml_.Choice(value, {"oci", "docker"}));
  } else if (key == "no_cache") {
    ASSIGN_OR_RETURN(settings->no_cache, yaml_.Flag(value));
  } else if (key == "retries") {
    ASSIGN_OR_RETURN(settings->retries, yaml_.Number(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Parser::ReadPlatform(const YamlValue& value) {
  ASSIGN_OR_RETURN(std::string text, yaml_.Text(value));
  const std::vector<std::string_view> parts = Split(text, '/');
  const bool whole =
      parts.size() <= 3 &&
      std::none_of(parts.begin(), parts.end(), [](std::string_view p) { return p.empty(); });
  if (!whole || std::find(Systems().begin(), Systems().end(), parts[0]) == Systems().end()) {
    return yaml_.Error(value, fmt::format("\"{}\" is not a platform such as linux/amd64",
                                          ToUtf8(CutUtf8(text, 100))));
  }
  return text;
}

absl::StatusOr<v1::Mount> Parser::ReadCacheMount(const YamlValue& value) {
  v1::Mount mount;
  mount.set_type(v1::Mount::CACHE);
  // Who shares a cache says so.
  mount.set_sharing(v1::Mount::LOCKED);
  RETURN_IF_ERROR(
      yaml_.ForEachKey(value, CacheMountKeys(),
                       [&](const std::string& key, const YamlValue& setting) -> absl::Status {
                         if (key == "readonly") {
                           ASSIGN_OR_RETURN(const bool read_only, yaml_.Flag(setting));
                           mount.set_read_only(read_only);
                         } else if (key == "sharing") {
                           ASSIGN_OR_RETURN(const std::string sharing,
                                            yaml_.Choice(setting, {"shared", "private", "locked"}));
                           mount.set_sharing(sharing == "shared"    ? v1::Mount::SHARED
                                             : sharing == "private" ? v1::Mount::PRIVATE
                                                                    : v1::Mount::LOCKED);
                         } else {
                           ASSIGN_OR_RETURN(const std::string text, yaml_.Text(setting));
                           if (key == "target" && !text.starts_with('/')) {
                             return yaml_.Error(setting, "the target is not an absolute path");
                           }
                           key == "target" ? mount.set_target(text) : mount.set_id(text);
                         }
                         return absl::OkStatus();
                       }));
  if (mount.target().empty()) {
    return yaml_.Error(value, "the cache mount has no target");
  }
  if (mount.id().empty()) {
    mount.set_id(mount.target());
  }
  return mount;
}

absl::Status Parser::Merge(const YamlValue& value, Settings own, PipelineFileImage* image) {
  RETURN_IF_ERROR(yaml_.Spend(value, BytesOf(defaults_)));
  image->build_args = std::move(own.build_args);
  image->build_args.insert(defaults_.build_args.begin(), defaults_.build_args.end());
  image->cache_mounts = defaults_.cache_mounts;
  image->cache_mounts.insert(image->cache_mounts.end(), own.cache_mounts.begin(),
                             own.cache_mounts.end());
  image->format = own.format.value_or(defaults_.format.value_or(""));
  image->no_cache = own.no_cache.value_or(defaults_.no_cache.value_or(false));
  image->retries = own.retries.value_or(defaults_.retries.value_or(0));
  image->platforms = own.platforms.empty() ? defaults_.platforms : own.platforms;
  return absl::OkStatus();
}

// All that an image says of its system must agree.
absl::Status Parser::CheckSystem(const YamlValue& value, PipelineFileImage* image) const {
  for (const std::string& platform : image->platforms) {
    const std::string system = SystemOf(platform);
    if (image->os.empty()) {
      image->os = system;
    } else if (image->os != system) {
      return yaml_.Error(value, fmt::format("the platform {} is not for {}, which the image's os "
                                            "or another platform says",
                                            platform, image->os));
    }
  }
  // What names no architecture has said all it says.
  std::erase_if(image->platforms, [](const std::string& platform) {
    return platform.find('/') == std::string::npos;
  });
  return absl::OkStatus();
}

absl::Status Parser::CheckDependencies(const YamlValue& images) const {
  const std::vector<PipelineNode> nodes = NodesOf(file_.images);
  const std::optional<DependencyError> error = FindDependencyError(nodes);
  if (!error.has_value()) {
    return absl::OkStatus();
  }
  const std::string& name = nodes[error->image].name;
  const std::string path = fmt::format("{}.{}.depends_on", images.path, name);
  const YAML::Node depends_on = images.node[name]["depends_on"];
  const absl::Status located = yaml_.ErrorAt(depends_on.Mark(), path, error->message);
  v1::ErrorDetail detail = DetailOf(located);
  detail.set_reason(error->reason);
  detail.mutable_items()->Assign(error->items.begin(), error->items.end());
  return WithDetail(located, detail);
}

absl::StatusOr<std::string> Parser::Expanded(const YamlValue& value) {
  ASSIGN_OR_RETURN(const std::string text, yaml_.Text(value));
  absl::StatusOr<std::string> expanded = ExpandVariables(text, file_.vars);
  if (!expanded.ok()) {
    return yaml_.Error(value, Message(expanded.status()));
  }
  RETURN_IF_ERROR(yaml_.Spend(value, expanded->size()));
  return expanded;
}

absl::StatusOr<std::vector<std::string>> Parser::TextList(const YamlValue& value, bool expand) {
  std::vector<std::string> texts;
  RETURN_IF_ERROR(yaml_.ForEachElement(value, [&](const YamlValue& element) -> absl::Status {
    ASSIGN_OR_RETURN(texts.emplace_back(), expand ? Expanded(element) : yaml_.Text(element));
    return absl::OkStatus();
  }));
  return texts;
}

}  // namespace

absl::StatusOr<PipelineFile> ParsePipelineFile(std::string_view text,
                                               const PipelineFileOptions& options) {
  if (text.size() > kMaxFile) {
    return InvalidArgument(fmt::format("{}: the file has {} bytes, and {} are the most",
                                       options.name, text.size(), kMaxFile));
  }
  absl::StatusOr<PipelineFile> file = Parser(options).Parse(std::string(text));
  if (!file.ok()) {
    return WithExcerpt(file.status(), options.name, text);
  }
  return file;
}

bool IsZimagefileName(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.ends_with(".yml") || name.ends_with(".yaml") || name.starts_with("ZImagefile");
}

v1::BuildSpec SpecOf(const PipelineFile& pipeline, const PipelineFileImage& image,
                     v1::InlineFile build_file) {
  v1::BuildSpec spec;
  if (IsZimagefileName(image.file)) {
    *spec.mutable_zimagefile_inline() = std::move(build_file);
    for (const auto& [name, value] : pipeline.vars) {
      (*spec.mutable_pipeline_vars())[name] = value;
    }
  } else {
    *spec.mutable_dockerfile_inline() = std::move(build_file);
  }
  spec.mutable_tags()->Assign(image.tags.begin(), image.tags.end());
  for (const auto& [name, value] : image.build_args) {
    (*spec.mutable_build_args())[name] = value;
  }
  spec.mutable_default_cache_mounts()->Assign(image.cache_mounts.begin(), image.cache_mounts.end());
  spec.mutable_platforms()->Assign(image.platforms.begin(), image.platforms.end());
  spec.set_no_cache(image.no_cache);
  spec.set_format(image.format);
  spec.set_retries(image.retries);
  spec.set_target_os(image.os);
  if (auto version = pipeline.vars.find("LTSC");
      version != pipeline.vars.end() && image.os == "windows") {
    spec.set_windows_ltsc(version->second);
  }
  return spec;
}

std::vector<PipelineNode> NodesOf(const std::vector<PipelineFileImage>& images) {
  std::vector<PipelineNode> nodes;
  for (const PipelineFileImage& image : images) {
    nodes.push_back({image.name, image.depends_on});
  }
  return nodes;
}

std::map<std::string, std::vector<std::string>> PipelineFileKeys() {
  return {{"", TopKeys()},
          {"defaults", DefaultsKeys()},
          {"images.NAME", ImageKeys()},
          {"cache_mounts[]", CacheMountKeys()},
          {"cache", CacheKeys()},
          {"push", PushKeys()}};
}

}  // namespace zlayer
