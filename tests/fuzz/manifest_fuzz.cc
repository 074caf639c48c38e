// The input is a document of a registry or an archive: a manifest of any kind, a configuration, the
// list of a Docker archive. What is read has sizes that can be added up, and what is written of it
// is read again as the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "registry/image/image_json.h"
#include "tests/fuzz/check.h"

namespace {

void CheckLayers(std::string_view json, const zlayer::ManifestDocument& manifest) {
  std::vector<zlayer::ImageLayer> layers;
  for (const zlayer::Descriptor& layer : manifest.layers) {
    FUZZ_CHECK(layer.size <= uint64_t{INT64_MAX});
    layers.push_back({{}, {}, layer.digest, layer.size, std::string(zlayer::kTarMediaType)});
  }
  const auto again =
      zlayer::ParseManifest(zlayer::WithLayers(zlayer::ImageFormat::kOci, json, layers));
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->config.digest == manifest.config.digest);
  FUZZ_CHECK(again->layers.size() == layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    FUZZ_CHECK(again->layers[i].digest == layers[i].digest);
    FUZZ_CHECK(again->layers[i].size == layers[i].size);
  }
}

void CheckIndex(std::string_view json, std::vector<zlayer::Descriptor> manifests) {
  const auto again = zlayer::ParseIndex(zlayer::WriteIndex(manifests, {}));
  FUZZ_CHECK(again.ok());
  zlayer::KeepEntries(json, &manifests);
  const auto kept = zlayer::ParseIndex(zlayer::WriteIndex(manifests, {}, json));
  FUZZ_CHECK(kept.ok());
  FUZZ_CHECK(kept->size() == manifests.size());
  FUZZ_CHECK(again->size() == manifests.size());
  for (size_t i = 0; i < manifests.size(); ++i) {
    FUZZ_CHECK((*again)[i].digest == manifests[i].digest);
    FUZZ_CHECK((*kept)[i].digest == manifests[i].digest);
    FUZZ_CHECK((*again)[i].platform.os() == manifests[i].platform.os());
  }
}

void CheckConfig(zlayer::ConfigDocument document) {
  zlayer::NewImage image;
  image.platform = std::move(document.platform);
  image.config = std::move(document.config);
  image.history = std::move(document.history);
  for (const zlayer::Digest& diff_id : document.diff_ids) {
    image.layers.push_back({{}, diff_id, diff_id, 0, std::string(zlayer::kTarMediaType)});
  }
  const auto again = zlayer::ParseConfig(zlayer::WriteConfig(image));
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->diff_ids == document.diff_ids);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  zlayer::ParseAnyManifest("", json).IgnoreError();
  zlayer::ParseAnyManifest(zlayer::kManifestMediaType, json).IgnoreError();
  zlayer::ParseAnyManifest(zlayer::kIndexMediaType, json).IgnoreError();
  zlayer::ParseDockerArchive(json).IgnoreError();
  if (const auto manifest = zlayer::ParseManifest(json); manifest.ok()) {
    CheckLayers(json, *manifest);
  }
  if (const auto index = zlayer::ParseIndex(json); index.ok()) {
    CheckIndex(json, *index);
  }
  if (auto config = zlayer::ParseConfig(json); config.ok()) {
    CheckConfig(*std::move(config));
  }
  return 0;
}
