#include "daemon/frontend/pipeline/pipeline_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/yaml/field.h"
#include "daemon/frontend/yaml/key_table.h"
#include "daemon/frontend/yaml/yaml_tree.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr std::string_view kNoImages = "a pipeline has images: name at least one under images";
constexpr size_t kMaxImages = 1000;
// The most that variables and defaults make of a file, and what a value counts beside its bytes.
constexpr size_t kMaxBytes = size_t{4} << 20;
constexpr size_t kValueBytes = 16;

const std::vector<std::string>& Systems() {
  static const auto& systems = *new std::vector<std::string>{"linux", "windows", "darwin"};
  return systems;
}

// Puts variables into texts, within what a file may come to.
class TextExpander {
 public:
  // Not owned.
  explicit TextExpander(const PipelineVariables& variables) : variables_(variables) {}

  absl::StatusOr<std::string> Expand(const Field& value) {
    ASSIGN_OR_RETURN(const std::string text, value.Text());
    absl::StatusOr<std::string> expanded = ExpandVariables(text, variables_, kMaxBytes);
    RETURN_IF_ERROR(value.Located(expanded.status()));
    RETURN_IF_ERROR(Spend(value, expanded->size() + kValueBytes));
    return expanded;
  }

  // So much more was made of the file.
  absl::Status Spend(const Field& value, size_t bytes) {
    if (bytes > bytes_left_) {
      return value.Error("the file says too much once its variables and defaults are put in");
    }
    bytes_left_ -= bytes;
    return absl::OkStatus();
  }

 private:
  const PipelineVariables& variables_;
  size_t bytes_left_ = kMaxBytes;
};

// What `defaults` and an image both may say.
struct Settings {
  explicit Settings(TextExpander* expander) : texts(expander) {}

  TextExpander* texts;  // not owned
  std::optional<std::string> format;
  std::map<std::string, std::string> build_args;
  std::optional<bool> no_cache;
  std::vector<v1::Mount> cache_mounts;
  std::optional<uint32_t> retries;
  std::vector<std::string> platforms;
};

struct ImageSection : Settings {
  using Settings::Settings;

  PipelineFileImage image;
};

struct PipelineDraft {
  PipelineFile file;
  TextExpander texts{file.vars};
  Settings defaults{&texts};
};

// Of `cache`, which is checked alone.
struct CacheSection {};

size_t BytesOf(const Settings& settings) {
  size_t bytes = 0;
  for (const auto& [key, value] : settings.build_args) {
    bytes += key.size() + value.size() + kValueBytes;
  }
  for (const v1::Mount& mount : settings.cache_mounts) {
    bytes += mount.ByteSizeLong() + kValueBytes;
  }
  for (const std::string& platform : settings.platforms) {
    bytes += platform.size() + kValueBytes;
  }
  return bytes;
}

std::string SystemOf(std::string_view platform) {
  return std::string(platform.substr(0, platform.find('/')));
}

absl::Status ReadTarget(const Field& value, v1::Mount* mount) {
  ASSIGN_OR_RETURN(const std::string target, value.Text());
  if (!target.starts_with('/')) {
    return value.Error("the target is not an absolute path");
  }
  mount->set_target(target);
  return absl::OkStatus();
}

absl::Status ReadId(const Field& value, v1::Mount* mount) {
  ASSIGN_OR_RETURN(const std::string id, value.Text());
  mount->set_id(id);
  return absl::OkStatus();
}

absl::Status ReadSharing(const Field& value, v1::Mount* mount) {
  ASSIGN_OR_RETURN(const std::string sharing, value.Choice({"shared", "private", "locked"}));
  mount->set_sharing(sharing == "shared"    ? v1::Mount::SHARED
                     : sharing == "private" ? v1::Mount::PRIVATE
                                            : v1::Mount::LOCKED);
  return absl::OkStatus();
}

absl::Status ReadReadOnly(const Field& value, v1::Mount* mount) {
  ASSIGN_OR_RETURN(const bool read_only, value.Boolean());
  mount->set_read_only(read_only);
  return absl::OkStatus();
}

