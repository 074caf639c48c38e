#include "registry/layer/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/layer/tar_input.h"
#include "registry/layer/unpack_view.h"

namespace zlayer {
namespace {

absl::StatusOr<EntryType> TypeOf(archive_entry* entry) {
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryType::kFile;
    case AE_IFDIR:
      return EntryType::kDirectory;
    case AE_IFLNK:
      return EntryType::kSymlink;
    case AE_IFIFO:
      return EntryType::kFifo;
    case AE_IFCHR:
      return EntryType::kCharacterDevice;
    case AE_IFBLK:
      return EntryType::kBlockDevice;
    default:
      return InvalidArgument(fmt::format("it has the unknown type {:o}",
                                         static_cast<unsigned>(archive_entry_filetype(entry))));
  }
}

absl::StatusOr<uint32_t> OwnerOf(int64_t id) {
  if (id < 0 || id > std::numeric_limits<uint32_t>::max()) {
    return InvalidArgument(fmt::format("it has the impossible owner or group {}", id));
  }
  return static_cast<uint32_t>(id);
}

void CopyXattrs(archive_entry* from, Entry* to) {
  archive_entry_xattr_reset(from);
  const char* name;
  const void* value;
  size_t size;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    if (name != nullptr && KeepsXattr(name)) {
      to->xattrs.insert_or_assign(name, std::string(static_cast<const char*>(value), size));
    }
  }
}

// All but the content.
absl::StatusOr<Entry> EntryOf(const TarInput& input) {
  archive_entry* from = input.entry();
  Entry entry;
  entry.path = input.path();
  ASSIGN_OR_RETURN(entry.type, TypeOf(from));
  entry.mode = archive_entry_perm(from);
  ASSIGN_OR_RETURN(entry.uid, OwnerOf(archive_entry_uid(from)));
  ASSIGN_OR_RETURN(entry.gid, OwnerOf(archive_entry_gid(from)));
  entry.mtime_ns = TimeInNs(archive_entry_mtime(from), archive_entry_mtime_nsec(from));
  if (entry.type == EntryType::kFile) {
    entry.size = static_cast<uint64_t>(archive_entry_size(from));
  }
  if (const char* target = archive_entry_symlink(from); target != nullptr) {
    entry.link_target = target;
  }
  if (entry.type == EntryType::kCharacterDevice || entry.type == EntryType::kBlockDevice) {
    entry.device = makedev(archive_entry_rdevmajor(from), archive_entry_rdevminor(from));
  }
  CopyXattrs(from, &entry);
  return entry;
}

class ArchiveReader {
 public:
  ArchiveReader(const ContentFile& file, bool in_place, PackWriter* pack, TarInput* input,
                UnpackView* view)
      : file_(file), in_place_(in_place), pack_(pack), input_(input), view_(view) {}

  // Takes the entry that the input is at.
  absl::Status Take();
  std::vector<ContentStore::BlobRange> ranges() && { return std::move(ranges_); }

 private:
  absl::StatusOr<Digest> TakeContent(const std::optional<RawTarHeader>& header);
  absl::StatusOr<Digest> TakeInPlace(uint64_t offset, uint64_t size);

  const ContentFile& file_;
  const bool in_place_;
  PackWriter* const pack_;
  TarInput* const input_;
  UnpackView* const view_;
  std::vector<ContentStore::BlobRange> ranges_;
};

absl::Status ArchiveReader::Take() {
  if (const char* target = archive_entry_hardlink(input_->entry()); target != nullptr) {
    return view_->PutHardLink(input_->path(), target);
  }
  if (archive_entry_filetype(input_->entry()) == AE_IFSOCK) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Entry entry, EntryOf(*input_));
  if (entry.type != EntryType::kDirectory && CleanPath(entry.path).empty()) {
    return absl::OkStatus();  // some programs write such a file first; the root stays a directory
  }
  std::optional<RawTarHeader> header = input_->RawHeader();
  if (header) {
    entry.pax = header->pax;
  }
  if (entry.type == EntryType::kFile) {
    ASSIGN_OR_RETURN(entry.content, TakeContent(header));
  }
  return view_->Put(std::move(entry));
}

absl::StatusOr<Digest> ArchiveReader::TakeContent(const std::optional<RawTarHeader>& header) {
  auto size = static_cast<uint64_t>(archive_entry_size(input_->entry()));
  bool plain = header && !header->sparse && archive_entry_sparse_count(input_->entry()) == 0 &&
               header->data_offset <= file_.size && size <= file_.size - header->data_offset;
  if (in_place_ && plain) {
    return TakeInPlace(header->data_offset, size);
  }
  absl::Status read =
      input_->ReadData([this](std::string_view piece) { return pack_->Append(piece); });
  if (!read.ok()) {
    pack_->Abandon();
    return read;
  }
  return pack_->End();
}

