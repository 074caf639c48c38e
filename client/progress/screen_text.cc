#include "client/progress/screen_text.h"

#include <utility>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr char kEscape = '\x1b';
constexpr size_t kTab = 8;
constexpr int kMaxCombining = 4;
constexpr uint32_t kMaxCodePoint = 0x10ffff;

bool IsBetween(char c, unsigned char low, unsigned char high) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= low && byte <= high;
}

// Length of a string that ESC ], P, X, ^ or _ began: up to BEL or ESC \, else all.
size_t StringLength(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\a') {
      return i + 1;
    }
    if (text[i] == kEscape) {
      return i + 1 < text.size() && text[i + 1] == '\\' ? i + 2 : i;
    }
  }
  return text.size();
}

// Length of the escape sequence (ECMA-48) at the begin of `text`, which begins with ESC.
size_t EscapeLength(std::string_view text) {
  if (text.size() < 2) {
    return 1;
  }
  const char kind = text[1];
  size_t end = 1;
  if (kind == '[') {
    end = 2;
    while (end < text.size() && IsBetween(text[end], 0x20, 0x3f)) {
      ++end;
    }
    return end < text.size() && IsBetween(text[end], 0x40, 0x7e) ? end + 1 : end;
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
    return 2 + StringLength(text.substr(2));
  }
  while (end < text.size() && IsBetween(text[end], 0x20, 0x2f)) {
    ++end;
  }
  return end < text.size() && IsBetween(text[end], 0x30, 0x7e) ? end + 1 : end;
}

bool IsPlainAscii(std::string_view text) {
  for (char c : text) {
    if (!IsBetween(c, 0x20, 0x7e)) {
      return false;
    }
  }
  return true;
}

class Cleaner {
 public:
  std::string Clean(std::string_view text) {
    while (!text.empty()) {
      if (text.front() == kEscape) {
        text.remove_prefix(EscapeLength(text));
        continue;
      }
      const CodePoint next = FirstCodePoint(text);
      Take(next.value, text.substr(0, next.length));
      text.remove_prefix(next.length);
    }
    return std::move(clean_);
  }

 private:
  void Take(uint32_t value, std::string_view bytes) {
    if (value > kMaxCodePoint) {
      return Put("\uFFFD", 1);
    }
    if (value == '\t') {
      const size_t spaces = kTab - columns_ % kTab;
      return Put(std::string(spaces, ' '), spaces);
    }
    if (value == '\n' || value == 0x2028 || value == 0x2029) {
      return Put(" ", 1);
    }
    switch (KindOf(value)) {
      case CharacterKind::kControl:
      case CharacterKind::kNeverShown:
        return;
      case CharacterKind::kCombining:
        if (columns_ > 0 && combining_ < kMaxCombining) {
          ++combining_;
          clean_ += bytes;
        }
        return;
      case CharacterKind::kNarrow:
        return Put(bytes, 1);
      case CharacterKind::kWide:
        return Put(bytes, 2);
    }
  }

  void Put(std::string_view bytes, size_t columns) {
    clean_ += bytes;
    columns_ += columns;
    combining_ = 0;
  }

  std::string clean_;
  size_t columns_ = 0;
  int combining_ = 0;
};

size_t ColumnsOf(uint32_t code_point) {
  switch (KindOf(code_point)) {
    case CharacterKind::kNarrow:
      return 1;
    case CharacterKind::kWide:
      return 2;
    default:
      return 0;
  }
}

char AsciiMark(uint32_t code_point) {
  switch (code_point) {
    case U'✓':
      return '+';
    case U'✗':
      return 'x';
    case U'●':
      return '*';
    case U'│':
    case U'├':
      return '|';
    case U'└':
      return '`';
    case U'▶':
      return '>';
    case U'…':
      return '~';
    default:
      return '?';
  }
}

}  // namespace

std::string Printable(std::string_view text) {
  return IsPlainAscii(text) ? std::string(text) : Cleaner().Clean(text);
}

size_t ColumnsOf(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const CodePoint next = FirstCodePoint(text);
    columns += ColumnsOf(next.value);
    text.remove_prefix(next.length);
  }
  return columns;
}

std::string CutTo(std::string_view text, size_t columns) {
  size_t taken = 0;
  size_t room = 0;  // bytes that leave a column for the mark
  for (size_t at = 0; at < text.size();) {
    const CodePoint next = FirstCodePoint(text.substr(at));
    taken += ColumnsOf(next.value);
    if (taken > columns) {
      return columns == 0 ? std::string() : std::string(text.substr(0, room)) + "…";
    }
    at += next.length;
    if (taken < columns) {
      room = at;
    }
  }
  return std::string(text);
}

std::string ToAscii(std::string_view text) {
  std::string ascii;
  while (!text.empty()) {
    const CodePoint next = FirstCodePoint(text);
    if (next.value < 0x80) {
      ascii += static_cast<char>(next.value);
    } else {
      ascii.append(ColumnsOf(next.value), AsciiMark(next.value));
    }
    text.remove_prefix(next.length);
  }
  return ascii;
}

}  // namespace zlayer
