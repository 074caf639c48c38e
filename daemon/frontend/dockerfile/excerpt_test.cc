#include "daemon/frontend/dockerfile/excerpt.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/errors.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

absl::Status At(uint32_t first, uint32_t last) {
  v1::SourceRange source;
  source.set_file("f");
  source.set_first_line(first);
  source.set_last_line(last);
  return AtSource(InvalidArgument("bad"), source);
}

v1::SourceExcerpt Of(uint32_t first, uint32_t last, std::string_view text) {
  return DetailOf(WithExcerpt(At(first, last), "f", text)).excerpt();
}

TEST(ExcerptTest, HasTheLinesAndTwoAround) {
  const v1::SourceExcerpt excerpt = Of(4, 5, "1\n2\n3\n4\r\n5\n6\n\n8\n");
  EXPECT_EQ(excerpt.first_line(), 2u);
  EXPECT_THAT(excerpt.lines(), ElementsAre("2", "3", "4", "5", "6", ""));
  EXPECT_EQ(Of(1, 1, "1\n2").first_line(), 1u);
  EXPECT_THAT(Of(1, 1, "1\n2").lines(), ElementsAre("1", "2"));
}

TEST(ExcerptTest, KeepsTheRest) {
  const absl::Status status = WithExcerpt(At(1, 1), "f", "1\n");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "f:1: bad"));
  EXPECT_EQ(DetailOf(status).source().first_line(), 1u);
  EXPECT_EQ(DetailOf(WithExcerpt(status, "f", "other\n")).excerpt().lines(0), "1");
}

TEST(ExcerptTest, IsOfThatFileOnly) {
  EXPECT_FALSE(DetailOf(WithExcerpt(At(1, 1), "g", "1\n")).has_excerpt());
  EXPECT_FALSE(DetailOf(WithExcerpt(InvalidArgument("bad"), "f", "1\n")).has_excerpt());
  EXPECT_FALSE(DetailOf(WithExcerpt(At(9, 9), "f", "1\n")).has_excerpt());
  EXPECT_OK(WithExcerpt(absl::OkStatus(), "f", "1\n"));
}

TEST(ExcerptTest, TellsNoPassword) {
  EXPECT_EQ(Of(1, 1, "ADD https://me:secret@host/x /\n").lines(0).find("secret"),
            std::string::npos);
}

TEST(ExcerptTest, IsBounded) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += std::string(3000, '\xff') + "\n";
  }
  const v1::SourceExcerpt excerpt = Of(3, 190, text);
  EXPECT_EQ(excerpt.lines_size(), 64);
  for (const std::string& line : excerpt.lines()) {
    EXPECT_LE(line.size(), 1024u);
    EXPECT_TRUE(IsUtf8(line));
  }
}

}  // namespace
}  // namespace zlayer