// The bytes at `offset` are compared with those that libarchive reads: a tar that two readers
// understand in two ways is refused.
absl::StatusOr<Digest> ArchiveReader::TakeInPlace(uint64_t offset, uint64_t size) {
  Sha256 sha256;
  std::string buffer;
  uint64_t at = offset;
  RETURN_IF_ERROR(input_->ReadData([&](std::string_view piece) -> absl::Status {
    buffer.resize(piece.size());
    RETURN_IF_ERROR(PreadFully(file_.fd->get(), buffer.data(), buffer.size(), file_.offset + at));
    if (buffer != piece) {
      return InvalidArgument("its headers contradict each other");
    }
    at += piece.size();
    sha256.Update(piece);
    return absl::OkStatus();
  }));
  ContentStore::BlobRange range;
  range.content = sha256.Finish();
  range.offset = offset;
  range.size = size;
  ranges_.push_back(range);
  return range.content;
}

absl::Status AtEntry(const absl::Status& status, const TarInput& input) {
  return Annotate(status, fmt::format("entry '{}' of the archive", ToUtf8(input.path())));
}

// Nothing for what is neither a file nor a link.
std::optional<ArchivedFile> ArchivedFileOf(const TarInput& input) {
  ArchivedFile file;
  file.path = CleanPath(input.path());
  if (const char* hard = archive_entry_hardlink(input.entry()); hard != nullptr) {
    file.kind = ArchivedFile::Kind::kHardLink;
    file.target = hard;
  } else if (const char* target = archive_entry_symlink(input.entry()); target != nullptr) {
    file.kind = ArchivedFile::Kind::kSymlink;
    file.target = target;
  } else if (input.IsFile()) {
    file.size = static_cast<uint64_t>(archive_entry_size(input.entry()));
  } else {
    return std::nullopt;
  }
  return file;
}

}  // namespace

bool IsArchive(const ContentFile& file) {
  auto input = TarInput::Open(file, ArchiveLimits(), {});
  return input.ok() && (*input)->Next().value_or(false);
}

absl::StatusOr<ArchiveResult> ReadArchive(const ContentFile& file, const ArchiveOptions& options,
                                          bool in_place, PackWriter* pack,
                                          LayerIndexBuilder* builder, std::stop_token stop) {
  ASSIGN_OR_RETURN(std::unique_ptr<TarInput> input,
                   TarInput::Open(file, options.limits, std::move(stop)));
  UnpackView view(options.layer, options.below, builder);
  in_place = in_place && !input->compressed();
  ArchiveReader reader(file, in_place, pack, input.get(), &view);
  while (true) {
    ASSIGN_OR_RETURN(bool more, input->Next());
    if (!more) {
      break;
    }
    absl::Status taken = reader.Take();
    if (!taken.ok()) {
      return AtEntry(taken, *input);
    }
  }
  RETURN_IF_ERROR(input->Drain());
  ArchiveResult result;
  result.tar_digest = input->digest();
  result.tar_size = input->size();
  result.uncompressed = in_place;
  result.ranges = std::move(reader).ranges();
  return result;
}

absl::StatusOr<StoredArchive> StoreArchive(const ContentFile& file, ContentStore* contents,
                                           std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<PackWriter> pack, contents->NewPack());
  LayerIndexBuilder builder;
  ASSIGN_OR_RETURN(const ArchiveResult read, ReadArchive(file, ArchiveOptions(), /*in_place=*/false,
                                                         pack.get(), &builder, std::move(stop)));
  RETURN_IF_ERROR(pack->Commit());
  StoredArchive stored{.entries = builder.size(), .tar_size = read.tar_size};
  ASSIGN_OR_RETURN(stored.index, builder.Serialize());
  return stored;
}

absl::Status ReadArchiveFiles(
    const ContentFile& file, const ArchiveLimits& limits,
    const std::function<absl::Status(const ArchivedFile& entry, const ArchiveFileReader& read)>&
        visit,
    std::stop_token stop) {
  ASSIGN_OR_RETURN(std::unique_ptr<TarInput> input, TarInput::Open(file, limits, std::move(stop)));
  while (true) {
    ASSIGN_OR_RETURN(bool more, input->Next());
    if (!more) {
      return absl::OkStatus();
    }
    std::optional<ArchivedFile> entry = ArchivedFileOf(*input);
    if (!entry) {
      continue;
    }
    absl::Status visited =
        visit(*entry, [&input](const auto& sink) { return input->ReadData(sink); });
    if (!visited.ok()) {
      return AtEntry(visited, *input);
    }
  }
}

absl::StatusOr<bool> IsCompressed(const ContentFile& file) {
  return file.size == 0 ? false : TarInput::IsCompressed(file);
}

absl::Status ReadUncompressed(const ContentFile& file, const ArchiveLimits& limits,
                              const std::function<absl::Status(std::string_view)>& sink,
                              std::stop_token stop) {
  return file.size == 0 ? absl::OkStatus()
                        : TarInput::ReadUncompressed(file, limits, sink, std::move(stop));
}

}  // namespace zlayer
