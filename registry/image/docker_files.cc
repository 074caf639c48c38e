#include "registry/image/docker_files.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/archive_blobs.h"

namespace zlayer {
namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr size_t kMaxFiles = 100'000;
constexpr size_t kMaxPath = 256;
constexpr int kMaxHops = 16;

// What versions of Docker before 1.10 read; all of it is said elsewhere.
bool IsForOldDocker(std::string_view path) {
  std::string_view name = BaseName(path);
  return path == "repositories" || (name != path && (name == "json" || name == "VERSION"));
}

// `target` as seen from `directory`, without ever leaving the archive; nothing where it does.
std::optional<std::string> Inside(std::string_view directory, std::string_view target) {
  if (target.starts_with('/')) {
    return std::nullopt;
  }
  std::string path(directory);
  for (std::string_view component : Split(target, '/')) {
    if (component.empty() || component == ".") {
      continue;
    }
    if (component == "..") {
      if (path.empty()) {
        return std::nullopt;
      }
      path.resize(ParentPath(path).size());
      continue;
    }
    path += fmt::format("{}{}", path.empty() ? "" : "/", component);
  }
  return path;
}

absl::Status FoundTwice(std::string_view path) {
  return InvalidArgument(fmt::format("the archive has two different files \"{}\"", ToUtf8(path)));
}

absl::Status LeadsOut(std::string_view path, std::string_view what) {
  return InvalidArgument(fmt::format("{}, \"{}\", is not within the archive", what, ToUtf8(path)));
}

}  // namespace

absl::Status DockerFiles::Add(const ContentFile& archive, std::stop_token stop) {
  RETURN_IF_ERROR(ReadArchiveFiles(
      archive, ArchiveLimits(),
      [this, &stop](const ArchivedFile& entry, const ArchiveFileReader& read) {
        return AddEntry(entry, read, stop);
      },
      stop));
  if (!found_manifest_.has_value()) {
    return InvalidArgument(
        "the Docker archive has no file \"manifest.json\": save it again with Docker 1.10 or "
        "later");
  }
  manifest_ = *std::exchange(found_manifest_, std::nullopt);
  return absl::OkStatus();
}

absl::Status DockerFiles::AddEntry(const ArchivedFile& entry, const ArchiveFileReader& read,
                                   const std::stop_token& stop) {
  if (entry.path == kManifest && entry.kind == ArchivedFile::Kind::kFile) {
    std::string text;
    RETURN_IF_ERROR(ReadDocument(entry, read, &text));
    if (found_manifest_.has_value() && *found_manifest_ != text) {
      return FoundTwice(entry.path);
    }
    found_manifest_ = std::move(text);
    return absl::OkStatus();
  }
  // No manifest.json that other tools read names a longer path.
  if (IsForOldDocker(entry.path) || entry.path.size() > kMaxPath) {
    return absl::OkStatus();
  }
  if (files_.size() + links_.size() >= kMaxFiles) {
    return InvalidArgument(fmt::format("the archive has more than {} files", kMaxFiles));
  }
  return entry.kind == ArchivedFile::Kind::kFile ? AddFile(entry.path, read, stop) : AddLink(entry);
}

absl::Status DockerFiles::AddLink(const ArchivedFile& entry) {
  if (entry.target.size() > kMaxPath) {
    return absl::OkStatus();
  }
  std::optional<std::string> target = Inside(
      entry.kind == ArchivedFile::Kind::kHardLink ? "" : ParentPath(entry.path), entry.target);
  auto [link, added] = links_.emplace(entry.path, target);
  return files_.contains(entry.path) || (!added && link->second != target) ? FoundTwice(entry.path)
                                                                           : absl::OkStatus();
}

absl::Status DockerFiles::AddFile(const std::string& path, const ArchiveFileReader& read,
                                  const std::stop_token& stop) {
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, parts_.blobs->NewBlob());
  RETURN_IF_ERROR(read([&](std::string_view data) { return writer->Append(data); }));
  ASSIGN_OR_RETURN(bool compressed, IsCompressed(writer->Written()));
  if (compressed) {
    ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> unpacked, parts_.blobs->NewBlob());
    RETURN_IF_ERROR(ReadUncompressed(
        writer->Written(), ArchiveLimits(),
        [&](std::string_view data) { return unpacked->Append(data); }, stop));
    writer = std::move(unpacked);
  }
  const File file{writer->Finish(), writer->Written().size};
  lease_.AddNew(file.digest);
  RETURN_IF_ERROR(writer->Commit(file.digest).status());
  auto [known, added] = files_.emplace(path, file);
  return links_.contains(path) || (!added && known->second.digest != file.digest)
             ? FoundTwice(path)
             : absl::OkStatus();
}

absl::StatusOr<DockerFiles::File> DockerFiles::Find(std::string_view path,
                                                    std::string_view what) const {
  std::optional<std::string> at = Inside("", path);
  for (int hops = 0; at.has_value() && hops < kMaxHops; ++hops) {
    if (auto file = files_.find(*at); file != files_.end()) {
      return file->second;
    }
    auto link = links_.find(*at);
    if (link == links_.end()) {
      return InvalidArgument(
          fmt::format("the archive lacks the file \"{}\", {}", ToUtf8(path), what));
    }
    at = link->second;
  }
  return at.has_value() ? InvalidArgument(fmt::format("{}, \"{}\", is a link that leads nowhere",
                                                      what, ToUtf8(path)))
                        : LeadsOut(path, what);
}

absl::StatusOr<Digest> DockerFiles::AddDocument(const std::string& json) {
  lease_.AddNew(Digest::Of(json));
  return parts_.blobs->Write(json);
}

}  // namespace zlayer
