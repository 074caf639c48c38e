#include "base/path_pattern.h"

#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <cstddef>

#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

uint32_t TakeCharacter(std::string_view* text) {
  const CodePoint point = FirstCodePoint(*text);
  text->remove_prefix(point.length);
  return point.value;
}

constexpr uint32_t kMaxCharacter = UINT32_MAX;
constexpr std::string_view kSpecial = "*?[]\\";

bool HasSpecial(std::string_view text) {
  return text.find_first_of(kSpecial) != std::string_view::npos;
}

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;

// What is in none of the sorted `ranges`.
Ranges Complement(const Ranges& ranges) {
  Ranges others;
  uint32_t next = 0;
  for (const auto& [first, last] : ranges) {
    if (first > next) {
      others.emplace_back(next, first - 1);
    }
    next = last + 1;
  }
  others.emplace_back(next, kMaxCharacter);
  return others;
}

// The characters that an escaped one stands for; none where it has no meaning here.
Ranges Escaped(uint32_t character) {
  switch (character) {
    case 'a':
      return {{'\a', '\a'}};
    case 'f':
      return {{'\f', '\f'}};
    case 'n':
      return {{'\n', '\n'}};
    case 'r':
      return {{'\r', '\r'}};
    case 't':
      return {{'\t', '\t'}};
    case 'v':
      return {{'\v', '\v'}};
    case 'd':
      return {{'0', '9'}};
    case 's':
      return {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    case 'w':
      return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 'D':
    case 'S':
    case 'W':
      return Complement(Escaped(character - 'A' + 'a'));
    default:
      break;
  }
  const bool alphanumeric = (character >= '0' && character <= '9') ||
                            (character >= 'A' && character <= 'Z') ||
                            (character >= 'a' && character <= 'z');
  return character < 0x80 && !alphanumeric ? Ranges{{character, character}} : Ranges{};
}

}  // namespace

