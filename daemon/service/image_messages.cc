#include "daemon/service/image_messages.h"

#include <algorithm>
#include <vector>

#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

google::protobuf::Timestamp ToTimestamp(int64_t unix_ns) {
  google::protobuf::Timestamp time;
  int64_t nanos = (unix_ns % kSecond + kSecond) % kSecond;
  time.set_seconds((unix_ns - nanos) / kSecond);
  time.set_nanos(static_cast<int32_t>(nanos));
  return time;
}

}  // namespace

v1::Image ToImage(const StoredImage& image, const std::string& reference) {
  v1::Image message;
  message.set_reference(reference);
  if (absl::StatusOr<Reference> parsed = Reference::Parse(reference); parsed.ok()) {
    message.set_familiar_name(parsed->Familiar());
  }
  message.set_manifest_digest(image.manifest.ToString());
  if (image.kind != ManifestKind::kIndex) {
    message.set_config_digest(image.config_digest.ToString());
  }
  if (image.created_ns != 0) {
    *message.mutable_created() = ToTimestamp(image.created_ns);
  }
  message.set_size_bytes(image.size);
  if (!image.platform.os().empty()) {
    *message.mutable_platform() = image.platform;
  }
  for (const IndexedImage& part : image.index) {
    if (part.platform.os() != "unknown") {
      *message.add_platforms() = part.platform;
    }
  }
  return message;
}

v1::Image ToImageNamed(const StoredImage& image, const std::string& wanted) {
  const std::vector<std::string>& names = image.references;
  if (absl::StatusOr<Reference> parsed = Reference::Parse(wanted); parsed.ok()) {
    std::string normalized = parsed->Normalized();
    if (std::find(names.begin(), names.end(), normalized) != names.end()) {
      return ToImage(image, normalized);
    }
  }
  return ToImage(image, names.empty() ? "" : names.front());
}

v1::ImageDetail ToDetail(const StoredImage& image, const std::string& wanted) {
  v1::ImageDetail detail;
  *detail.mutable_image() = ToImageNamed(image, wanted);
  detail.mutable_references()->Assign(image.references.begin(), image.references.end());
  *detail.mutable_config() = image.config;
  for (const ImageLayer& layer : image.layers) {
    v1::LayerDetail* message = detail.add_layers();
    message->set_diff_id(layer.diff_id.ToString());
    message->set_digest(layer.digest.ToString());
    message->set_media_type(layer.media_type);
    message->set_size_bytes(layer.size);
  }
  for (const ImageHistory& entry : image.history) {
    v1::HistoryEntry* message = detail.add_history();
    message->set_created_by(entry.created_by);
    if (entry.created_ns != 0) {
      *message->mutable_created() = ToTimestamp(entry.created_ns);
    }
    message->set_empty_layer(entry.empty_layer);
    message->set_comment(entry.comment);
    message->set_author(entry.author);
  }
  detail.set_manifest_json(image.manifest_json);
  detail.set_config_json(image.config_json);
  return detail;
}

}  // namespace zlayer
