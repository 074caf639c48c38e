#include "registry/image/archive_blobs.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

constexpr std::string_view kBlobsPrefix = "blobs/sha256/";
constexpr size_t kMaxBlobs = 100'000;

absl::Status CheckLayout(std::string_view json) {
  if (json.empty()) {
    return InvalidArgument("the OCI archive has no file \"oci-layout\"");
  }
  absl::StatusOr<nlohmann::json> document = ParseJsonObject(json, kMaxManifestBytes);
  if (!document.ok()) {
    return Annotate(document.status(), "the archive's oci-layout");
  }
  absl::Status status;
  std::string version = JsonMember(*document, &status)["imageLayoutVersion"].String();
  if (!version.starts_with("1.")) {
    return InvalidArgument(fmt::format(
        "the archive's oci-layout has the version \"{}\", only 1.0.0 is known", ToUtf8(version)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadDocument(const ArchivedFile& file, const ArchiveFileReader& read,
                          std::string* text) {
  if (file.size > kMaxManifestBytes) {
    return InvalidArgument(fmt::format("the archive's {} has {} bytes, at most {} are allowed",
                                       file.path, file.size, kMaxManifestBytes));
  }
  text->clear();
  return read([&](std::string_view data) {
    text->append(data);
    return absl::OkStatus();
  });
}

absl::Status ArchiveBlobs::Add(const ContentFile& archive, std::stop_token stop) {
  RETURN_IF_ERROR(ReadArchiveFiles(
      archive, ArchiveLimits(),
      [this](const ArchivedFile& file, const ArchiveFileReader& read) {
        return file.kind == ArchivedFile::Kind::kFile ? AddFile(file, read) : absl::OkStatus();
      },
      std::move(stop)));
  RETURN_IF_ERROR(CheckLayout(layout_));
  if (index_.empty()) {
    return InvalidArgument("the OCI archive has no file \"index.json\"");
  }
  return absl::OkStatus();
}

absl::Status ArchiveBlobs::AddFile(const ArchivedFile& file, const ArchiveFileReader& read) {
  const std::string& path = file.path;
  if (path == "index.json") {
    return ReadDocument(file, read, &index_);
  }
  if (path == "oci-layout") {
    return ReadDocument(file, read, &layout_);
  }
  if (path == "manifest.json") {
    return ReadDocument(file, read, &docker_manifest_);
  }
  if (!path.starts_with(kBlobsPrefix)) {
    return absl::OkStatus();
  }
  absl::StatusOr<Digest> digest = Digest::FromHex(path.substr(kBlobsPrefix.size()));
  if (!digest.ok()) {
    return InvalidArgument(
        fmt::format("the archive's file {} is not named by a digest", ToUtf8(path)));
  }
  return AddBlob(*digest, read);
}

absl::Status ArchiveBlobs::AddBlob(const Digest& digest, const ArchiveFileReader& read) {
  if (present_.size() >= kMaxBlobs) {
    return InvalidArgument(fmt::format("the archive has more than {} blobs", kMaxBlobs));
  }
  lease_.AddNew(digest);
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, blobs_->NewBlob());
  RETURN_IF_ERROR(read([&](std::string_view data) { return writer->Append(data); }));
  absl::Status status = writer->Commit(digest).status();
  if (status.code() == absl::StatusCode::kDataLoss) {
    return InvalidArgument(fmt::format("the archive is damaged: {}", Message(status)));
  }
  RETURN_IF_ERROR(status);
  present_.insert(digest);
  return absl::OkStatus();
}

absl::StatusOr<ContentFile> ArchiveBlobs::Open(const Digest& digest, std::string_view what) const {
  if (!Has(digest)) {
    return InvalidArgument(
        fmt::format("the archive lacks the blob {} of {}", digest.ToString(), what));
  }
  return blobs_->Open(digest);
}

absl::StatusOr<std::string> ArchiveBlobs::Read(const Digest& digest, std::string_view what,
                                               size_t limit) const {
  ASSIGN_OR_RETURN(ContentFile file, Open(digest, what));
  if (file.size > limit) {
    return InvalidArgument(fmt::format("the blob {} of {} has {} bytes, at most {} are allowed",
                                       digest.ToString(), what, file.size, limit));
  }
  return blobs_->Read(digest);
}

}  // namespace zlayer
