#include "client/progress/transfer_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/progress/screen_text.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSecond = 1'000'000'000;
const std::string kLayer = "layer sha256:" + std::string(64, 'a');

class TransferStateTest : public ::testing::Test {
 protected:
  void At(int64_t second, const std::string& item, uint64_t done, uint64_t total,
          v1::TransferProgress::State end = v1::TransferProgress::RUNNING) {
    v1::TransferProgress progress;
    progress.set_item(item);
    progress.set_state(end);
    progress.set_bytes_done(done);
    progress.set_bytes_total(total);
    state_.Progress(progress, 1000 * kSecond + second * kSecond);
  }
  View ViewAt(int64_t second, int width = 76, int height = 24) const {
    return {.width = width,
            .height = height,
            .unicode = true,
            .now_ns = 1000 * kSecond + second * kSecond};
  }
  std::vector<std::string> History(const View& view) {
    std::vector<std::string> lines;
    for (const Row& row : state_.TakeHistory()) {
      lines.push_back(row.Text(view));
    }
    return lines;
  }

  TransferState state_;
};

TEST_F(TransferStateTest, WhatMovesIsLiveAndWhatEndedIsHistory) {
  EXPECT_THAT(state_.Live(ViewAt(0)), IsEmpty());
  At(0, "manifest docker.io/library/app:v1", 0, 0);
  At(1, "manifest docker.io/library/app:v1", 500, 500, v1::TransferProgress::DONE);
  At(1, kLayer, 0, 30'000'000);
  At(4, kLayer, 12'000'000, 30'000'000);
  At(4, "layer sha256:" + std::string(64, 'b'), 7'000'000, 7'000'000,
     v1::TransferProgress::PRESENT);
  EXPECT_THAT(History(ViewAt(4)), ElementsAre("✓ manifest docker.io/library/app:v1  500 B  done"
                                              "                        1.0s",
                                              "✓ layer bbbbbbbbbbbb  7.0 MB  was there already"
                                              "                         0.0s"));
  EXPECT_THAT(History(ViewAt(4)), IsEmpty());
  EXPECT_THAT(state_.Live(ViewAt(5, 79)),
              ElementsAre("● layer aaaaaaaaaaaa  [========>           ] 12.0 MB of 30.0 MB, "
                          "3.0 MB/s  4.0s",
                          "2 of 3 done, 1 was there already, 12.0 MB moved"
                          "                            5.0s"));
  At(6, kLayer, 30'000'000, 30'000'000, v1::TransferProgress::DONE);
  EXPECT_THAT(state_.Live(ViewAt(6)), IsEmpty());
  EXPECT_THAT(History(ViewAt(6)), SizeIs(1));
}

TEST_F(TransferStateTest, LinesFitTheTerminal) {
  for (int i = 0; i < 30; ++i) {
    At(0, "layer " + std::to_string(i) + "\x1b[31m" + std::string(200, 'x'), 1, 0);
  }
  for (int height : {1, 2, 3, 24}) {
    for (int width : {1, 10, 80}) {
      const std::vector<std::string> lines = state_.Live(ViewAt(1, width, height));
      EXPECT_LT(lines.size(), static_cast<size_t>(height));
      for (const std::string& line : lines) {
        EXPECT_LE(ColumnsOf(line), static_cast<size_t>(width));
        EXPECT_EQ(line.find('\x1b'), std::string::npos);
      }
    }
  }
  state_.Leave();
  EXPECT_THAT(state_.Live(ViewAt(1)), IsEmpty());
}

TEST_F(TransferStateTest, OfSeveralRegistriesEachIsNamed) {
  At(1, std::string(kLayer) + " to ghcr.io", 30, 30, v1::TransferProgress::DONE);
  EXPECT_THAT(History(ViewAt(1)), ElementsAre(HasSubstr("layer aaaaaaaaaaaa to ghcr.io  ")));
}

TEST_F(TransferStateTest, HowTransfersEnd) {
  EXPECT_EQ(TransferEnd(v1::TransferProgress::DONE), "done");
  EXPECT_EQ(TransferEnd(v1::TransferProgress::MOUNTED), "taken from another repository");
}

}  // namespace
}  // namespace zlayer
