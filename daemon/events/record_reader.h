// The records of an event log file (FORMAT.md), without regard to what is in them.
#ifndef ZLAYER_DAEMON_EVENTS_RECORD_READER_H_
#define ZLAYER_DAEMON_EVENTS_RECORD_READER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace zlayer {

inline constexpr size_t kRecordHeaderSize = 12;
inline constexpr size_t kMaxRecordPayload = size_t{4} << 20;

// The header of a record with this payload, which has 1 to kMaxRecordPayload bytes.
std::string RecordHeader(std::string_view payload);

// Reads the records of an open file, which may grow meanwhile. Not thread-safe.
class RecordReader {
 public:
  static constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

  // `fd` must stay open as long as the reader lives.
  explicit RecordReader(int fd) : fd_(fd) {}

  // The next record's payload, checked; valid until the next call. Looks at the file's first
  // `limit` bytes only. False, and no buffer is kept, where no complete record is left there.
  // kDataLoss where there is one that does not check; the reader stays before it.
  absl::StatusOr<bool> Next(uint64_t limit, std::string_view* payload);

  // Passes over the next record by its header, with the same results.
  absl::StatusOr<bool> Skip(uint64_t limit);

  // Where the next record begins.
  uint64_t position() const { return position_; }

 private:
  absl::StatusOr<bool> ReadHeader(uint64_t limit, uint32_t* length, uint32_t* checksum);
  absl::StatusOr<bool> Reaches(uint64_t end, uint64_t limit);
  absl::Status Fill(size_t size);
  void ReleaseBuffer();

  const int fd_;
  uint64_t position_ = 0;
  uint64_t known_size_ = 0;  // of the file, within the limit, when last looked at
  std::string buffer_;       // file content from buffer_start_
  uint64_t buffer_start_ = 0;
};

// What is in a log file: its complete records and where they end.
struct LogExtent {
  uint64_t records = 0;
  uint64_t size = 0;  // of the complete records; the file may be longer by a torn tail
  uint64_t last = 0;  // where the last one begins
};

// Reads and checks the whole file. kDataLoss where what follows the last good record is not a torn
// tail.
absl::StatusOr<LogExtent> ScanLog(int fd);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_EVENTS_RECORD_READER_H_
