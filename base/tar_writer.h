// Writes POSIX tar (pax interchange format, IEEE 1003.1-2001), byte for byte the same for the same
// input on every machine: the form that layer tars (format 1, after containerd's) and OCI archives
// have.
//
// Format: ustar headers with empty user and group names; a pax record only for what a ustar field
// cannot hold (a path or link over 100 bytes or not ASCII, a large size, owner or time) and for
// xattrs (SCHILY.xattr.*), records sorted by name; times in whole seconds, rounded down; two zero
// blocks at the end and no further padding.
#ifndef ZLAYER_BASE_TAR_WRITER_H_
#define ZLAYER_BASE_TAR_WRITER_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace zlayer {

struct TarHeader {
  enum class Type : char {
    kFile = '0',
    kHardLink = '1',
    kSymlink = '2',
    kCharacterDevice = '3',
    kBlockDevice = '4',
    kDirectory = '5',
    kFifo = '6',
  };
  std::string path;         // relative; a directory's without its final '/', which is added
  Type type = Type::kFile;
  uint32_t mode = 0644;     // permission bits with setuid, setgid, sticky
  uint64_t uid = 0;
  uint64_t gid = 0;
  int64_t mtime_ns = 0;
  uint64_t size = 0;        // kFile only
  std::string link_target;  // kHardLink, kSymlink
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::map<std::string, std::string> xattrs;
  // Further pax records, kept as they came.
  std::map<std::string, std::string> pax;
};

// Use: Entry, then for a file with a size the content in Data calls, then the next Entry; Finish at
// the end. Content that is shorter or longer than its header's size is kInternal. Not thread-safe.
class TarWriter {
 public:
  // `sink` takes the bytes in order; its first error ends the writing and is returned.
  using Sink = std::function<absl::Status(std::string_view)>;
  explicit TarWriter(Sink sink);

  absl::Status Entry(const TarHeader& header);
  absl::Status Data(std::string_view data);
  // As if `size` bytes of content had been given and written, which the sink does not get.
  absl::Status Skip(uint64_t size);
  absl::Status Finish();

  // Bytes given to the sink so far, and skipped: after Entry, the offset of the file's content.
  uint64_t offset() const { return offset_; }

 private:
  absl::Status Write(std::string_view data);
  absl::Status Take(uint64_t size);
  absl::Status Pad();

  Sink sink_;
  uint64_t offset_ = 0;
  uint64_t left_ = 0;  // bytes of the current file that are still to come
};

// Bytes that Entry would write for `header`: 512 and, with pax records, more.
uint64_t TarHeaderSize(const TarHeader& header);

}  // namespace zlayer

#endif  // ZLAYER_BASE_TAR_WRITER_H_