class PathPattern::Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  // For a pattern that is not a literal.
  absl::Status Parse() {
    if (rest_.starts_with("**") && !HasSpecial(rest_.substr(2))) {
      rest_.remove_prefix(2);
      Add(Skip('/') ? Kind::kDirectories : Kind::kAnything);
      AddLiterals(rest_);
      return absl::OkStatus();
    }
    if (rest_.ends_with("**") && !HasSpecial(rest_.substr(0, rest_.size() - 2))) {
      AddLiterals(rest_.substr(0, rest_.size() - 2));
      Add(Kind::kAnything);
      return absl::OkStatus();
    }
    while (!rest_.empty()) {
      RETURN_IF_ERROR(ParseOne());
    }
    return absl::OkStatus();
  }

  std::vector<Token> Take() { return std::move(tokens_); }

 private:
  bool Skip(char c) {
    if (!rest_.starts_with(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  // 0 at the end: what a class breaks off may leave less than CheckGlob saw.
  uint32_t Next() { return rest_.empty() ? 0 : TakeCharacter(&rest_); }

  Token& Add(Kind kind) { return tokens_.emplace_back(Token{kind, 0, false, {}}); }

  void AddLiterals(std::string_view text) {
    while (!text.empty()) {
      Add(Kind::kLiteral).literal = TakeCharacter(&text);
    }
  }

  void AddNoSlash(Kind kind) {
    Token& token = Add(kind);
    token.negated = true;
    token.ranges = {{'/', '/'}};
  }

  absl::Status ParseOne() {
    if (Skip('*')) {
      if (Skip('*')) {
        Skip('/');
        AddDoubleStar();
      } else {
        AddNoSlash(Kind::kRun);
      }
    } else if (Skip('?')) {
      AddNoSlash(Kind::kClass);
    } else if (Skip('[')) {
      return ParseClass();
    } else if (Skip('^')) {
      Add(Kind::kStart);
    } else if (Skip('\\')) {
      ASSIGN_OR_RETURN(Add(Kind::kClass).ranges, TakeEscaped());
    } else {
      Add(Kind::kLiteral).literal = Next();
    }
    return absl::OkStatus();
  }

  void AddDoubleStar() {
    const Kind kind = rest_.empty() ? Kind::kAnything : Kind::kDirectories;
    if (tokens_.empty() || tokens_.back().kind != kind) {
      Add(kind);
    }
  }

  absl::StatusOr<Ranges> TakeEscaped() {
    const uint32_t character = Next();
    Ranges ranges = Escaped(character);
    if (ranges.empty()) {
      return InvalidArgument(
          "'\\' may stand before a character that is neither a letter nor a digit, and before a, "
          "d, f, "
          "n, r, s, t, v and w");
    }
    return ranges;
  }

  absl::Status ParseClass() {
    Token& token = Add(Kind::kClass);
    token.negated = Skip('^');
    while (!rest_.empty() && !Skip(']')) {
      if (rest_.starts_with("[:") && rest_.find(":]") != std::string_view::npos) {
        return InvalidArgument("named classes (\"[:alpha:]\") are not known here");
      }
      if (Skip('*')) {
        if (!Skip('*')) {
          token.kind = Kind::kRun;
          CloseClass(&token);
          return absl::OkStatus();
        }
        Skip('/');
        for (const char c : std::string_view("(.*/)?")) {
          token.ranges.emplace_back(c, c);
        }
      } else if (Skip('?')) {
        CloseClass(&token);
        return absl::OkStatus();
      } else {
        RETURN_IF_ERROR(ParseRange(&token.ranges));
      }
    }
    return absl::OkStatus();
  }

  // The expression has "[^/]" here, whose ']' is the first.
  static void CloseClass(Token* token) {
    for (const char c : std::string_view("[^/")) {
      token->ranges.emplace_back(c, c);
    }
  }

  absl::Status ParseRange(Ranges* ranges) {
    ASSIGN_OR_RETURN(const Ranges low, TakeClassCharacter());
    if (low.size() > 1 || low[0].first != low[0].second || !Skip('-')) {
      ranges->insert(ranges->end(), low.begin(), low.end());
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Ranges high, TakeClassCharacter());
    if (high.size() > 1 || high[0].first != high[0].second || high[0].first < low[0].first) {
      return InvalidArgument("a range of a class ends before it begins, or with a class");
    }
    ranges->emplace_back(low[0].first, high[0].first);
    return absl::OkStatus();
  }

  absl::StatusOr<Ranges> TakeClassCharacter() {
    if (Skip('\\')) {
      return TakeEscaped();
    }
    const uint32_t character = Next();
    return Ranges{{character, character}};
  }

  std::string_view rest_;
  std::vector<Token> tokens_;
};

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
    at_start_ = false;
    bool alive = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (states_[i] == kOff) {
        continue;
      }
      switch (tokens_[i].kind) {
        case Kind::kStart:
          break;
        case Kind::kRun:
          if (Takes(tokens_[i], character)) {
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
      if (i == tokens_.size() || tokens_[i].kind < Kind::kStart ||
          (tokens_[i].kind == Kind::kStart && !at_start_)) {
        return;
      }
    }
  }

  const std::vector<Token>& tokens_;
  States states_;
  States next_;
  bool at_start_ = true;
};

bool PathPattern::Takes(const Token& token, uint32_t character) {
  if (token.kind == Kind::kLiteral) {
    return character == token.literal;
  }
  const bool found =
      std::any_of(token.ranges.begin(), token.ranges.end(), [character](const auto& range) {
        return range.first <= character && character <= range.second;
      });
  return found != token.negated;
}

absl::StatusOr<PathPattern> PathPattern::Parse(std::string_view text) {
  RETURN_IF_ERROR(CheckGlob(text));
  PathPattern pattern;
  if (!HasSpecial(text)) {
    pattern.literal_ = text;
    return pattern;
  }
  Parser parser(text);
  RETURN_IF_ERROR(Annotate(parser.Parse(), "the pattern \"" + ToUtf8(text) + "\" is malformed"));
  pattern.tokens_ = parser.Take();
  return pattern;
}

bool PathPattern::MatchesOrParent(std::string_view path) const {
  bool found = false;
  VisitMatches(path, [&found](size_t) {
    found = true;
    return false;
  });
  return found;
}

void PathPattern::VisitMatches(std::string_view path,
                               absl::FunctionRef<bool(size_t level)> visit) const {
  if (tokens_.empty()) {
    if (path.starts_with(literal_) &&
        (path.size() == literal_.size() || path[literal_.size()] == '/')) {
      visit(static_cast<size_t>(std::count(literal_.begin(), literal_.end(), '/')));
    }
    return;
  }
  Run run(tokens_);
  size_t level = 0;
  while (!path.empty()) {
    const bool ends = path.front() == '/';
    if (ends && run.Matched() && !visit(level)) {
      return;
    }
    level += ends ? 1 : 0;
    if (!run.Advance(TakeCharacter(&path))) {
      return;
    }
  }
  if (run.Matched()) {
    visit(level);
  }
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
