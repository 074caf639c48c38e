#include "base/path_pattern.h"

#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <cstddef>

#include "base/strings.h"

namespace zlayer {
namespace {

uint32_t TakeCharacter(std::string_view* text) {
  const CodePoint point = FirstCodePoint(*text);
  text->remove_prefix(point.length);
  return point.value;
}

uint32_t TakeEscaped(std::string_view* text) {
  if (text->front() == '\\') {
    text->remove_prefix(1);
  }
  return TakeCharacter(text);
}

}  // namespace

// The set of places in the pattern that the characters so far may have led to.
class PathPattern::Run {
 public:
  explicit Run(const std::vector<Token>& tokens)
      : tokens_(tokens), states_(tokens.size() + 1), next_(tokens.size() + 1) {
    Enter(0, &states_);
  }

  bool Matched() const { return states_.back() != kOff; }

  // False when nothing can match any more.
  bool Advance(uint32_t character) {
    std::fill(next_.begin(), next_.end(), kOff);
    bool alive = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (states_[i] == kOff) {
        continue;
      }
      switch (tokens_[i].kind) {
        case Kind::kStar:
          if (character != '/') {
            Enter(i, &next_);
            alive = true;
          }
          break;
        case Kind::kAnything:
          Enter(i, &next_);
          alive = true;
          break;
        case Kind::kDirectories:
          next_[i] = std::max(next_[i], kInside);
          alive = true;
          if (character == '/') {
            Enter(i + 1, &next_);
          }
          break;
        default:
          if (Takes(tokens_[i], character)) {
            Enter(i + 1, &next_);
            alive = true;
          }
          break;
      }
    }
    states_.swap(next_);
    return alive;
  }

 private:
  // kInside: within a run of kDirectories, which may not be left before a '/'.
  static constexpr uint8_t kOff = 0;
  static constexpr uint8_t kInside = 1;
  static constexpr uint8_t kEntered = 2;
  using States = absl::InlinedVector<uint8_t, 64>;

  // Comes to stand before token `i`, and behind it where it may match nothing.
  void Enter(size_t i, States* states) const {
    for (; (*states)[i] != kEntered; ++i) {
      (*states)[i] = kEntered;
      if (i == tokens_.size() || tokens_[i].kind < Kind::kStar) {
        return;
      }
    }
  }

  const std::vector<Token>& tokens_;
  States states_;
  States next_;
};

bool PathPattern::Takes(const Token& token, uint32_t character) {
  if (token.kind == Kind::kLiteral) {
    return character == token.literal;
  }
  if (token.kind == Kind::kOne) {
    return character != '/';
  }
  const bool found =
      std::any_of(token.ranges.begin(), token.ranges.end(), [character](const auto& range) {
        return range.first <= character && character <= range.second;
      });
  return found != token.negated;
}

PathPattern::PathPattern(std::string_view text) {
  if (text.find_first_of("*?[\\") == std::string_view::npos) {
    literal_ = text;
    return;
  }
  const size_t whole = text.size();
  while (!text.empty()) {
    if (text.starts_with("**")) {
      // At the very start `**` may end within a component: "**x" is a suffix of the path.
      const bool first = text.size() == whole;
      text.remove_prefix(2);
      if (text.empty() || (first && text.front() != '/' &&
                           text.find_first_of("*?[]\\") == std::string_view::npos)) {
        tokens_.push_back({Kind::kAnything, 0, false, {}});
        continue;
      }
      if (text.front() == '/') {
        text.remove_prefix(1);
      }
      AddDoubleStar(text);
    } else if (text.front() == '*') {
      text.remove_prefix(1);
      tokens_.push_back({Kind::kStar, 0, false, {}});
    } else if (text.front() == '?') {
      text.remove_prefix(1);
      tokens_.push_back({Kind::kOne, 0, false, {}});
    } else if (text.front() == '[') {
      text = AddClass(text.substr(1));
    } else {
      tokens_.push_back({Kind::kLiteral, TakeEscaped(&text), false, {}});
    }
  }
}

void PathPattern::AddDoubleStar(std::string_view rest) {
  const Kind kind = rest.empty() ? Kind::kAnything : Kind::kDirectories;
  if (tokens_.empty() || tokens_.back().kind != kind) {
    tokens_.push_back({kind, 0, false, {}});
  }
}

// `rest` begins behind the '['; returns what follows the ']'.
std::string_view PathPattern::AddClass(std::string_view rest) {
  Token token{Kind::kClass, 0, false, {}};
  if (rest.starts_with('^')) {
    token.negated = true;
    rest.remove_prefix(1);
  }
  while (!rest.empty() && rest.front() != ']') {
    const uint32_t low = TakeEscaped(&rest);
    uint32_t high = low;
    if (rest.starts_with('-')) {
      rest.remove_prefix(1);
      high = TakeEscaped(&rest);
    }
    token.ranges.emplace_back(low, high);
  }
  tokens_.push_back(std::move(token));
  return rest.empty() ? rest : rest.substr(1);
}

bool PathPattern::MatchesOrParent(std::string_view path) const {
  if (tokens_.empty()) {
    return path.starts_with(literal_) &&
           (path.size() == literal_.size() || path[literal_.size()] == '/');
  }
  Run run(tokens_);
  while (!path.empty()) {
    if (path.front() == '/' && run.Matched()) {
      return true;
    }
    if (!run.Advance(TakeCharacter(&path))) {
      return false;
    }
  }
  return run.Matched();
}

bool PathPattern::MayMatchBelow(std::string_view directory) const {
  if (tokens_.empty()) {
    return literal_.size() > directory.size() && literal_.starts_with(directory) &&
           literal_[directory.size()] == '/';
  }
  Run run(tokens_);
  while (!directory.empty()) {
    if (!run.Advance(TakeCharacter(&directory))) {
      return false;
    }
  }
  return run.Advance('/');
}

}  // namespace zlayer