const KeyTable<v1::Mount>& CacheMountKeys() {
  static const auto* keys = new KeyTable<v1::Mount>{
      {"target", ReadTarget}, {"id", ReadId}, {"sharing", ReadSharing}, {"readonly", ReadReadOnly}};
  return *keys;
}

absl::StatusOr<v1::Mount> ReadCacheMount(const Field& value) {
  v1::Mount mount;
  mount.set_type(v1::Mount::CACHE);
  // Who shares a cache says so.
  mount.set_sharing(v1::Mount::LOCKED);
  RETURN_IF_ERROR(ReadMap(value, CacheMountKeys(), &mount));
  if (mount.target().empty()) {
    return value.Error("the cache mount has no target");
  }
  if (mount.id().empty()) {
    mount.set_id(mount.target());
  }
  return mount;
}

absl::StatusOr<std::string> ReadPlatform(const Field& value) {
  ASSIGN_OR_RETURN(std::string text, value.Text());
  const std::vector<std::string_view> parts = Split(text, '/');
  const bool whole =
      parts.size() <= 3 &&
      std::none_of(parts.begin(), parts.end(), [](std::string_view p) { return p.empty(); });
  if (!whole || std::find(Systems().begin(), Systems().end(), parts[0]) == Systems().end()) {
    return value.Error(
        fmt::format("{} is not a platform such as linux/amd64", GoQuote(CutUtf8(text, 64))));
  }
  return text;
}

absl::Status ReadFormat(const Field& value, Settings* settings) {
  ASSIGN_OR_RETURN(settings->format, value.Choice({"oci", "docker"}));
  return absl::OkStatus();
}

absl::Status ReadBuildArgs(const Field& value, Settings* settings) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, value.Entries());
  for (const Field& entry : entries) {
    std::string& argument = settings->build_args[entry.key()];
    if (!entry.IsNull()) {
      ASSIGN_OR_RETURN(argument, settings->texts->Expand(entry));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadCacheMounts(const Field& value, Settings* settings) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  ASSIGN_OR_RETURN(settings->cache_mounts, ReadEach(items, ReadCacheMount));
  return absl::OkStatus();
}

absl::Status ReadRetries(const Field& value, Settings* settings) {
  ASSIGN_OR_RETURN(const uint64_t retries, value.Number(UINT32_MAX));
  settings->retries = static_cast<uint32_t>(retries);
  return absl::OkStatus();
}

absl::Status ReadPlatforms(const Field& value, Settings* settings) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  ASSIGN_OR_RETURN(settings->platforms, ReadEach(items, ReadPlatform));
  return absl::OkStatus();
}

const KeyTable<Settings>& SettingKeys() {
  static const auto* keys =
      new KeyTable<Settings>{{"format", ReadFormat},
                             {"build_args", ReadBuildArgs},
                             {"no_cache", Into<&Settings::no_cache, &Field::Boolean, Settings>},
                             {"cache_mounts", ReadCacheMounts},
                             {"retries", ReadRetries},
                             {"platforms", ReadPlatforms}};
  return *keys;
}

template <std::string PipelineFileImage::*member>
absl::Status PathKey(const Field& value, ImageSection* section) {
  ASSIGN_OR_RETURN(section->image.*member, section->texts->Expand(value));
  return (section->image.*member).empty() ? value.Error("the path is empty") : absl::OkStatus();
}

absl::Status ReadTags(const Field& value, ImageSection* section) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  const auto expand = [section](const Field& item) { return section->texts->Expand(item); };
  ASSIGN_OR_RETURN(section->image.tags, ReadEach(items, expand));
  return absl::OkStatus();
}

absl::Status ReadDependsOn(const Field& value, ImageSection* section) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  ASSIGN_OR_RETURN(section->image.depends_on, ReadEach(items, &Field::Text));
  return absl::OkStatus();
}

absl::Status ReadOs(const Field& value, ImageSection* section) {
  ASSIGN_OR_RETURN(section->image.os, value.Choice(Systems()));
  return absl::OkStatus();
}

const KeyTable<ImageSection>& ImageKeys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<ImageSection>{{"file", PathKey<&PipelineFileImage::file>},
                                             {"context", PathKey<&PipelineFileImage::context>},
                                             {"tags", ReadTags},
                                             {"depends_on", ReadDependsOn},
                                             {"os", ReadOs}};
    for (const Key<Settings>& key : SettingKeys()) {
      table->push_back({key.name, key.read});
    }
    return table;
  }();
  return *keys;
}

