#include "client/progress/screen.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/progress/screen_text.h"

namespace zlayer {
namespace {

constexpr char kBegin[] = "\x1b[?2026h\x1b[?25l\r";
constexpr char kNoWrap[] = "\x1b[?7l";
constexpr char kClearLine[] = "\x1b[2K";
constexpr char kClearBelow[] = "\x1b[J";

std::string Up(size_t lines) { return lines == 0 ? "" : fmt::format("\x1b[{}A", lines); }
std::string Down(size_t lines) { return lines == 0 ? "" : fmt::format("\x1b[{}B", lines); }

}  // namespace

std::string Screen::Frame(const std::vector<std::string>& history,
                          const std::vector<std::string>& live, const View& view) {
  const bool resized = !shown_.empty() && (view.width != width_ || view.height != height_);
  if (history.empty() && live == shown_ && !resized) {
    return {};
  }
  std::string bytes = kBegin;
  if (history.empty() && !resized) {
    bytes += kNoWrap;
    bytes += Replace(live);
  } else {
    bytes += Up(Height(view.width));
    bytes += kClearBelow;
    for (const std::string& line : history) {
      bytes += line;
      bytes += '\n';
    }
    bytes += kNoWrap;
    for (const std::string& line : live) {
      bytes += line;
      bytes += '\n';
    }
  }
  // Below the live lines only what the user typed can stand, such as ^C.
  bytes += kClearBelow;
  bytes += kUsualTerminal;
  shown_ = live;
  width_ = view.width;
  height_ = view.height;
  return bytes;
}

std::string Screen::Replace(const std::vector<std::string>& live) const {
  // The cursor is below the last line that is shown.
  std::string bytes;
  size_t at = shown_.size();
  for (size_t i = 0; i < live.size(); ++i) {
    if (i < shown_.size() && live[i] == shown_[i]) {
      continue;
    }
    bytes += at > i ? Up(at - i) : Down(i - at);
    bytes += kClearLine;
    bytes += live[i];
    bytes += i < shown_.size() ? "\r\x1b[B" : "\n";
    at = i + 1;
  }
  bytes += at > live.size() ? Up(at - live.size()) : Down(live.size() - at);
  return bytes;
}

size_t Screen::Height(int width) const {
  if (width >= width_ || width < 1) {
    return shown_.size();
  }
  size_t height = 0;
  for (const std::string& line : shown_) {
    const size_t columns = ColumnsOf(Printable(line));
    height += std::max<size_t>(1, (columns + width - 1) / static_cast<size_t>(width));
  }
  return height;
}

}  // namespace zlayer
