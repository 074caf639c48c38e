#include "registry/compress/compressor.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBlock = size_t{1} << 20;

// A part that compresses well, one that does not, and one of zeros, over and over.
std::string Input(size_t size) {
  std::mt19937 random(42);
  std::string text;
  while (text.size() < size) {
    const size_t part = 1 + random() % 200'000;
    switch (random() % 3) {
      case 0:
        for (size_t i = 0; i < part; i += 8) {
          text += "word" + std::to_string(random() % 1000) + ' ';
        }
        break;
      case 1:
        for (size_t i = 0; i < part; ++i) {
          text += static_cast<char>(random());
        }
        break;
      default:
        text.append(part, '\0');
    }
  }
  text.resize(size);
  return text;
}

absl::StatusOr<std::string> Compressed(const CompressorOptions& options, std::string_view input,
                                       size_t cut = std::string::npos) {
  std::string output;
  auto compressor = MakeCompressor(options,
                                   [&output](std::string_view data) {
                                     EXPECT_FALSE(data.empty());
                                     output += data;
                                     return absl::OkStatus();
                                   },
                                   {});
  if (!compressor.ok()) {
    return compressor.status();
  }
  for (size_t at = 0; at < input.size(); at += std::min(cut, input.size() - at)) {
    if (absl::Status status = (*compressor)->Append(input.substr(at, cut)); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = (*compressor)->Finish(); !status.ok()) {
    return status;
  }
  return output;
}

// What zlib makes of a single member with nothing behind it.
std::string Gunzipped(std::string_view packed) {
  constexpr int kGzipOnly = 16;
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + kGzipOnly), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string output;
  std::vector<char> buffer(kBlock);
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    output.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  EXPECT_EQ(result, Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0u);
  inflateEnd(&stream);
  return output;
}

std::string Unzstded(std::string_view packed) {
  ZSTD_DStream* stream = ZSTD_createDStream();
  ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
  std::string output;
  std::vector<char> buffer(kBlock);
  size_t left = 1;
  while (in.pos < in.size) {
    ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
    left = ZSTD_decompressStream(stream, &out, &in);
    if (ZSTD_isError(left) != 0) {
      ADD_FAILURE() << ZSTD_getErrorName(left);
      break;
    }
    output.append(buffer.data(), out.pos);
  }
  EXPECT_EQ(left, 0u);
  ZSTD_freeDStream(stream);
  return output;
}

std::string ReadByLibarchive(std::string_view packed) {
  archive* reader = archive_read_new();
  archive_read_support_filter_all(reader);
  archive_read_support_format_raw(reader);
  archive_read_support_format_empty(reader);
  archive_entry* entry = nullptr;
  EXPECT_EQ(archive_read_open_memory(reader, packed.data(), packed.size()), ARCHIVE_OK);
  std::string output;
  if (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::vector<char> buffer(kBlock);
    la_ssize_t size = 0;
    while ((size = archive_read_data(reader, buffer.data(), buffer.size())) > 0) {
      output.append(buffer.data(), static_cast<size_t>(size));
    }
    EXPECT_EQ(size, 0) << archive_error_string(reader);
  }
  archive_read_free(reader);
  return output;
}

std::string Decompressed(Compression compression, std::string_view packed) {
  return compression == Compression::kGzip ? Gunzipped(packed) : Unzstded(packed);
}

struct Case {
  Compression compression;
  int level;
};

std::vector<Case> AllLevels() {
  std::vector<Case> cases;
  for (int level = 0; level <= 9; ++level) {
    cases.push_back({Compression::kGzip, level});
  }
  for (int level = 1; level <= 22; ++level) {
    cases.push_back({Compression::kZstd, level});
  }
  return cases;
}

std::string Random(size_t size) {
  static std::mt19937 random(7);
  std::string bytes(size, '\0');
  std::generate(bytes.begin(), bytes.end(), [] { return static_cast<char>(random()); });
  return bytes;
}

