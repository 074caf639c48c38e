#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

constexpr size_t kMinFlexible = 8;
constexpr std::string_view kEllipsis = "…";

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string Cut(const std::string& text, size_t characters) {
  if (Characters(text) <= characters) {
    return text;
  }
  size_t end = 0;
  for (size_t i = 0; i + 1 < characters; ++i) {
    end += FirstCodePoint(std::string_view(text).substr(end)).length;
  }
  return text.substr(0, end) + std::string(kEllipsis);
}

void Clean(std::string* text) {
  std::replace_if(
      text->begin(), text->end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
}

}  // namespace

std::optional<size_t> TerminalWidth() {
  winsize size = {};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
      size.ws_col == 0) {
    return std::nullopt;
  }
  return size.ws_col;
}

size_t HelpWidth() { return std::clamp<size_t>(TerminalWidth().value_or(80), 40, 100); }

std::string FitTable(std::vector<std::vector<std::string>> rows, size_t flexible,
                     std::optional<size_t> width) {
  if (!width.has_value()) {
    return FormatTable(rows);
  }
  std::vector<size_t> widths;
  for (std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      Clean(&row[i]);
      widths[i] = std::max(widths[i], Characters(row[i]));
    }
  }
  size_t others = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    others += i == flexible ? 0 : widths[i] + 2;
  }
  size_t left = std::max(*width > others ? *width - others : 0, kMinFlexible);
  for (std::vector<std::string>& row : rows) {
    if (flexible < row.size()) {
      row[flexible] = Cut(row[flexible], left);
    }
  }
  return FormatTable(rows);
}

}  // namespace zlayer
