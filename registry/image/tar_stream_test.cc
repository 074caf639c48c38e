#include "registry/image/tar_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using Sink = std::function<absl::Status(std::string_view)>;

TEST(TarStreamTest, WhatIsWrittenIsReadInWhateverPieces) {
  std::string whole;
  for (int i = 0; i < 400'000; ++i) {
    whole += static_cast<char>(i * 7 % 251);
  }
  whole += whole + whole + whole + whole + whole;  // more than is written ahead
  TarStream stream([&](const Sink& sink, std::stop_token) -> absl::Status {
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

TEST(TarStreamTest, AnErrorComesBehindWhatWasWritten) {
  TarStream stream([](const Sink& sink, std::stop_token) -> absl::Status {
    RETURN_IF_ERROR(sink("begin"));
    return DataLoss("broken");
  });
  EXPECT_THAT(stream.Next(100, {}), IsOkAndHolds("begin"));
  EXPECT_THAT(stream.Next(100, {}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(TarStreamTest, WhoeverStopsReadingEndsTheWriter) {
  absl::Status ended;
  {
    TarStream stream([&](const Sink& sink, std::stop_token) {
      while (ended.ok()) {
        ended = sink(std::string(10'000, 'x'));
      }
      return ended;
    });
    EXPECT_OK(stream.Next(10, {}));
  }
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kCancelled));
}

TEST(TarStreamTest, AReaderCanBeStopped) {
  TarStream stream([](const Sink&, std::stop_token stop) {
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
