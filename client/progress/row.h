// One line of a screen before it is known how wide, colourful and capable that screen is.
#ifndef ZLAYER_CLIENT_PROGRESS_ROW_H_
#define ZLAYER_CLIENT_PROGRESS_ROW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// What a screen can do, and what time it is there.
struct View {
  int width = 80;
  int height = 24;
  bool colour = false;
  bool unicode = false;
  int64_t now_ns = 0;  // since 1970, as the times of events
};

enum class Style { kPlain, kBold, kDim, kGood, kBad, kWarning, kName };

class Row {
 public:
  // Appends text, made printable (screen_text.h).
  Row& Add(std::string_view text, Style style = Style::kPlain);
  // What stands at the right edge, where there is room for it: a time. ASCII.
  Row& Right(std::string text);
  // Is never cut: where it is too long the terminal breaks it, and copies it as one line. Only for
  // lines that stay, in the history.
  Row& Whole();

  // The line, without newline, at most `view.width` columns unless it is whole. Empty where the
  // width is not positive.
  std::string Text(const View& view) const;

 private:
  struct Span {
    Style style;
    std::string text;
  };

  std::vector<Span> spans_;
  std::string right_;
  bool whole_ = false;
};

// "3.1s", "2m05s", "1h02m"; 0 where it is negative.
std::string FormatSeconds(double seconds);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_ROW_H_