absl::Status Merge(const Field& value, const Settings& defaults, ImageSection* section) {
  RETURN_IF_ERROR(section->texts->Spend(value, BytesOf(defaults)));
  PipelineFileImage& image = section->image;
  image.build_args = std::move(section->build_args);
  image.build_args.insert(defaults.build_args.begin(), defaults.build_args.end());
  image.cache_mounts = defaults.cache_mounts;
  image.cache_mounts.insert(image.cache_mounts.end(), section->cache_mounts.begin(),
                            section->cache_mounts.end());
  image.format = section->format.value_or(defaults.format.value_or(""));
  image.no_cache = section->no_cache.value_or(defaults.no_cache.value_or(false));
  image.retries = section->retries.value_or(defaults.retries.value_or(0));
  image.platforms = section->platforms.empty() ? defaults.platforms : section->platforms;
  return absl::OkStatus();
}

// All that an image says of its system must agree.
absl::Status CheckSystem(const Field& value, PipelineFileImage* image) {
  for (const std::string& platform : image->platforms) {
    const std::string system = SystemOf(platform);
    if (image->os.empty()) {
      image->os = system;
    } else if (image->os != system) {
      return value.Error(fmt::format(
          "the platform {} is not for {}, which the image's os or another platform says", platform,
          image->os));
    }
  }
  // What names no architecture has said all it says.
  std::erase_if(image->platforms, [](const std::string& platform) {
    return platform.find('/') == std::string::npos;
  });
  return absl::OkStatus();
}

absl::StatusOr<PipelineFileImage> ReadImage(const Field& value, PipelineDraft* draft) {
  if (!IsPipelineImageName(value.key())) {
    return value.ErrorAtKey("an image's name has no white space, comma or control character");
  }
  if (const std::optional<Field> merge = value.Find("<<")) {
    return merge->ErrorAtKey("merge keys (<<) are not taken; say under defaults what images share");
  }
  ImageSection section(&draft->texts);
  section.image.name = value.key();
  RETURN_IF_ERROR(ReadMap(value, ImageKeys(), &section));
  if (section.image.file.empty()) {
    return value.Error("the image has no file: name its Dockerfile or ZImagefile");
  }
  RETURN_IF_ERROR(Merge(value, draft->defaults, &section));
  RETURN_IF_ERROR(CheckSystem(value, &section.image));
  return std::move(section.image);
}

absl::Status CheckDependencies(const Field& images, const PipelineFile& file) {
  const std::vector<PipelineNode> nodes = NodesOf(file.images);
  const std::optional<DependencyError> error = FindDependencyError(nodes);
  if (!error.has_value()) {
    return absl::OkStatus();
  }
  const Field image = *images.Find(nodes[error->image].name);
  const absl::Status located = image.Find("depends_on").value_or(image).Error(error->message);
  v1::ErrorDetail detail = DetailOf(located);
  detail.set_reason(error->reason);
  detail.mutable_items()->Assign(error->items.begin(), error->items.end());
  return WithDetail(located, detail);
}

absl::Status ReadImages(const Field& value, PipelineDraft* draft) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, value.Entries());
  if (entries.empty()) {
    return value.Error(kNoImages);
  }
  if (entries.size() > kMaxImages) {
    return value.ErrorAtKey(fmt::format("there are more than {} images", kMaxImages));
  }
  const auto read = [draft](const Field& image) { return ReadImage(image, draft); };
  ASSIGN_OR_RETURN(draft->file.images, ReadEach(entries, read));
  return CheckDependencies(value, draft->file);
}

absl::Status ReadVars(const Field& value, PipelineVariables* variables) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, value.Entries());
  for (const Field& entry : entries) {
    if (!IsVariableName(entry.key())) {
      return entry.ErrorAtKey("a variable's name is letters, digits and '_', and no digit first");
    }
    std::string& variable = (*variables)[entry.key()];
    if (!entry.IsNull()) {
      ASSIGN_OR_RETURN(variable, entry.Text());
    }
  }
  return absl::OkStatus();
}

