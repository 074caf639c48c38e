// What libarchive does not tell of a tar entry: where its data lies, and pax records that are not
// interpreted.
#ifndef ZLAYER_REGISTRY_LAYER_TAR_HEADER_H_
#define ZLAYER_REGISTRY_LAYER_TAR_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace zlayer {

struct RawTarHeader {
  uint64_t data_offset = 0;  // first byte after the last header block
  bool sparse = false;       // the data is not the file's bytes as they are
  std::map<std::string, std::string> pax;
};

// Returns `size` bytes of the tar at `offset`, nullopt where they cannot be had.
using TarBytes = std::function<std::optional<std::string>(uint64_t offset, size_t size)>;

// Reads the headers of the entry that begins at `offset`: extension headers up to the entry's own.
// nullopt where they make no sense or cannot be had; hostile ones are harmless.
std::optional<RawTarHeader> ReadRawTarHeader(uint64_t offset, const TarBytes& bytes);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TAR_HEADER_H_
