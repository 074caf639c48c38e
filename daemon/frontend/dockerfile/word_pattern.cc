#include "daemon/frontend/dockerfile/word_pattern.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxSteps = 4'000'000;
constexpr size_t kMaxLength = 1 << 20;  // of a result
constexpr size_t kNone = static_cast<size_t>(-1);

using Characters = std::vector<std::string_view>;

struct Token {
  enum Kind { kLiteral, kAny, kStar };
  Kind kind;
  std::string_view literal;
};

Characters SplitCharacters(std::string_view text) {
  Characters characters;
  while (!text.empty()) {
    const size_t length = FirstCodePoint(text).length;
    characters.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return characters;
}

absl::StatusOr<std::vector<Token>> ParsePattern(std::string_view pattern) {
  const Characters characters = SplitCharacters(pattern);
  std::vector<Token> tokens;
  for (size_t i = 0; i < characters.size(); ++i) {
    if (characters[i] == "*") {
      tokens.push_back({Token::kStar, {}});
      continue;
    }
    if (characters[i] == "?") {
      tokens.push_back({Token::kAny, {}});
      continue;
    }
    if (characters[i] == "\\") {
      const std::string_view next = i + 1 < characters.size() ? characters[i + 1] : "";
      if (next != "*" && next != "?" && next != "\\" && next != "}" && next != "/") {
        return InvalidArgument(
            fmt::format("the pattern \"{}\" has the invalid escape \"\\{}\"", pattern, next));
      }
      ++i;
    }
    tokens.push_back({Token::kLiteral, characters[i]});
  }
  return tokens;
}

// Where matches of `tokens` that start at `begin` end: the first or the last such place, or kNone.
class Matcher {
 public:
  explicit Matcher(const std::vector<Token>& tokens)
      : tokens_(tokens), states_(tokens.size() + 1), next_(tokens.size() + 1) {}

  // Whether matching was given up: what Match returned means nothing then.
  bool exhausted() const { return steps_ > kMaxSteps; }

  size_t Match(const Characters& text, size_t begin, TrimLength length) {
    std::fill(states_.begin(), states_.end(), 0);
    states_[0] = 1;
    PassStars(&states_);
    size_t end = kNone;
    for (size_t at = begin;; ++at) {
      if (states_.back() != 0) {
        end = at;
        if (length == TrimLength::kShortest) {
          return end;
        }
      }
      if (at == text.size() || !Advance(text[at])) {
        return end;
      }
    }
  }

 private:
  // A state that stands at a star may also stand behind it.
  void PassStars(std::vector<uint8_t>* states) const {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if ((*states)[i] != 0 && tokens_[i].kind == Token::kStar) {
        (*states)[i + 1] = 1;
      }
    }
  }

  bool Advance(std::string_view character) {
    steps_ += tokens_.size() + 1;
    if (exhausted()) {
      return false;
    }
    std::fill(next_.begin(), next_.end(), 0);
    bool any = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      const bool takes =
          token.kind == Token::kLiteral ? token.literal == character : character != "\n";
      if (states_[i] != 0 && takes) {
        next_[token.kind == Token::kStar ? i : i + 1] = 1;
        any = true;
      }
    }
    PassStars(&next_);
    states_.swap(next_);
    return any;
  }

  const std::vector<Token>& tokens_;
  std::vector<uint8_t> states_;  // whether the tokens before this one have matched so far
  std::vector<uint8_t> next_;
  size_t steps_ = 0;
};

absl::Status TooLong() {
  return InvalidArgument("a pattern and the value that it is matched against are too long");
}

std::string JoinCharacters(const Characters& characters, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) {
    text += characters[i];
  }
  return text;
}

// Takes "name" or "{name}" from the text; empty where it does not begin with one.
std::string_view TakeGroupName(std::string_view* text) {
  const bool braces = text->starts_with('{');
  const std::string_view inner = text->substr(braces ? 1 : 0);
  size_t length = 0;
  while (length < inner.size()) {
    const CodePoint point = FirstCodePoint(inner.substr(length));
    const bool digit = inner[length] >= '0' && inner[length] <= '9';
    if (!digit && inner[length] != '_' && !IsGoLetter(point.value)) {
      break;
    }
    length += point.length;
  }
  if (length == 0 || (braces && !inner.substr(length).starts_with('}'))) {
    return {};
  }
  text->remove_prefix(length + (braces ? 2 : 0));
  return inner.substr(0, length);
}

// A replacement as Go's regular expressions fill it in: "$0" is the match, "$$" a dollar, and other
// names are of groups, which patterns do not have. nullopt where that is too long.
std::optional<std::string> FillIn(std::string_view text, std::string_view match) {
  std::string filled;
  while (!text.empty() && filled.size() <= kMaxLength) {
    const size_t dollar = std::min(text.find('$'), text.size());
    filled += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.empty()) {
      break;
    }
    text.remove_prefix(1);
    if (text.starts_with('$')) {
      text.remove_prefix(1);
      filled += '$';
    } else if (const std::string_view name = TakeGroupName(&text); name.empty()) {
      filled += '$';
    } else if (name == "0") {
      filled += match;
    }
  }
  return filled.size() <= kMaxLength ? std::make_optional(filled) : std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> TrimPattern(std::string_view value, std::string_view pattern,
                                        TrimSide side, TrimLength length) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, ParsePattern(pattern));
  Characters characters = SplitCharacters(value);
  if (side == TrimSide::kSuffix) {
    std::reverse(tokens.begin(), tokens.end());
    std::reverse(characters.begin(), characters.end());
  }
  Matcher matcher(tokens);
  const size_t end = matcher.Match(characters, 0, length);
  if (matcher.exhausted()) {
    return TooLong();
  }
  if (end == kNone) {
    return std::string(value);
  }
  characters.erase(characters.begin(), characters.begin() + static_cast<std::ptrdiff_t>(end));
  if (side == TrimSide::kSuffix) {
    std::reverse(characters.begin(), characters.end());
  }
  return JoinCharacters(characters, 0, characters.size());
}

absl::StatusOr<std::string> ReplacePattern(std::string_view value, std::string_view pattern,
                                           std::string_view replacement, bool all) {
  ASSIGN_OR_RETURN(const std::vector<Token> tokens, ParsePattern(pattern));
  const Characters characters = SplitCharacters(value);
  Matcher matcher(tokens);
  std::string result;
  size_t last_end = kNone;  // of the match before
  size_t at = 0;
  while (at <= characters.size()) {
    const bool done = last_end != kNone && !all;
    size_t end = done ? kNone : matcher.Match(characters, at, TrimLength::kLongest);
    if (matcher.exhausted()) {
      return TooLong();
    }
    if (end == at && last_end == at) {
      end = kNone;  // nothing, right behind a match
    }
    if (end != kNone) {
      const std::optional<std::string> filled =
          all ? FillIn(replacement, JoinCharacters(characters, at, end)) : std::string(replacement);
      if (!filled || result.size() + filled->size() > kMaxLength) {
        return InvalidArgument("the result is longer than 1 MiB");
      }
      result += *filled;
      last_end = end;
    }
    if (end != kNone && end > at) {
      at = end;
      if (at == characters.size()) {
        break;
      }
      continue;
    }
    if (at < characters.size()) {
      result += characters[at];
    }
    ++at;
  }
  return result;
}

}  // namespace zlayer