absl::Status ReadVersion(const Field& value, PipelineDraft*) {
  return value.IsNull() ? absl::OkStatus() : value.Text().status();
}

absl::Status ReadDefaults(const Field& value, PipelineDraft* draft) {
  return ReadMap(value, SettingKeys(), &draft->defaults);
}

absl::Status CheckCacheType(const Field& value, CacheSection*) {
  return value.Choice({"memory", "persistent", "s3"}).status();
}

absl::Status CheckText(const Field& value, CacheSection*) { return value.Text().status(); }

const KeyTable<CacheSection>& CacheKeys() {
  static const auto* keys = new KeyTable<CacheSection>{
      {"type", CheckCacheType}, {"path", CheckText},     {"bucket", CheckText},
      {"region", CheckText},    {"endpoint", CheckText}, {"prefix", CheckText}};
  return *keys;
}

absl::Status RefuseCache(const Field& value, PipelineDraft*) {
  CacheSection cache;
  RETURN_IF_ERROR(ReadMap(value, CacheKeys(), &cache));
  if (value.IsNull()) {
    return absl::OkStatus();
  }
  const absl::Status error = value.Error(
      "this version shares no caches; leave the section out: the daemon finds what it built before "
      "by itself");
  v1::ErrorDetail detail = DetailOf(error);
  detail.set_reason("UNSUPPORTED_OPTION");
  return WithDetail(Unimplemented(Message(error)), detail);
}

const KeyTable<PipelineFile>& PushKeys() {
  static const auto* keys = new KeyTable<PipelineFile>{
      {"after_all", Into<&PipelineFile::push_after_all, &Field::Boolean, PipelineFile>}};
  return *keys;
}

absl::Status ReadPush(const Field& value, PipelineDraft* draft) {
  return ReadMap(value, PushKeys(), &draft->file);
}

// Of keys that are read before or after all others, wherever they stand.
absl::Status ReadInTurn(const Field&, PipelineDraft*) { return absl::OkStatus(); }

const KeyTable<PipelineDraft>& TopKeys() {
  static const auto* keys = new KeyTable<PipelineDraft>{
      {"version", ReadVersion}, {"vars", ReadInTurn},   {"defaults", ReadDefaults},
      {"images", ReadInTurn},   {"cache", RefuseCache}, {"push", ReadPush}};
  return *keys;
}

absl::StatusOr<PipelineFile> ReadPipeline(const Field& root, const PipelineFileOptions& options) {
  PipelineDraft draft;
  if (const std::optional<Field> vars = root.Find("vars")) {
    RETURN_IF_ERROR(ReadVars(*vars, &draft.file.vars));
  }
  for (const auto& [name, value] : options.set) {
    draft.file.vars[name] = value;
  }
  RETURN_IF_ERROR(ReadMap(root, TopKeys(), &draft));
  if (!options.default_platforms.empty()) {
    draft.defaults.platforms = options.default_platforms;
  }
  const std::optional<Field> images = root.Find("images");
  if (!images) {
    return root.Error(kNoImages);
  }
  RETURN_IF_ERROR(ReadImages(*images, &draft));
  return std::move(draft.file);
}

}  // namespace

absl::StatusOr<PipelineFile> ParsePipelineFile(std::string_view text,
                                               const PipelineFileOptions& options) {
  const YamlFile yaml{options.name, "INVALID_PIPELINE", "INVALID_PIPELINE"};
  const absl::StatusOr<YamlNode> tree = ParseYaml(text, yaml);
  absl::StatusOr<PipelineFile> file =
      tree.ok() ? ReadPipeline(Field(*tree, yaml), options) : tree.status();
  return file.ok() ? std::move(file) : WithExcerpt(file.status(), options.name, text);
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
  return {{"", KeyNames(TopKeys())},
          {"defaults", KeyNames(SettingKeys())},
          {"images.NAME", KeyNames(ImageKeys())},
          {"cache_mounts[]", KeyNames(CacheMountKeys())},
          {"cache", KeyNames(CacheKeys())},
          {"push", KeyNames(PushKeys())}};
}

}  // namespace zlayer
