#include "registry/layer/tar_header.h"

#include <array>
#include <string_view>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kSizeOffset = 124;
constexpr size_t kSizeLength = 12;
constexpr size_t kTypeOffset = 156;
constexpr uint64_t kMaxExtension = uint64_t{1} << 20;
constexpr int kMaxExtensions = 64;

// Octal digits, or base-256 where the first byte's highest bit is set.
std::optional<uint64_t> SizeOf(std::string_view block) {
  std::string_view field = block.substr(kSizeOffset, kSizeLength);
  uint64_t size = 0;
  if ((field[0] & 0x80) != 0) {
    for (char c : field.substr(kSizeLength - 8)) {
      size = size << 8 | static_cast<unsigned char>(c);
    }
    return size;
  }
  for (char c : field) {
    if (c == ' ' || c == '\0') {
      continue;
    }
    if (c < '0' || c > '7') {
      return std::nullopt;
    }
    size = size * 8 + static_cast<uint64_t>(c - '0');
  }
  return size;
}

// Whether a header of this type describes the entry that follows it.
bool IsExtension(char type) {
  return std::string_view("xXgLKVAN").find(type) != std::string_view::npos;
}

// Records that the index has fields for, that say how the archive was made, or that would bring
// back what was left out.
bool IsInterpreted(std::string_view key) {
  static constexpr std::array<std::string_view, 13> kKeys = {
      "path",  "linkpath", "size",  "uid",     "gid",     "uname",     "gname",
      "mtime", "atime",    "ctime", "charset", "comment", "hdrcharset"};
  for (std::string_view known : kKeys) {
    if (key == known) {
      return true;
    }
  }
  return key.starts_with("SCHILY.") || key.starts_with("LIBARCHIVE.") || key.starts_with("GNU.") ||
         key.starts_with("RHT.");
}

// Records are "<length> <key>=<value>\n", the length counts all of the record.
void ReadRecords(std::string_view body, RawTarHeader* header) {
  while (!body.empty()) {
    size_t space = body.find(' ');
    std::optional<uint64_t> length = ParseUint(body.substr(0, space));
    if (space == std::string_view::npos || !length || *length > body.size() ||
        *length < space + 3) {
      return;
    }
    std::string_view record = body.substr(space + 1, *length - space - 2);
    body.remove_prefix(*length);
    size_t equal = record.find('=');
    if (equal == std::string_view::npos || equal == 0) {
      continue;
    }
    std::string_view key = record.substr(0, equal);
    header->sparse = header->sparse || key.starts_with("GNU.sparse.");
    if (!IsInterpreted(key) && key.find('\0') == std::string_view::npos) {
      header->pax.insert_or_assign(std::string(key), std::string(record.substr(equal + 1)));
    }
  }
}

}  // namespace

std::optional<RawTarHeader> ReadRawTarHeader(uint64_t offset, const TarBytes& bytes) {
  RawTarHeader header;
  for (int extensions = 0; extensions < kMaxExtensions; ++extensions) {
    std::optional<std::string> block = bytes(offset, kBlock);
    if (!block || block->size() != kBlock) {
      return std::nullopt;
    }
    offset += kBlock;
    char type = (*block)[kTypeOffset];
    if (!IsExtension(type)) {
      header.data_offset = offset;
      header.sparse = header.sparse || type == 'S';
      return header;
    }
    std::optional<uint64_t> size = SizeOf(*block);
    if (!size || *size > kMaxExtension) {
      return std::nullopt;
    }
    if (type == 'x' || type == 'X') {
      std::optional<std::string> body = bytes(offset, *size);
      if (!body) {
        return std::nullopt;
      }
      ReadRecords(*body, &header);
    }
    offset += (*size + kBlock - 1) / kBlock * kBlock;
  }
  return std::nullopt;
}

}  // namespace zlayer
