#include "base/tar_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kBlock = 512;
constexpr int64_t kSecond = 1'000'000'000;

// Offsets and lengths of the ustar header's fields.
struct Field {
  size_t offset;
  size_t length;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kTime{136, 12}, kChecksum{148, 8}, kLinkName{157, 100}, kMagic{257, 8}, kMajor{329, 8},
    kMinor{337, 8};
constexpr size_t kTypeOffset = 156;

using Block = std::array<char, kBlock>;
using Records = std::map<std::string, std::string>;

void PutText(Block& block, Field field, std::string_view text) {
  std::copy_n(text.data(), std::min(text.size(), field.length), block.data() + field.offset);
}

// Octal digits up to a final NUL.
bool FitsOctal(Field field, uint64_t value) { return value >> (3 * (field.length - 1)) == 0; }

void PutOctal(Block& block, Field field, uint64_t value) {
  PutText(block, field, fmt::format("{:0{}o}", value, field.length - 1));
}

// Whether char is signed depends on the machine.
bool IsAscii(char c) { return c != 0 && static_cast<unsigned char>(c) < 0x80; }

bool FitsText(std::string_view text) {
  return text.size() <= kName.length && std::all_of(text.begin(), text.end(), IsAscii);
}

std::string NameOf(const TarHeader& header) {
  return header.type == TarHeader::Type::kDirectory ? header.path + "/" : header.path;
}

int64_t SecondsOf(int64_t ns) { return ns / kSecond - (ns % kSecond < 0 ? 1 : 0); }

uint64_t SizeOf(const TarHeader& header) {
  return header.type == TarHeader::Type::kFile ? header.size : 0;
}

Records PaxRecords(const TarHeader& header) {
  Records records = header.pax;
  std::string name = NameOf(header);
  if (!FitsText(name)) {
    records["path"] = name;
  }
  if (!FitsText(header.link_target)) {
    records["linkpath"] = header.link_target;
  }
  if (!FitsOctal(kUid, header.uid)) {
    records["uid"] = std::to_string(header.uid);
  }
  if (!FitsOctal(kGid, header.gid)) {
    records["gid"] = std::to_string(header.gid);
  }
  if (!FitsOctal(kSize, SizeOf(header))) {
    records["size"] = std::to_string(header.size);
  }
  int64_t seconds = SecondsOf(header.mtime_ns);
  if (seconds < 0 || !FitsOctal(kTime, static_cast<uint64_t>(seconds))) {
    records["mtime"] = std::to_string(seconds);
  }
  for (const auto& [key, value] : header.xattrs) {
    records["SCHILY.xattr." + key] = value;
  }
  return records;
}

// "<length> key=value\n", where the length counts itself.
std::string FormatRecord(const std::string& key, const std::string& value) {
  size_t rest = key.size() + value.size() + 3;
  size_t length = rest + std::to_string(rest).size();
  length = rest + std::to_string(length).size();
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string FormatRecords(const Records& records) {
  std::string text;
  for (const auto& [key, value] : records) {
    text += FormatRecord(key, value);
  }
  return text;
}

void PutChecksum(Block& block) {
  std::fill_n(block.data() + kChecksum.offset, kChecksum.length, ' ');
  uint32_t sum = 0;
  for (char c : block) {
    sum += static_cast<unsigned char>(c);
  }
  PutText(block, kChecksum, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
}

Block MakeBlock(std::string_view name, char type, uint64_t size) {
  Block block{};
  PutText(block, kName, name);
  block[kTypeOffset] = type;
  PutOctal(block, kSize, FitsOctal(kSize, size) ? size : 0);
  PutText(block, kMagic, std::string_view("ustar\00000", 8));  // NUL, then version "00"
  PutOctal(block, kMajor, 0);
  PutOctal(block, kMinor, 0);
  PutOctal(block, kMode, 0);
  PutOctal(block, kUid, 0);
  PutOctal(block, kGid, 0);
  PutOctal(block, kTime, 0);
  return block;
}

// What stands in the ustar field beside a pax record that overrides it: the same name in ASCII.
std::string AsciiOnly(std::string_view text) {
  std::string ascii;
  std::copy_if(text.begin(), text.end(), std::back_inserter(ascii), IsAscii);
  return ascii;
}

Block HeaderBlock(const TarHeader& header) {
  Block block =
      MakeBlock(AsciiOnly(NameOf(header)), static_cast<char>(header.type), SizeOf(header));
  PutOctal(block, kMode, header.mode & 07777);
  PutOctal(block, kUid, FitsOctal(kUid, header.uid) ? header.uid : 0);
  PutOctal(block, kGid, FitsOctal(kGid, header.gid) ? header.gid : 0);
  int64_t seconds = SecondsOf(header.mtime_ns);
  bool fits = seconds >= 0 && FitsOctal(kTime, static_cast<uint64_t>(seconds));
  PutOctal(block, kTime, fits ? static_cast<uint64_t>(seconds) : 0);
  PutText(block, kLinkName, AsciiOnly(header.link_target));
  PutOctal(block, kMajor, header.dev_major);
  PutOctal(block, kMinor, header.dev_minor);
  PutChecksum(block);
  return block;
}

// The pax header's own name, for readers that know no pax: the directory, "PaxHeaders.0", the name.
std::string PaxName(const TarHeader& header) {
  size_t slash = header.path.rfind('/');
  std::string directory = slash == std::string::npos ? "" : header.path.substr(0, slash + 1);
  std::string file = slash == std::string::npos ? header.path : header.path.substr(slash + 1);
  return AsciiOnly(directory + "PaxHeaders.0/" + file);
}

uint64_t Padding(uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

std::string_view AsView(const Block& block) { return {block.data(), block.size()}; }

}  // namespace

TarWriter::TarWriter(Sink sink) : sink_(std::move(sink)) {}

absl::Status TarWriter::Write(std::string_view data) {
  offset_ += data.size();
  return sink_(data);
}

absl::Status TarWriter::Pad() {
  static constexpr Block kZeros{};
  return Write(AsView(kZeros).substr(0, Padding(offset_)));
}

absl::Status TarWriter::Entry(const TarHeader& header) {
  if (left_ != 0) {
    return Internal(
        fmt::format("{} bytes of the tar entry before {} are missing", left_, header.path));
  }
  if (Records records = PaxRecords(header); !records.empty()) {
    std::string text = FormatRecords(records);
    Block block = MakeBlock(PaxName(header), 'x', text.size());
    PutChecksum(block);
    RETURN_IF_ERROR(Write(AsView(block)));
    RETURN_IF_ERROR(Write(text));
    RETURN_IF_ERROR(Pad());
  }
  left_ = SizeOf(header);
  return Write(AsView(HeaderBlock(header)));
}

absl::Status TarWriter::Data(std::string_view data) {
  RETURN_IF_ERROR(Take(data.size()));
  RETURN_IF_ERROR(Write(data));
  return left_ == 0 ? Pad() : absl::OkStatus();
}

absl::Status TarWriter::Skip(uint64_t size) {
  RETURN_IF_ERROR(Take(size));
  offset_ += size;
  return left_ == 0 ? Pad() : absl::OkStatus();
}

absl::Status TarWriter::Take(uint64_t size) {
  if (size > left_) {
    return Internal("a tar entry is longer than its header says");
  }
  left_ -= size;
  return absl::OkStatus();
}

absl::Status TarWriter::Finish() {
  if (left_ != 0) {
    return Internal(fmt::format("{} bytes of the last tar entry are missing", left_));
  }
  static constexpr Block kZeros{};
  RETURN_IF_ERROR(Write(AsView(kZeros)));
  return Write(AsView(kZeros));
}

uint64_t TarHeaderSize(const TarHeader& header) {
  Records records = PaxRecords(header);
  if (records.empty()) {
    return kBlock;
  }
  uint64_t size = FormatRecords(records).size();
  return kBlock + size + Padding(size) + kBlock;
}

}  // namespace zlayer
