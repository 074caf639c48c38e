// Makes archives for tests: tars from a list of entries, OCI layouts from layers.
#ifndef ZLAYER_REGISTRY_IMAGE_TESTING_ARCHIVES_H_
#define ZLAYER_REGISTRY_IMAGE_TESTING_ARCHIVES_H_

#include <gtest/gtest.h>
#include <zstd.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/tar_writer.h"
#include "registry/content/content_file.h"
#include "registry/image/image_json.h"

namespace zlayer {

// Files by path; a path that ends in '/' is a directory.
using Files = std::vector<std::pair<std::string, std::string>>;

inline std::string MakeTar(const Files& files) {
  std::string bytes;
  TarWriter tar([&](std::string_view data) {
    bytes += data;
    return absl::OkStatus();
  });
  for (const auto& [path, content] : files) {
    TarHeader header;
    header.path = path;
    header.size = content.size();
    if (path.ends_with('/')) {
      header.path.pop_back();
      header.type = TarHeader::Type::kDirectory;
      header.mode = 0755;
    }
    EXPECT_TRUE(tar.Entry(header).ok());
    EXPECT_TRUE(tar.Data(content).ok());
  }
  EXPECT_TRUE(tar.Finish().ok());
  return bytes;
}

inline std::string Compress(const std::string& data) {
  std::string compressed(ZSTD_compressBound(data.size()), '\0');
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), data.data(), data.size(), 3));
  return compressed;
}

// The bytes as an unnamed file in `directory`.
inline ContentFile MakeFile(const std::string& directory, const std::string& bytes) {
  absl::StatusOr<UniqueFd> fd = OpenUnnamedFile(directory);
  EXPECT_TRUE(fd.ok());
  EXPECT_TRUE(WriteFully(fd->get(), bytes).ok());
  return {std::make_shared<const UniqueFd>(*std::move(fd)), 0, bytes.size()};
}

// An OCI layout under way. Members may be changed before Tar.
struct OciLayout {
  std::map<std::string, std::string> blobs;  // by hex digest
  std::vector<std::string> index_entries;    // JSON
  std::string layout = R"({"imageLayoutVersion":"1.0.0"})";

  Digest AddBlob(const std::string& bytes) {
    Digest digest = Digest::Of(bytes);
    blobs[digest.Hex()] = bytes;
    return digest;
  }

  // Adds configuration, manifest and layers (tars, which are compressed where `compressed`), and
  // returns the manifest's digest.
  Digest AddImage(const std::vector<std::string>& tars, bool compressed = false,
                  const std::string& architecture = "") {
    NewImage image;
    image.platform.set_os("linux");
    image.platform.set_architecture(architecture.empty() ? "amd64" : architecture);
    image.config.add_env("A=b");
    for (const std::string& tar : tars) {
      ImageLayer layer;
      std::string blob = compressed ? Compress(tar) : tar;
      layer.diff_id = Digest::Of(tar);
      layer.digest = AddBlob(blob);
      layer.size = blob.size();
      layer.media_type = compressed ? kTarZstdMediaType : kTarMediaType;
      image.layers.push_back(layer);
    }
    return AddImage(image);
  }
  Digest AddImage(const NewImage& image) {
    std::string config = WriteConfig(image);
    return AddBlob(WriteManifest(image, AddBlob(config), config.size()));
  }

  // An entry of index.json; `more` is JSON that follows its members.
  void AddEntry(const Digest& manifest, const std::string& annotations = "{}",
                const std::string& more = "", std::string_view media_type = kManifestMediaType) {
    index_entries.push_back(Entry(manifest, annotations, more, media_type));
  }
  static std::string Entry(const Digest& manifest, const std::string& annotations,
                           const std::string& more, std::string_view media_type) {
    return R"({"mediaType":")" + std::string(media_type) + R"(","digest":")" + manifest.ToString() +
           R"(","size":1,"annotations":)" + annotations + more + "}";
  }
  static std::string Index(const std::vector<std::string>& entries) {
    std::string json = R"({"schemaVersion":2,"manifests":[)";
    for (size_t i = 0; i < entries.size(); ++i) {
      json += (i == 0 ? "" : ",") + entries[i];
    }
    return json + "]}";
  }

  std::string Tar() const {
    Files files;
    for (const auto& [hex, bytes] : blobs) {
      files.emplace_back("blobs/sha256/" + hex, bytes);
    }
    files.emplace_back("index.json", Index(index_entries));
    if (!layout.empty()) {
      files.emplace_back("oci-layout", layout);
    }
    return MakeTar(files);
  }
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_TESTING_ARCHIVES_H_
