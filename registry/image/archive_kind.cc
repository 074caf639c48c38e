#include "registry/image/archive_kind.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/layer/archive.h"

namespace zlayer {
namespace {

// A file below one of these settles the matter without reading on.
constexpr std::array<std::string_view, 14> kSystemDirectories = {
    "bin", "boot", "dev", "etc",  "home", "lib", "lib64",
    "opt", "root", "run", "sbin", "srv",  "usr", "var"};

bool IsInSystemDirectory(std::string_view path) {
  size_t slash = path.find('/');
  return slash != std::string_view::npos &&
         std::find(kSystemDirectories.begin(), kSystemDirectories.end(), path.substr(0, slash)) !=
             kSystemDirectories.end();
}

bool IsHexDigest(std::string_view text) {
  return text.size() == 2 * Digest::kSize &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A file that `docker save`, podman and skopeo name by a digest: "<hex>.json", "<hex>.tar",
// "<hex>/layer.tar". They come before manifest.json.
bool IsDockers(std::string_view path) {
  for (std::string_view suffix : {".json", ".tar", "/layer.tar", "/json", "/VERSION"}) {
    if (path.ends_with(suffix) && IsHexDigest(path.substr(0, path.size() - suffix.size()))) {
      return true;
    }
  }
  return false;
}

struct Seen {
  bool layout = false;
  bool system = false;
  bool dockers = false;
  bool index = false;
  bool blobs = false;
  bool docker_manifest = false;

  void Add(std::string_view path) {
    layout = layout || path == "oci-layout";
    // Docker writes archives that are both, with a name for each blob.
    dockers = dockers || (IsDockers(path) && !blobs && !layout);
    system = system || IsInSystemDirectory(path);
    index = index || path == "index.json";
    blobs = blobs || path.starts_with("blobs/sha256/");
    docker_manifest = docker_manifest || path == "manifest.json";
  }
  bool Settled() const { return layout || system || dockers; }
  ArchiveKind Kind() const {
    if (layout || (index && blobs && !system)) {
      return ArchiveKind::kOci;
    }
    return dockers || (docker_manifest && !system) ? ArchiveKind::kDocker
                                                   : ArchiveKind::kRootFilesystem;
  }
};

}  // namespace

absl::StatusOr<ArchiveKind> DetectArchive(const ContentFile& archive, std::stop_token stop) {
  if (!IsArchive(archive)) {
    return InvalidArgument(
        "the file is not an archive: an OCI archive, a Docker archive or a tar of a root "
        "filesystem "
        "is needed, plain or compressed with gzip, bzip2, xz or zstd");
  }
  Seen seen;
  absl::Status status = ReadArchiveFiles(
      archive, ArchiveLimits(),
      [&](const ArchivedFile& file, const ArchiveFileReader&) -> absl::Status {
        seen.Add(file.path);
        return seen.Settled() ? Cancelled("the kind is known") : absl::OkStatus();
      },
      std::move(stop));
  if (!seen.Settled()) {
    RETURN_IF_ERROR(status);
  }
  return seen.Kind();
}

}  // namespace zlayer
