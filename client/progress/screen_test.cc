#include "client/progress/screen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {
namespace {

// As much of a terminal as frames use, for ASCII. It scrolls, breaks lines at its edge, and fails
// the test for what it does not know.
class Terminal {
 public:
  Terminal(int width, int height) : width_(width), height_(height), lines_(height) {}

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (bytes.starts_with("\x1b[")) {
        const size_t end = bytes.find_first_of("ABJKhl");
        ASSERT_NE(end, std::string_view::npos);
        Control(std::string(bytes.substr(2, end - 2)), bytes[end]);
        bytes.remove_prefix(end + 1);
        continue;
      }
      Put(bytes.front());
      bytes.remove_prefix(1);
    }
  }

  // Scrollback and screen, without empty lines at the end.
  std::string Text() const {
    std::string text;
    for (const std::string& line : scrolled_) {
      text += line + "\n";
    }
    auto last = std::find_if(lines_.rbegin(), lines_.rend(),
                             [](const std::string& line) { return !line.empty(); });
    for (auto line = lines_.begin(); line != last.base(); ++line) {
      text += *line + "\n";
    }
    return text;
  }
  int row() const { return row_; }
  int column() const { return column_; }
  bool usual() const { return cursor_shown_ && wraps_ && !synchronised_; }

 private:
  void Control(const std::string& arguments, char kind) {
    const int count = arguments.empty() ? 1 : std::atoi(arguments.c_str());
    switch (kind) {
      case 'A':
        row_ = std::max(0, row_ - count);
        return;
      case 'B':
        row_ = std::min(height_ - 1, row_ + count);
        return;
      case 'J':
        lines_[row_].resize(std::min<size_t>(lines_[row_].size(), column_));
        for (int row = row_ + 1; row < height_; ++row) {
          lines_[row].clear();
        }
        return;
      case 'K':
        ASSERT_EQ(arguments, "2");
        lines_[row_].clear();
        return;
      default:
        (arguments == "?25"  ? cursor_shown_
         : arguments == "?7" ? wraps_
                             : synchronised_) = kind == 'h';
        ASSERT_TRUE(arguments == "?25" || arguments == "?7" || arguments == "?2026") << arguments;
    }
  }

  void Put(char c) {
    if (c == '\r') {
      column_ = 0;
    } else if (c == '\n') {  // with the kernel's ONLCR
      column_ = 0;
      NextLine();
    } else {
      if (column_ == width_) {
        if (wraps_) {
          column_ = 0;
          NextLine();
        } else {
          --column_;
        }
      }
      lines_[row_].resize(std::max<size_t>(lines_[row_].size(), column_ + 1), ' ');
      lines_[row_][column_++] = c;
    }
  }

  void NextLine() {
    if (++row_ == height_) {
      --row_;
      scrolled_.push_back(lines_.front());
      lines_.erase(lines_.begin());
      lines_.emplace_back();
    }
  }

  const int width_;
  const int height_;
  std::vector<std::string> scrolled_;
  std::vector<std::string> lines_;
  int row_ = 0;
  int column_ = 0;
  bool cursor_shown_ = true;
  bool wraps_ = true;
  bool synchronised_ = false;
};

class ScreenTest : public ::testing::Test {
 protected:
  ScreenTest() {
    view_.width = 10;
    view_.height = 5;
  }

  // Shows a frame and returns its bytes.
  std::string Show(const std::vector<std::string>& history, const std::vector<std::string>& live) {
    std::string bytes = screen_.Frame(history, live, view_);
    terminal_.Write(bytes);
    EXPECT_TRUE(terminal_.usual());
    EXPECT_EQ(terminal_.column(), 0);
    return bytes;
  }

  View view_;
  Screen screen_;
  Terminal terminal_{10, 5};
};

