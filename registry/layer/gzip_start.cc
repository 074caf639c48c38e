#include "registry/layer/gzip_start.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>

#include "base/files.h"

namespace zlayer {
namespace {

constexpr size_t kStart = size_t{64} << 10;
constexpr int kGzipOnly = 16;  // what zlib adds to the size of the window

}  // namespace

std::string GzipStart(const ContentFile& file) {
  std::string packed(std::min<uint64_t>(kStart, file.size), '\0');
  z_stream stream{};
  if (!PreadFully(file.fd->get(), packed.data(), packed.size(), file.offset).ok() ||
      inflateInit2(&stream, MAX_WBITS + kGzipOnly) != Z_OK) {
    return "";
  }
  std::string start(kStart, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(start.data());
  stream.avail_out = static_cast<uInt>(start.size());
  inflate(&stream, Z_SYNC_FLUSH);  // an error leaves what was written before it
  start.resize(start.size() - stream.avail_out);
  inflateEnd(&stream);
  return start;
}

}  // namespace zlayer