class CompressorLevelTest : public ::testing::TestWithParam<Case> {};

TEST_P(CompressorLevelTest, GivesBackTheInput) {
  const auto [compression, level] = GetParam();
  const std::string input = Input(2 * kBlock + 12'345);
  ASSERT_OK_AND_ASSIGN(const std::string packed,
                       Compressed({compression, level, 2}, input, 300'000));
  EXPECT_LT(packed.size(), input.size() + 1000);
  EXPECT_TRUE(Decompressed(compression, packed) == input);
  EXPECT_TRUE(ReadByLibarchive(packed) == input);
}

TEST_P(CompressorLevelTest, GrowsLittleWithWhatCannotBeCompressed) {
  const auto [compression, level] = GetParam();
  const std::string input = Random(kBlock + 1);
  ASSERT_OK_AND_ASSIGN(const std::string packed, Compressed({compression, level, 1}, input));
  EXPECT_LT(packed.size(), input.size() + 1000);
  EXPECT_TRUE(Decompressed(compression, packed) == input);
}

// Random bytes that repeat, or that something else follows, are compressed all the same.
TEST_P(CompressorLevelTest, WhatLooksRandomInPartsIsCompressed) {
  const auto [compression, level] = GetParam();
  std::string repeated;
  while (repeated.size() < kBlock) {
    repeated += Random(512);
    repeated += repeated.substr(repeated.size() - 512);
  }
  const std::string followed = Random(kBlock / 2) + std::string(kBlock / 2, 'a');
  for (const std::string& input : {repeated, followed}) {
    ASSERT_OK_AND_ASSIGN(const std::string packed, Compressed({compression, level, 1}, input));
    // Level 0 stores, and ISA-L's lowest hurry through random bytes and miss most of what repeats.
    const bool gzip = compression == Compression::kGzip;
    const size_t most = gzip && level == 0 ? 101 : gzip && level <= 2 ? 95 : 60;
    EXPECT_LT(packed.size(), input.size() * most / 100);
    EXPECT_TRUE(Decompressed(compression, packed) == input);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CompressorLevelTest, ::testing::ValuesIn(AllLevels()),
                         [](const auto& test) {
                           return (test.param.compression == Compression::kGzip ? "Gzip" : "Zstd") +
                                  std::to_string(test.param.level);
                         });

class CompressorTest : public ::testing::TestWithParam<Compression> {
 protected:
  std::string Round(std::string_view input) {
    auto packed = Compressed({.compression = GetParam(), .threads = 2}, input);
    EXPECT_OK(packed);
    return packed.ok() ? Decompressed(GetParam(), *packed) : packed.status().ToString();
  }
};

TEST_P(CompressorTest, TakesSizesAroundThoseOfBlocks) {
  const std::string input = Input(5 * kBlock + 1);
  for (const size_t blocks : {0, 1, 2, 4, 5}) {
    for (const int beside : {-1, 0, 1}) {
      if (blocks == 0 && beside < 0) {
        continue;
      }
      const std::string_view part =
          std::string_view(input).substr(0, blocks * kBlock + static_cast<size_t>(beside));
      EXPECT_TRUE(Round(part) == part) << part.size();
    }
  }
}

TEST_P(CompressorTest, TakesOneValueRepeated) {
  for (const char value : {'\0', '\xff', 'a'}) {
    for (const size_t size : {size_t{7}, size_t{8}, size_t{300}, kBlock - 1, kBlock + 100}) {
      const std::string input(size, value);
      EXPECT_TRUE(Round(input) == input) << int{value} << " " << size;
      const std::string other = input + "other" + input;
      EXPECT_TRUE(Round(other) == other) << int{value} << " " << size;
    }
  }
}

TEST_P(CompressorTest, NoInputIsAnEmptyFile) {
  ASSERT_OK_AND_ASSIGN(const std::string packed, Compressed({.compression = GetParam()}, ""));
  EXPECT_FALSE(packed.empty());
  EXPECT_EQ(Decompressed(GetParam(), packed), "");
  EXPECT_EQ(ReadByLibarchive(packed), "");
}

TEST_P(CompressorTest, TheBytesDependNeitherOnThreadsNorOnCuts) {
  const std::string input = Input(9 * kBlock + 777);
  ASSERT_OK_AND_ASSIGN(const std::string expected,
                       Compressed({.compression = GetParam(), .threads = 1}, input));
  for (const unsigned threads : {0u, 1u, 2u, 7u}) {
    for (const size_t cut : {size_t{4095}, kBlock - 1, kBlock, 3 * kBlock + 5}) {
      ASSERT_OK_AND_ASSIGN(const std::string packed,
                           Compressed({.compression = GetParam(), .threads = threads}, input, cut));
      EXPECT_TRUE(packed == expected) << threads << " threads, " << cut;
    }
  }
}

TEST(GzipTest, WhatIsRandomIsNotCompressedButStored) {
  using namespace std::string_literals;
  constexpr size_t kHeader = 10;
  // zlib itself would try, sixty times slower, and store less at a time.
  ASSERT_OK_AND_ASSIGN(const std::string packed,
                       Compressed({Compression::kGzip, 6, 1}, Random(kBlock)));
  EXPECT_EQ(packed.substr(kHeader, 5), "\0\xff\xff\0\0"s);
}

TEST_P(CompressorTest, AnErrorOfTheSinkEndsIt) {
  for (const int calls : {0, 1, 3}) {
    int left = calls;
    ASSERT_OK_AND_ASSIGN(auto compressor,
                         MakeCompressor({.compression = GetParam(), .threads = 2},
                                        [&left](std::string_view) {
                                          return left-- > 0 ? absl::OkStatus()
                                                            : Unavailable("the peer is gone");
                                        },
                                        {}));
    const std::string input = Input(20 * kBlock);
    EXPECT_THAT(compressor->Append(input), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(left, -1);
    EXPECT_THAT(compressor->Append("more"),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the peer is gone")));
    EXPECT_THAT(compressor->Finish(), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(left, -1) << "the sink was called after its error";
  }
}

TEST_P(CompressorTest, StopsWhenAsked) {
  std::stop_source stop;
  ASSERT_OK_AND_ASSIGN(auto compressor,
                       MakeCompressor(
                           {.compression = GetParam(), .threads = 2},
                           [](std::string_view) { return absl::OkStatus(); }, stop.get_token()));
  const std::string input = Input(3 * kBlock);
  EXPECT_OK(compressor->Append(input));
  stop.request_stop();
  EXPECT_THAT(compressor->Append("x"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(compressor->Finish(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(CompressorTest, StopsWhileItWaits) {
  std::stop_source stop;
  ASSERT_OK_AND_ASSIGN(auto compressor,
                       MakeCompressor(
                           {.compression = GetParam(), .level = 9, .threads = 1},
                           [](std::string_view) { return absl::OkStatus(); }, stop.get_token()));
  const std::string input = Input(4 * kBlock);
  std::jthread canceler([&stop] { stop.request_stop(); });
  absl::Status status;
  while (status.ok()) {
    status = compressor->Append(input);
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(CompressorTest, MayBeDroppedUnfinished) {
  ASSERT_OK_AND_ASSIGN(auto compressor,
                       MakeCompressor({.compression = GetParam(), .threads = 3},
                                      [](std::string_view) { return absl::OkStatus(); }, {}));
  EXPECT_OK(compressor->Append(Input(5 * kBlock + 3)));
}

TEST_P(CompressorTest, HoldsFewBlocks) {
  size_t written = 0;
  ASSERT_OK_AND_ASSIGN(auto compressor, MakeCompressor({.compression = GetParam(), .threads = 2},
                                                       [&written](std::string_view data) {
                                                         written += data.size();
                                                         return absl::OkStatus();
                                                       },
                                                       {}));
  std::mt19937 random(7);
  std::string block(kBlock, '\0');
  std::generate(block.begin(), block.end(), [&random] { return static_cast<char>(random()); });
  for (size_t appended = kBlock; appended <= 20 * kBlock; appended += kBlock) {
    ASSERT_OK(compressor->Append(block));
    EXPECT_GE(written + 4 * kBlock, appended);
  }
}

// The format's own program finds nothing wrong.
TEST_P(CompressorTest, ItsProgramTakesIt) {
  const std::string program = GetParam() == Compression::kGzip ? "gzip" : "zstd";
  if (!std::filesystem::exists("/usr/bin/" + program)) {
    GTEST_SKIP() << program << " is not installed";
  }
  const std::filesystem::path file = std::filesystem::path(::testing::TempDir()) /
                                     (program + std::to_string(getpid()) + ".packed");
  for (const size_t size : {size_t{0}, size_t{1}, 3 * kBlock, 7 * kBlock + 1}) {
    ASSERT_OK_AND_ASSIGN(const std::string packed,
                         Compressed({.compression = GetParam()}, Input(size)));
    std::ofstream(file, std::ios::binary) << packed;
    const std::string command = "/usr/bin/" + program + " -t <" + file.string();
    EXPECT_EQ(std::system(command.c_str()), 0) << size;
  }
  std::filesystem::remove(file);
}

INSTANTIATE_TEST_SUITE_P(Both, CompressorTest,
                         ::testing::Values(Compression::kGzip, Compression::kZstd),
                         [](const auto& test) {
                           return test.param == Compression::kGzip ? "Gzip" : "Zstd";
                         });

TEST(CompressorOptionsTest, RefusesLevelsThatThereAreNot) {
  const auto status = [](Compression compression, int level) {
    return MakeCompressor({compression, level, 1},
                          [](std::string_view) { return absl::OkStatus(); }, {})
        .status();
  };
  EXPECT_THAT(status(Compression::kGzip, -1), StatusIs(absl::StatusCode::kInvalidArgument,
                                                       "gzip has no level -1: there are 0 to 9"));
  EXPECT_THAT(status(Compression::kGzip, 10), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status(Compression::kZstd, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status(Compression::kZstd, 23), StatusIs(absl::StatusCode::kInvalidArgument,
                                                       "zstd has no level 23: there are 1 to 22"));
  EXPECT_THAT(status(Compression::kNone, 3), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CompressorOptionsTest, WithoutCompressionTheBytesPass) {
  EXPECT_THAT(Compressed({.compression = Compression::kNone}, "some\0bytes", 3),
              IsOkAndHolds("some\0bytes"));
  EXPECT_THAT(Compressed({.compression = Compression::kNone}, ""), IsOkAndHolds(""));
  std::stop_source stop;
  ASSERT_OK_AND_ASSIGN(auto compressor,
                       MakeCompressor(
                           {.compression = Compression::kNone},
                           [](std::string_view) { return Unavailable("gone"); }, stop.get_token()));
  EXPECT_THAT(compressor->Append("x"), StatusIs(absl::StatusCode::kUnavailable));
  stop.request_stop();
  EXPECT_THAT(compressor->Append("x"), StatusIs(absl::StatusCode::kCancelled));
}

TEST(CompressorOptionsTest, TheNameHoldsWhatTheBytesDependOn) {
  EXPECT_EQ(CompressionName({}), "gzip-2/1");
  EXPECT_EQ(CompressionName({.level = 9, .threads = 7}), "gzip-9/1");
  EXPECT_EQ(CompressionName({.compression = Compression::kZstd}), "zstd-1/1");
  EXPECT_EQ(CompressionName({.compression = Compression::kNone}), "none");
}

TEST(CompressorOptionsTest, AGzipFileTellsNothingOfItsMaking) {
  ASSERT_OK_AND_ASSIGN(const std::string packed, Compressed({}, "text"));
  EXPECT_EQ(packed.substr(0, 10), std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
}

}  // namespace
}  // namespace zlayer