TEST_F(ScreenTest, LinesChangeInPlace) {
  terminal_.Write("$ zlayer\n");
  Show({}, {"one", "two", "three"});
  EXPECT_EQ(terminal_.Text(), "$ zlayer\none\ntwo\nthree\n");
  Show({}, {"one", "2", "three"});
  EXPECT_EQ(terminal_.Text(), "$ zlayer\none\n2\nthree\n");
  EXPECT_EQ(terminal_.row(), 4);
}

TEST_F(ScreenTest, OnlyWhatChangedIsWritten) {
  Show({}, {"one", "two", "three"});
  const std::string bytes = Show({}, {"one", "2", "three"});
  EXPECT_EQ(bytes.find("one"), std::string::npos);
  EXPECT_EQ(bytes.find("three"), std::string::npos);
  EXPECT_EQ(Show({}, {"one", "2", "three"}), "");
}

TEST_F(ScreenTest, LinesComeAndGo) {
  Show({}, {"one"});
  Show({}, {"one", "two", "three"});
  EXPECT_EQ(terminal_.Text(), "one\ntwo\nthree\n");
  Show({}, {"1"});
  EXPECT_EQ(terminal_.Text(), "1\n");
  Show({}, {});
  EXPECT_EQ(terminal_.Text(), "");
  EXPECT_EQ(terminal_.row(), 0);
}

TEST_F(ScreenTest, HistoryStaysAboveAndScrolls) {
  for (int i = 0; i < 20; ++i) {
    Show({"done " + std::to_string(i)}, {"a", "running " + std::to_string(i), "c", "d"});
    Show({}, {"a", "x", "c", "d"});
  }
  Show({"end"}, {});
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    expected += "done " + std::to_string(i) + "\n";
  }
  EXPECT_EQ(terminal_.Text(), expected + "end\n");
}

TEST_F(ScreenTest, LongHistoryIsBrokenByTheTerminal) {
  Show({}, {"live"});
  Show({"0123456789abcdef", "next"}, {"live"});
  EXPECT_EQ(terminal_.Text(), "0123456789\nabcdef\nnext\nlive\n");
}

TEST_F(ScreenTest, FullAndTooLongLinesStayOneLine) {
  Show({}, {"0123456789", "below"});
  Show({}, {"0123456789abc", "below"});  // wider than this program thought
  EXPECT_EQ(terminal_.Text(), "012345678c\nbelow\n");
  Show({}, {"9876543210", "below"});
  EXPECT_EQ(terminal_.Text(), "9876543210\nbelow\n");
}

TEST_F(ScreenTest, WhatTheUserTypedGoesWithTheNextFrame) {
  Show({}, {"live"});
  terminal_.Write("^C");
  Show({}, {"over"});
  EXPECT_EQ(terminal_.Text(), "over\n");
}

TEST_F(ScreenTest, ANarrowerTerminalHasBrokenLines) {
  Show({}, {"01234567", "0123", "x"});
  // A terminal of 4 columns shows these as 2 + 1 + 1 lines.
  Terminal narrow(4, 8);
  narrow.Write("ab\n01234567\n0123\nx\n");
  view_.width = 4;
  narrow.Write(screen_.Frame({}, {"y"}, view_));
  EXPECT_EQ(narrow.Text(), "ab\ny\n");
}

TEST_F(ScreenTest, AnotherSizeDrawsEverythingAgain) {
  Show({}, {"one", "two"});
  view_.width = 20;
  EXPECT_NE(Show({}, {"one", "two"}), "");
  view_.height = 4;
  EXPECT_NE(Show({}, {"one", "two"}), "");
  EXPECT_EQ(terminal_.Text(), "one\ntwo\n");
}

TEST_F(ScreenTest, WhatWasForgottenStays) {
  Show({}, {"one", "two"});
  terminal_.Write("stopped\n");
  screen_.Forget();
  Show({}, {"three"});
  EXPECT_EQ(terminal_.Text(), "one\ntwo\nstopped\nthree\n");
}

}  // namespace
}  // namespace zlayer
