#include "registry/compress/decompress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <string>

#include "base/errors.h"
#include "registry/layer/testing/memory_contents.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

// Words, noise and zeros, more than one piece of each.
std::string Input() {
  std::mt19937 random(3);
  std::string text;
  while (text.size() < 700'000) {
    text += "word" + std::to_string(random() % 1000) + ' ';
  }
  for (int i = 0; i < 400'000; ++i) {
    text += static_cast<char>(random());
  }
  return text + std::string(1'000'000, '\0');
}

std::string Gzip(const std::string& input, int level = 6, gz_header* header = nullptr) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  if (header != nullptr) {
    EXPECT_EQ(deflateSetHeader(&stream, header), Z_OK);
  }
  std::string output(input.size() + input.size() / 100 + 100'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  output.resize(stream.total_out);
  deflateEnd(&stream);
  return output;
}

std::string Zstd(const std::string& input, int level = 3) {
  std::string output(ZSTD_compressBound(input.size()), '\0');
  output.resize(ZSTD_compress(output.data(), output.size(), input.data(), input.size(), level));
  return output;
}

// What came before an error is in `output`.
absl::Status Unpack(const std::string& packed, std::string* output, std::stop_token stop = {}) {
  output->clear();
  return Decompress(
      MemoryFile(packed), CompressionAt(packed.substr(0, kCompressionMagic)),
      [output](std::string_view piece) {
        EXPECT_FALSE(piece.empty());
        *output += piece;
        return absl::OkStatus();
      },
      stop);
}

void ExpectUnpacks(const std::string& packed, const std::string& expected) {
  std::string output;
  EXPECT_OK(Unpack(packed, &output));
  EXPECT_TRUE(output == expected) << output.size();
}

TEST(DecompressTest, WhatWasCompressedComesBack) {
  const std::string input = Input();
  for (int level : {0, 1, 6, 9}) {
    ExpectUnpacks(Gzip(input, level), input);
    ExpectUnpacks(Zstd(input, level + 1), input);
  }
  ExpectUnpacks(Gzip(""), "");
  ExpectUnpacks(Zstd(""), "");
}

TEST(DecompressTest, WhatOurCompressorMakes) {
  const std::string input = Input();
  for (Compression compression : {Compression::kGzip, Compression::kZstd}) {
    std::string packed;
    ASSERT_OK_AND_ASSIGN(const auto compressor, MakeCompressor({.compression = compression},
                                                               [&packed](std::string_view piece) {
                                                                 packed += piece;
                                                                 return absl::OkStatus();
                                                               },
                                                               {}));
    ASSERT_OK(compressor->Append(input));
    ASSERT_OK(compressor->Finish());
    ExpectUnpacks(packed, input);
  }
}

TEST(DecompressTest, MembersAndFramesAreJoined) {
  const std::string input = Input();
  ExpectUnpacks(Gzip("a") + Gzip("") + Gzip(input) + Gzip("b"), "a" + input + "b");
  ExpectUnpacks(Zstd("a") + Zstd("") + Zstd(input) + Zstd("b"), "a" + input + "b");
  // Members that end and begin at the border of what is read at once.
  for (size_t less = 0; less < 40; ++less) {
    const std::string first = Gzip(std::string((256 << 10) - 60 - less, 'x'), 0);
    ExpectUnpacks(first + Gzip("next"), std::string((256 << 10) - 60 - less, 'x') + "next");
  }
}

TEST(DecompressTest, AFrameThatIsSkipped) {
  ExpectUnpacks("\x5a\x2a\x4d\x18\x03\0\0\0abc"s + Zstd("x"), "x");
}

TEST(DecompressTest, HeadersWithAllFields) {
  gz_header header{};
  std::string name(70'000, 'n'), comment = "comment", extra(1000, 'e');
  header.name = reinterpret_cast<Bytef*>(name.data());
  header.comment = reinterpret_cast<Bytef*>(comment.data());
  header.extra = reinterpret_cast<Bytef*>(extra.data());
  header.extra_len = static_cast<uInt>(extra.size());
  header.hcrc = 1;
  ExpectUnpacks(Gzip("text", 6, &header), "text");
}

TEST(DecompressTest, WhatFollowsGzipIsIgnored) {
  ExpectUnpacks(Gzip("a") + std::string(1000, '\0'), "a");
  ExpectUnpacks(Gzip("a") + "garbage", "a");
  std::string output;
  EXPECT_THAT(Unpack(Zstd("a") + "garbage", &output), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DecompressTest, WhatBreaksOffIsTruncated) {
  const std::string input = "some words, some words, and some more words";
  for (const std::string& packed : {Gzip(input), Zstd(input), Gzip("a") + Gzip(input)}) {
    for (size_t size = 4; size < packed.size(); ++size) {
      std::string output;
      const absl::Status status = Unpack(packed.substr(0, size), &output);
      if (size == Gzip("a").size() && packed.starts_with(Gzip("a"))) {
        EXPECT_OK(status);
        continue;
      }
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("truncated")));
      EXPECT_TRUE(("a" + input).starts_with(output) || input.starts_with(output));
    }
  }
  const std::string large = Gzip(Input());
  std::string output;
  EXPECT_FALSE(Unpack(large.substr(0, large.size() / 2), &output).ok());
  EXPECT_GT(output.size(), 500'000u);
}

TEST(DecompressTest, ChecksumsAreChecked) {
  std::string packed = Gzip("text");
  std::string output;
  for (size_t from_end : {1, 5}) {  // the length, the checksum
    std::string damaged = packed;
    damaged[damaged.size() - from_end] ^= 1;
    EXPECT_THAT(Unpack(damaged, &output),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("checksum")));
  }
}

TEST(DecompressTest, DamageNeverCrashes) {
  std::mt19937 random(5);
  const std::string input = Input().substr(600'000, 200'000);
  for (const std::string& packed : {Gzip(input), Zstd(input)}) {
    for (int round = 0; round < 300; ++round) {
      std::string damaged = packed;
      for (int change = 0; change < 3; ++change) {
        damaged[4 + random() % (damaged.size() - 4)] = static_cast<char>(random());
      }
      std::string output;
      const absl::Status status = Unpack(damaged, &output);
      EXPECT_TRUE(absl::IsInvalidArgument(status) || output.size() == input.size()) << status;
    }
  }
}

TEST(DecompressTest, ErrorsOfSinkAndStop) {
  for (const std::string& packed : {Gzip("text"), Zstd("text")}) {
    const Compression compression = CompressionAt(packed);
    EXPECT_THAT(Decompress(MemoryFile(packed), compression,
                           [](std::string_view) { return ResourceExhausted("full"); }, {}),
                StatusIs(absl::StatusCode::kResourceExhausted));
    std::stop_source stop;
    stop.request_stop();
    std::string output;
    EXPECT_THAT(Unpack(packed, &output, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(DecompressTest, HowFilesBegin) {
  EXPECT_EQ(CompressionAt(Gzip("")), Compression::kGzip);
  EXPECT_EQ(CompressionAt(Zstd("")), Compression::kZstd);
  EXPECT_EQ(CompressionAt("\x50\x2a\x4d\x18"), Compression::kZstd);
  for (const std::string& start : {""s, "\x1f"s, "\x1f\x8b\x08"s, "\x1f\x8b\x08\xe0"s, "P"s,
                                   "\x28\xb5\x2f"s, "\x1f\x8b\x07\0"s, "text"s}) {
    EXPECT_EQ(CompressionAt(start), Compression::kNone) << start;
  }
}

}  // namespace
}  // namespace zlayer
