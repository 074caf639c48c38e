#include "client/progress/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/progress/screen_text.h"

namespace zlayer {
namespace {

// Columns that the text keeps before the right edge gives way.
constexpr size_t kLeastText = 8;

const char* Code(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kBad:
      return "\x1b[1;31m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kName:
      return "\x1b[36m";
  }
  return "";
}

void Append(std::string* line, std::string_view text, Style style, const View& view) {
  const bool coloured = view.colour && style != Style::kPlain && !text.empty();
  if (coloured) {
    *line += Code(style);
  }
  *line += view.unicode ? std::string(text) : ToAscii(text);
  if (coloured) {
    *line += "\x1b[0m";
  }
}

}  // namespace

Row& Row::Add(std::string_view text, Style style) {
  spans_.push_back({style, Printable(text)});
  return *this;
}

Row& Row::Right(std::string text) {
  right_ = std::move(text);
  return *this;
}

Row& Row::Whole() {
  whole_ = true;
  return *this;
}

std::string Row::Text(const View& view) const {
  if (view.width <= 0) {
    return {};
  }
  const auto width = static_cast<size_t>(view.width);
  const bool has_right = !right_.empty() && width >= right_.size() + 1 + kLeastText;
  const size_t room = has_right ? width - right_.size() - 1 : width;
  size_t used = 0;
  size_t left = 0;  // columns of the spans that are still to come
  for (const Span& span : spans_) {
    left += ColumnsOf(span.text);
  }
  const bool cut = !whole_ && left > room;
  std::string line;
  for (const Span& span : spans_) {
    const size_t columns = ColumnsOf(span.text);
    if (cut && used + columns >= room) {
      // One more character than fits, so that the cut shows where this span alone would fit.
      const std::string text = CutTo(span.text + " ", room - used);
      used += ColumnsOf(text);
      Append(&line, text, span.style, view);
      break;
    }
    used += columns;
    Append(&line, span.text, span.style, view);
  }
  if (has_right) {
    line.append(whole_ ? 2 : width - used - right_.size(), ' ');
    Append(&line, right_, Style::kDim, view);
  }
  return line;
}

std::string FormatSeconds(double seconds) {
  seconds = std::max(seconds, 0.0);
  if (seconds < 59.95) {
    return fmt::format("{:.1f}s", seconds);
  }
  const auto whole = static_cast<uint64_t>(std::min(seconds, 1e12) + 0.5);
  if (whole < 3600) {
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  }
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

}  // namespace zlayer
