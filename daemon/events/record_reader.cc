#include "daemon/events/record_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/crc32c.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kBufferSize = size_t{64} << 10;

void PutU32(std::string* out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

uint32_t GetU32(std::string_view bytes, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i);
  }
  return value;
}

bool ParseHeader(std::string_view header, uint32_t* length, uint32_t* checksum) {
  *length = GetU32(header, 0);
  *checksum = GetU32(header, 4);
  return *length > 0 && *length <= kMaxRecordPayload &&
         GetU32(header, 8) == Crc32c(header.substr(0, 8));
}

absl::StatusOr<uint64_t> FileSize(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return ErrnoError("reading the size of an event log");
  }
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<bool> OnlyZeros(int fd, uint64_t begin, uint64_t end) {
  std::string buffer;
  while (begin < end) {
    buffer.resize(std::min<uint64_t>(kBufferSize, end - begin));
    RETURN_IF_ERROR(PreadFully(fd, buffer.data(), buffer.size(), begin));
    if (buffer.find_first_not_of('\0') != std::string::npos) {
      return false;
    }
    begin += buffer.size();
  }
  return true;
}

// Whether the complete record at `begin` that does not check is a torn tail all the same.
absl::StatusOr<bool> IsTornTail(int fd, uint64_t begin, uint64_t end) {
  std::string header(kRecordHeaderSize, '\0');
  RETURN_IF_ERROR(PreadFully(fd, header.data(), header.size(), begin));
  uint32_t length;
  uint32_t checksum;
  if (ParseHeader(header, &length, &checksum)) {
    return begin + kRecordHeaderSize + length == end;
  }
  return OnlyZeros(fd, begin, end);
}

}  // namespace

std::string RecordHeader(std::string_view payload) {
  std::string header;
  PutU32(&header, static_cast<uint32_t>(payload.size()));
  PutU32(&header, Crc32c(payload));
  PutU32(&header, Crc32c(header));
  return header;
}

absl::StatusOr<bool> RecordReader::Next(uint64_t limit, std::string_view* payload) {
  uint32_t length;
  uint32_t checksum;
  ASSIGN_OR_RETURN(bool found, ReadHeader(limit, &length, &checksum));
  if (!found) {
    return false;
  }
  RETURN_IF_ERROR(Fill(kRecordHeaderSize + length));
  std::string_view rest = buffer_;
  *payload = rest.substr(position_ - buffer_start_ + kRecordHeaderSize, length);
  if (Crc32c(*payload) != checksum) {
    ReleaseBuffer();
    return DataLoss(fmt::format("the record at byte {} is damaged", position_));
  }
  position_ += kRecordHeaderSize + length;
  return true;
}

absl::StatusOr<bool> RecordReader::Skip(uint64_t limit) {
  uint32_t length;
  uint32_t checksum;
  ASSIGN_OR_RETURN(bool found, ReadHeader(limit, &length, &checksum));
  if (found) {
    position_ += kRecordHeaderSize + length;
  }
  return found;
}

// True where the next record is complete.
absl::StatusOr<bool> RecordReader::ReadHeader(uint64_t limit, uint32_t* length,
                                              uint32_t* checksum) {
  ASSIGN_OR_RETURN(bool complete, Reaches(position_ + kRecordHeaderSize, limit));
  if (!complete) {
    return false;
  }
  RETURN_IF_ERROR(Fill(kRecordHeaderSize));
  std::string_view rest = buffer_;
  if (!ParseHeader(rest.substr(position_ - buffer_start_, kRecordHeaderSize), length, checksum)) {
    ReleaseBuffer();
    return DataLoss(fmt::format("the record at byte {} is damaged", position_));
  }
  return Reaches(position_ + kRecordHeaderSize + *length, limit);
}

// Whether the file has `end` bytes within `limit`. Forgets what was read where it has not: a torn
// tail may be cut and written anew.
absl::StatusOr<bool> RecordReader::Reaches(uint64_t end, uint64_t limit) {
  if (end <= known_size_) {
    return true;
  }
  ASSIGN_OR_RETURN(uint64_t size, FileSize(fd_));
  known_size_ = std::min(size, limit);
  if (end <= known_size_) {
    return true;
  }
  known_size_ = position_;
  ReleaseBuffer();
  return false;
}

// Makes the buffer hold `size` bytes from the position on; the file has them.
absl::Status RecordReader::Fill(size_t size) {
  if (position_ >= buffer_start_ && position_ + size <= buffer_start_ + buffer_.size()) {
    return absl::OkStatus();
  }
  size_t wanted =
      std::max<uint64_t>(size, std::min(known_size_ - position_, uint64_t{kBufferSize}));
  if (buffer_.capacity() > kBufferSize && wanted <= kBufferSize) {
    ReleaseBuffer();
  }
  buffer_.resize(wanted);
  buffer_start_ = position_;
  absl::Status status = PreadFully(fd_, buffer_.data(), wanted, position_);
  if (!status.ok()) {
    ReleaseBuffer();
  }
  return status;
}

void RecordReader::ReleaseBuffer() {
  std::string().swap(buffer_);
  buffer_start_ = 0;
}

absl::StatusOr<LogExtent> ScanLog(int fd) {
  RecordReader reader(fd);
  LogExtent extent;
  while (true) {
    std::string_view payload;
    absl::StatusOr<bool> found = reader.Next(RecordReader::kNoLimit, &payload);
    if (absl::IsDataLoss(found.status())) {
      ASSIGN_OR_RETURN(uint64_t size, FileSize(fd));
      ASSIGN_OR_RETURN(bool torn, IsTornTail(fd, reader.position(), size));
      if (torn) {
        return extent;
      }
    }
    ASSIGN_OR_RETURN(bool more, std::move(found));
    if (!more) {
      return extent;
    }
    extent.last = extent.size;
    extent.size = reader.position();
    ++extent.records;
  }
}

}  // namespace zlayer
