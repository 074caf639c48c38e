#include "daemon/events/record_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

constexpr uint64_t kAll = RecordReader::kNoLimit;

std::string Record(std::string_view payload) {
  return RecordHeader(payload) + std::string(payload);
}

class RecordReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "records"));
  }

  UniqueFd File(const std::string& content) {
    std::string path = directory_.path() + "/events";
    EXPECT_OK(WriteFileAtomically(path, content));
    return std::move(OpenFile(path, O_RDWR)).value();
  }

  ScopedDirectory directory_;
};

TEST_F(RecordReaderTest, HeaderHasTheDocumentedBytes) {
  // The CRC-32C of "123456789" is e3069283.
  EXPECT_EQ(RecordHeader("123456789"),
            std::string("\x09\0\0\0\x83\x92\x06\xe3\x69\xd9\xe8\x9a", 12));
}

TEST_F(RecordReaderTest, ReadsAndSkipsRecordsOfEverySize) {
  std::vector<std::string> payloads;
  std::string content;
  for (size_t size : {1, 100, 65523, 65524, 65536, 300000, 7, 4194304, 1}) {
    payloads.push_back(std::string(size, static_cast<char>('a' + payloads.size())));
    content += Record(payloads.back());
  }
  UniqueFd fd = File(content);
  for (size_t skip = 0; skip <= payloads.size(); ++skip) {
    RecordReader reader(fd.get());
    for (size_t i = 0; i < skip; ++i) {
      EXPECT_THAT(reader.Skip(kAll), IsOkAndHolds(true));
    }
    std::string_view payload;
    for (size_t i = skip; i < payloads.size(); ++i) {
      ASSERT_THAT(reader.Next(kAll, &payload), IsOkAndHolds(true));
      EXPECT_TRUE(payload == payloads[i]) << i;
    }
    EXPECT_THAT(reader.Next(kAll, &payload), IsOkAndHolds(false));
    EXPECT_THAT(reader.Skip(kAll), IsOkAndHolds(false));
    EXPECT_EQ(reader.position(), content.size());
  }
}

TEST_F(RecordReaderTest, SeesNothingBeyondTheLimit) {
  std::string one = Record("one");
  UniqueFd fd = File(one + Record("two"));
  RecordReader reader(fd.get());
  std::string_view payload;
  EXPECT_THAT(reader.Next(one.size() - 1, &payload), IsOkAndHolds(false));
  EXPECT_THAT(reader.Next(one.size(), &payload), IsOkAndHolds(true));
  EXPECT_THAT(reader.Skip(one.size() + 14), IsOkAndHolds(false));
  EXPECT_THAT(reader.Next(2 * one.size(), &payload), IsOkAndHolds(true));
  EXPECT_EQ(payload, "two");
}

TEST_F(RecordReaderTest, GoesOnAfterATornTailWasRewritten) {
  std::string one = Record("one");
  UniqueFd fd = File(one + Record("a tail that is cut").substr(0, 20));
  RecordReader reader(fd.get());
  std::string_view payload;
  EXPECT_THAT(reader.Next(kAll, &payload), IsOkAndHolds(true));
  EXPECT_THAT(reader.Next(kAll, &payload), IsOkAndHolds(false));
  ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(one.size())), 0);
  ASSERT_OK(PwriteFully(fd.get(), Record("what was written instead"), one.size()));
  EXPECT_THAT(reader.Next(kAll, &payload), IsOkAndHolds(true));
  EXPECT_EQ(payload, "what was written instead");
}

TEST_F(RecordReaderTest, DamageInAnyByteIsFound) {
  std::string first = Record("first");
  std::string content = first + Record("second") + Record("third");
  for (size_t i = 0; i < first.size(); ++i) {
    std::string damaged = content;
    damaged[i] ^= 0x10;
    UniqueFd fd = File(damaged);
    RecordReader reader(fd.get());
    std::string_view payload;
    EXPECT_THAT(reader.Next(kAll, &payload),
                StatusIs(absl::StatusCode::kDataLoss, "the record at byte 0 is damaged"))
        << i;
    EXPECT_THAT(ScanLog(fd.get()), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

TEST_F(RecordReaderTest, LengthsOutOfRangeAreDamage) {
  // Headers with a good checksum of their own, as an attacker would make them.
  std::string huge = RecordHeader(std::string(kMaxRecordPayload + 1, 'x'));
  std::string empty = RecordHeader("");
  for (const std::string& header : {huge, empty}) {
    UniqueFd fd = File(header + std::string(100, 'x'));
    RecordReader reader(fd.get());
    std::string_view payload;
    EXPECT_THAT(reader.Next(kAll, &payload), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(reader.Skip(kAll), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(RecordReaderTest, ScanFindsTheEndWhereverTheLastRecordIsTorn) {
  std::string complete = Record("first") + Record("second");
  std::string last = Record("third");
  for (size_t kept = 0; kept < last.size(); ++kept) {
    UniqueFd fd = File(complete + last.substr(0, kept));
    ASSERT_OK_AND_ASSIGN(LogExtent extent, ScanLog(fd.get()));
    EXPECT_EQ(extent.records, 2u);
    EXPECT_EQ(extent.size, complete.size());
    EXPECT_EQ(extent.last, Record("first").size());
  }
}

TEST_F(RecordReaderTest, ATailOfBadContentOrZerosIsTorn) {
  std::string complete = Record("first");
  std::string bad = Record("second");
  bad.back() ^= 1;
  for (const std::string& tail : {bad, std::string(12, '\0'), std::string(100'000, '\0')}) {
    UniqueFd fd = File(complete + tail);
    ASSERT_OK_AND_ASSIGN(LogExtent extent, ScanLog(fd.get()));
    EXPECT_EQ(extent.records, 1u);
    EXPECT_EQ(extent.size, complete.size());
  }
}

TEST_F(RecordReaderTest, ZerosBeforeSomethingElseAreDamage) {
  UniqueFd fd = File(Record("first") + std::string(100, '\0') + "x");
  EXPECT_THAT(ScanLog(fd.get()), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace zlayer
