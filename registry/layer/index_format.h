// The bytes of an index (FORMAT.md), shared by the builder that writes them and the reader.
#ifndef ZLAYER_REGISTRY_LAYER_INDEX_FORMAT_H_
#define ZLAYER_REGISTRY_LAYER_INDEX_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace zlayer::index_format {

static_assert(std::endian::native == std::endian::little, "indexes are mapped as they are");

inline constexpr std::string_view kMagic("zlindex\0", 8);
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kMaxPath = 4096;
inline constexpr size_t kMaxComponent = 255;
inline constexpr size_t kMaxTarget = 4095;

inline constexpr uint8_t kOpaque = 1;
inline constexpr uint8_t kImpliedParent = 2;

inline constexpr uint8_t kXattr = 1;
inline constexpr uint8_t kPax = 2;
// Kind, length of the name, length of the value.
inline constexpr size_t kAttributeHeader = 7;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t checksum;
  uint64_t entries;
  uint64_t strings;
  uint64_t content_bytes;
  char content_digest[32];
};
static_assert(sizeof(Header) == 72);
// The checksum covers everything from here on.
inline constexpr size_t kChecksummed = offsetof(Header, entries);

struct Record {
  uint32_t path_offset;
  uint16_t path_length;
  uint8_t type;
  uint8_t flags;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t leader;
  int64_t mtime_ns;
  uint64_t size;
  char content[32];
  uint32_t link_offset;
  uint32_t link_length;
  uint32_t attributes_offset;
  uint32_t attributes_length;
};
static_assert(sizeof(Record) == 88);

// What is wrong with the components of `path`, or null. Starts at `from`, where a component starts.
const char* PathProblem(std::string_view path, size_t from = 0);
const char* TargetProblem(std::string_view target);

// Length of what both start with.
size_t CommonPrefix(std::string_view a, std::string_view b);

}  // namespace zlayer::index_format

#endif  // ZLAYER_REGISTRY_LAYER_INDEX_FORMAT_H_
