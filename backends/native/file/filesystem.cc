#include "backends/native/file/filesystem.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {

absl::StatusOr<ContentFile> Filesystem::Open(const RootfsEntry& file) const {
  Entry entry = file.entry;
  entry.path = view.PathInLayers(entry.path);
  return layers->OpenContent(*view.layers()[file.layer], entry);
}

absl::StatusOr<std::string> Filesystem::ReadSmallFile(std::string_view path) const {
  constexpr uint64_t kLimit = uint64_t{4} << 20;
  ASSIGN_OR_RETURN(const std::string resolved, view.Resolve(path));
  const std::optional<RootfsEntry> file = view.Lookup(resolved);
  if (!file.has_value() || file->entry.type != EntryType::kFile) {
    return std::string();
  }
  if (file->entry.size > kLimit) {
    return ResourceExhausted(
        fmt::format("/{} has {} bytes; at most {} are read", path, file->entry.size, kLimit));
  }
  ASSIGN_OR_RETURN(const ContentFile content, Open(*file));
  std::string bytes(content.size, '\0');
  RETURN_IF_ERROR(PreadFully(content.fd->get(), bytes.data(), bytes.size(), content.offset));
  return bytes;
}

}  // namespace zlayer
