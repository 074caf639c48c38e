#include "daemon/frontend/dockerfile/go_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/strings.h"

namespace zlayer {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

constexpr Range kNotLetters[] = {
    {0x80, 0xa9},       {0xab, 0xb4},       {0xb6, 0xb9},          {0xbb, 0xbf},
    {0xd7, 0xd7},       {0xf7, 0xf7},       {0x2000, 0x2070},      {0x2072, 0x207e},
    {0x2080, 0x208f},   {0x20a0, 0x2101},   {0x2190, 0x2bff},      {0x2e00, 0x2e7f},
    {0x3000, 0x3004},   {0x3007, 0x3030},   {0xe000, 0xf8ff},      {0xfe00, 0xfe6f},
    {0xff00, 0xff20},   {0xff3b, 0xff40},   {0xff5b, 0xff65},      {0xffe0, 0xffff},
    {0x1d000, 0x1d3ff}, {0x1f000, 0x1fbff}, {0xe0000, 0xffffffff},
};

// Printable or not outside ASCII: controls, other white space, formatting and private use are not.
constexpr Range kNotPrintable[] = {
    {0x80, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680},    {0x180e, 0x180e}, {0x2000, 0x200f},
    {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},    {0xe000, 0xf8ff}, {0xfeff, 0xfeff},
    {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
};

template <size_t N>
bool Contains(const Range (&ranges)[N], uint32_t value) {
  return std::any_of(std::begin(ranges), std::end(ranges), [value](const Range& range) {
    return range.first <= value && value <= range.last;
  });
}

std::string QuoteAscii(char c) {
  switch (c) {
    case '\a':
      return "\\a";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\v':
      return "\\v";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      return c >= ' ' && c < 0x7f ? std::string(1, c)
                                  : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
}

// U+FFFD for what is no code point.
std::string EncodeUtf8(uint32_t code_point) {
  if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) {
    code_point = 0xfffd;
  }
  const auto tail = [code_point](int shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) {
    return {static_cast<char>(code_point)};
  }
  if (code_point < 0x800) {
    return {static_cast<char>(0xc0 | (code_point >> 6)), tail(0)};
  }
  if (code_point < 0x10000) {
    return {static_cast<char>(0xe0 | (code_point >> 12)), tail(6), tail(0)};
  }
  return {static_cast<char>(0xf0 | (code_point >> 18)), tail(12), tail(6), tail(0)};
}

// Takes a unit ("ms") from the text; nanoseconds, or 0 where none is known.
int64_t TakeUnit(std::string_view* text) {
  constexpr struct {
    std::string_view name;
    int64_t nanoseconds;
  } kUnits[] = {
      {"ns", 1},         {"us", 1000},         {"\u00b5s", 1000},     {"\u03bcs", 1000},
      {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000},
  };
  const std::string_view name = text->substr(0, text->find_first_of(".0123456789"));
  text->remove_prefix(name.size());
  for (const auto& unit : kUnits) {
    if (unit.name == name) {
      return unit.nanoseconds;
    }
  }
  return 0;
}

std::string_view TakeDigits(std::string_view* text) {
  const std::string_view digits = text->substr(0, text->find_first_not_of("0123456789"));
  text->remove_prefix(digits.size());
  return digits;
}

}  // namespace

bool IsGoSpace(uint32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool IsGoLetter(uint32_t c) {
  if (c < 0x80) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  return !Contains(kNotLetters, c);
}

std::string_view TrimGoSpaceLeft(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (!IsGoSpace(first.value)) {
      break;
    }
    text.remove_prefix(first.length);
  }
  return text;
}

std::string_view TrimGoSpace(std::string_view text) {
  text = TrimGoSpaceLeft(text);
  while (!text.empty() && static_cast<unsigned char>(text.back()) < 0x80) {
    if (!IsGoSpace(static_cast<unsigned char>(text.back()))) {
      return text;
    }
    text.remove_suffix(1);
  }
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = FirstCodePoint(text.substr(at));
    at += point.length;
    if (!IsGoSpace(point.value)) {
      end = at;
    }
  }
  return text.substr(0, end);
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.substr(text.starts_with(kMark) ? kMark.size() : 0);
}

