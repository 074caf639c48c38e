#include "base/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using Sink = std::function<absl::Status(std::string_view)>;

TEST(ReadAheadTest, WhatIsWrittenIsReadInWhateverPieces) {
  std::string whole;
  for (int i = 0; i < 400'000; ++i) {
    whole += static_cast<char>(i * 7 % 251);
  }
  whole += whole + whole + whole + whole + whole;  // more than is written ahead
  ReadAhead stream([&](const Sink& sink, std::stop_token) -> absl::Status {
    for (size_t at = 0; at < whole.size(); at += 1000) {
      RETURN_IF_ERROR(sink(std::string_view(whole).substr(at, 1000)));
    }
    return absl::OkStatus();
  });
  std::string read;
  for (size_t limit = 1;; limit = limit % 70'000 + 333) {
    ASSERT_OK_AND_ASSIGN(const std::string piece, stream.Next(limit, {}));
    ASSERT_LE(piece.size(), limit);
    if (piece.empty()) {
      break;
    }
    read += piece;
  }
  EXPECT_TRUE(read == whole);
}

TEST(ReadAheadTest, AnErrorComesBehindWhatWasWritten) {
  ReadAhead stream([](const Sink& sink, std::stop_token) -> absl::Status {
    RETURN_IF_ERROR(sink("begin"));
    return DataLoss("broken");
  });
  EXPECT_THAT(stream.Next(100, {}), IsOkAndHolds("begin"));
  EXPECT_THAT(stream.Next(100, {}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ReadAheadTest, WhoeverStopsReadingEndsTheWriter) {
  absl::Status ended;
  {
    ReadAhead stream([&](const Sink& sink, std::stop_token) {
      while (ended.ok()) {
        ended = sink(std::string(10'000, 'x'));
      }
      return ended;
    });
    EXPECT_OK(stream.Next(10, {}));
  }
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kCancelled));
}

TEST(ReadAheadTest, CopiesToItsEndOrAnError) {
  const auto writer = [](const Sink& sink, std::stop_token) -> absl::Status {
    for (int i = 0; i < 100; ++i) {
      RETURN_IF_ERROR(sink(std::string(50'000, 'x')));
    }
    return DataLoss("broken");
  };
  size_t size = 0;
  const auto count = [&size](std::string_view piece) {
    size += piece.size();
    return absl::OkStatus();
  };
  EXPECT_THAT(CopyAhead(writer, count, {}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(size, 5'000'000u);
  EXPECT_THAT(CopyAhead(writer, [](std::string_view) { return Unavailable("full"); }, {}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ReadAheadTest, AReaderCanBeStopped) {
  ReadAhead stream([](const Sink&, std::stop_token stop) {
    while (!stop.stop_requested()) {
    }
    return absl::OkStatus();
  });
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(stream.Next(10, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