std::string GoQuote(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (point.value < 0x80 || point.value > 0x10ffff) {
      quoted += QuoteAscii(text[0]);
    } else if (Contains(kNotPrintable, point.value)) {
      quoted += point.value > 0xffff ? fmt::format("\\U{:08x}", point.value)
                                     : fmt::format("\\u{:04x}", point.value);
    } else {
      quoted += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  return quoted + "\"";
}

std::string GoQuoteRune(uint32_t code_point) {
  if (code_point == '\'') {
    return "'\\''";
  }
  if (code_point == '"') {
    return "'\"'";
  }
  const std::string quoted = GoQuote(EncodeUtf8(code_point));
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

std::string GoQuoteList(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  quoted.reserve(words.size());
  for (const std::string& word : words) {
    quoted.push_back(GoQuote(word));
  }
  return "[" + Join(quoted, " ") + "]";
}

std::string GoCleanPath(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> kept;
  for (const std::string_view component : Split(path, '/')) {
    if (component.empty() || component == ".") {
      continue;
    }
    if (component != "..") {
      kept.push_back(component);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!absolute) {
      kept.push_back(component);
    }
  }
  std::string clean = absolute ? "/" : "";
  for (const std::string_view component : kept) {
    if (!clean.empty() && clean.back() != '/') {
      clean += '/';
    }
    clean += component;
  }
  return clean.empty() ? "." : clean;
}

std::optional<bool> ParseGoBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> SplitCsv(std::string_view line) {
  std::vector<std::string> fields(1);
  bool in_quotes = false;
  bool quoted = false;  // the field was in quotes, which have been closed
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_quotes) {
      if (c != '"') {
        fields.back() += c;
      } else if (line.substr(i + 1).starts_with('"')) {
        fields.back() += line[++i];
      } else {
        in_quotes = false;
        quoted = true;
      }
    } else if (c == ',') {
      fields.emplace_back();
      quoted = false;
    } else if (quoted || (c == '"' && !fields.back().empty())) {
      return std::nullopt;
    } else if (c == '"') {
      in_quotes = true;
    } else {
      fields.back() += c;
    }
  }
  return in_quotes || line.empty() ? std::nullopt : std::make_optional(std::move(fields));
}

std::optional<int64_t> ParseGoDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  if (text == "0") {
    return 0;
  }
  if (text.empty()) {
    return std::nullopt;
  }
  __int128 total = 0;
  while (!text.empty()) {
    const std::string_view whole = TakeDigits(&text);
    std::string_view fraction;
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      fraction = TakeDigits(&text);
    }
    const int64_t unit = TakeUnit(&text);
    if ((whole.empty() && fraction.empty()) || unit == 0 || whole.size() > 19) {
      return std::nullopt;
    }
    total += static_cast<__int128>(ParseUint(whole).value_or(0)) * unit;
    int64_t scale = unit;
    for (const char digit : fraction.substr(0, 18)) {
      total += static_cast<int64_t>(digit - '0') * scale / 10;
      scale /= 10;
    }
    if (total > std::numeric_limits<int64_t>::max()) {
      return std::nullopt;
    }
  }
  return static_cast<int64_t>(negative ? -total : total);
}

std::string FormatGoDuration(int64_t nanoseconds) {
  const bool negative = nanoseconds < 0;
  uint64_t rest =
      negative ? -static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  const auto decimal = [](uint64_t value, uint64_t unit, std::string_view name) {
    std::string text = std::to_string(value / unit);
    if (value % unit != 0) {
      std::string fraction = std::to_string(unit + value % unit).substr(1);
      fraction.erase(fraction.find_last_not_of('0') + 1);
      text += "." + fraction;
    }
    return text.append(name);
  };
  std::string text = negative ? "-" : "";
  if (rest == 0) {
    return "0s";
  }
  if (rest < 1000) {
    return text + decimal(rest, 1, "ns");
  }
  if (rest < 1'000'000) {
    return text + decimal(rest, 1000, "\u00b5s");
  }
  if (rest < 1'000'000'000) {
    return text + decimal(rest, 1'000'000, "ms");
  }
  constexpr uint64_t kMinute = 60'000'000'000;
  if (rest >= 60 * kMinute) {
    text += fmt::format("{}h", rest / (60 * kMinute));
  }
  if (rest >= kMinute) {
    text += fmt::format("{}m", rest / kMinute % 60);
  }
  return text + decimal(rest % kMinute, 1'000'000'000, "s");
}

}  // namespace zlayer
