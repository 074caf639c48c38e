#include "daemon/frontend/dockerfile/words.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/word_pattern.h"

namespace zlayer {
namespace {

constexpr size_t kMaxLength = 1 << 20;
constexpr int kMaxDepth = 100;

// What may have a meaning of its own, in one option or another. All else stands for itself.
constexpr std::string_view kSpecial = "$'\"<\\`}/";

bool IsVisibleAscii(char c) { return c > ' ' && c < 0x7f; }

// Collects a result twice: as one text, and split into words.
class WordBuilder {
 public:
  // What stood in the word itself: white space ends a word.
  void Add(std::string_view text) {
    text_ += text;
    while (!text.empty()) {
      const size_t plain = static_cast<size_t>(
          std::find_if_not(text.begin(), text.end(), IsVisibleAscii) - text.begin());
      word_ += text.substr(0, plain);
      text.remove_prefix(plain);
      if (text.empty()) {
        break;
      }
      const CodePoint point = FirstCodePoint(text);
      if (!IsGoSpace(point.value)) {
        word_ += text.substr(0, point.length);
      } else if (!word_.empty()) {
        words_.push_back(std::move(word_));
        word_.clear();
      }
      text.remove_prefix(point.length);
    }
  }

  // What was quoted or escaped: white space is like any other character.
  void AddQuoted(std::string_view text) {
    text_ += text;
    word_ += text;
  }

  size_t size() const { return text_.size(); }

  std::pair<std::string, std::vector<std::string>> Take() {
    if (!word_.empty()) {
      words_.push_back(std::move(word_));
    }
    return {std::move(text_), std::move(words_)};
  }

 private:
  std::string text_;
  std::vector<std::string> words_;
  std::string word_;
};

class Expander {
 public:
  Expander(std::string_view word, const VariableLookup& lookup, const WordOptions& options)
      : rest_(word), lookup_(lookup), options_(options) {}

  absl::StatusOr<ExpandedWord> Expand() {
    WordBuilder builder;
    RETURN_IF_ERROR(Process(0, options_.raw_escapes, &builder));
    ExpandedWord result;
    std::tie(result.text, result.words) = builder.Take();
    result.unset = std::move(unset_);
    return result;
  }

 private:
  bool AtEnd() const { return rest_.empty(); }
  char Peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool Skip(char c) {
    if (AtEnd() || Peek() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // One whole character; empty at the end.
  std::string_view Next() {
    if (AtEnd()) {
      return {};
    }
    const std::string_view next = rest_.substr(0, FirstCodePoint(rest_).length);
    rest_.remove_prefix(next.size());
    return next;
  }

  // Up to `stop`, which is taken, or up to the end where `stop` is 0.
  absl::Status Process(char stop, bool raw_escapes, WordBuilder* builder);
  absl::Status ProcessOne(bool raw_escapes, WordBuilder* builder);
  absl::StatusOr<std::string> ProcessNested(char stop, bool raw_escapes);
  void ProcessEscape(bool raw_escapes, WordBuilder* builder);
  void ProcessLess(WordBuilder* builder);
  absl::StatusOr<std::string> SingleQuoted();
  absl::StatusOr<std::string> DoubleQuoted(bool raw_escapes);
  absl::StatusOr<std::string> Dollar();
  absl::StatusOr<std::string> Braces();
  absl::StatusOr<std::string> Modified(std::string_view name, char modifier, bool null_is_unset);
  absl::StatusOr<std::string> Replaced(std::string_view name);
  std::string_view Name();
  std::optional<std::string> Lookup(std::string_view name);

  std::string_view rest_;
  const VariableLookup& lookup_;
  const WordOptions& options_;
  std::vector<std::string> unset_;
  std::unordered_set<std::string_view> unset_names_;  // parts of the word
  int depth_ = 0;
};

absl::Status Expander::Process(char stop, bool raw_escapes, WordBuilder* builder) {
  while (!AtEnd()) {
    if (stop != 0 && Skip(stop)) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(ProcessOne(raw_escapes, builder));
    if (builder->size() > kMaxLength) {
      return InvalidArgument("the result is longer than 1 MiB");
    }
  }
  return stop == 0 ? absl::OkStatus() : InvalidArgument(fmt::format("'{}' is missing", stop));
}

absl::Status Expander::ProcessOne(bool raw_escapes, WordBuilder* builder) {
  const char first = Peek();
  if (first == '$') {
    ASSIGN_OR_RETURN(const std::string value, Dollar());
    builder->Add(value);
  } else if (first == '\'' && !options_.plain_quotes) {
    ASSIGN_OR_RETURN(const std::string quoted, SingleQuoted());
    builder->AddQuoted(quoted);
  } else if (first == '"' && !options_.plain_quotes) {
    ASSIGN_OR_RETURN(const std::string quoted, DoubleQuoted(raw_escapes));
    builder->AddQuoted(quoted);
  } else if (first == options_.escape) {
    ProcessEscape(raw_escapes, builder);
  } else if (first == '<' && options_.join_heredoc) {
    ProcessLess(builder);
  } else if (const size_t plain = rest_.find_first_of(kSpecial); plain != 0) {
    const std::string_view text = rest_.substr(0, plain);
    rest_.remove_prefix(text.size());
    builder->Add(text);
  } else {
    builder->Add(Next());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Expander::ProcessNested(char stop, bool raw_escapes) {
  if (++depth_ > kMaxDepth) {
    return InvalidArgument(fmt::format("substitutions are nested more than {} deep", kMaxDepth));
  }
  WordBuilder builder;
  RETURN_IF_ERROR(Process(stop, raw_escapes, &builder));
  --depth_;
  return builder.Take().first;
}

void Expander::ProcessEscape(bool raw_escapes, WordBuilder* builder) {
  const std::string_view escape = Next();
  if (raw_escapes) {
    builder->AddQuoted(escape);
  }
  builder->AddQuoted(Next());
}

void Expander::ProcessLess(WordBuilder* builder) {
  Skip('<');
  if (!Skip('<')) {
    builder->AddQuoted("<");
    return;
  }
  const size_t spaces = rest_.size() - TrimGoSpaceLeft(rest_).size();
  builder->AddQuoted("<<");
  builder->AddQuoted(rest_.substr(0, spaces));
  rest_.remove_prefix(spaces);
}

absl::StatusOr<std::string> Expander::SingleQuoted() {
  const size_t end = rest_.find('\'', 1);
  if (end == std::string_view::npos) {
    return InvalidArgument("a single quote is not closed");
  }
  const std::string_view quoted = rest_.substr(0, end + 1);
  rest_.remove_prefix(end + 1);
  return std::string(options_.raw_quotes ? quoted : quoted.substr(1, end - 1));
}

absl::StatusOr<std::string> Expander::DoubleQuoted(bool raw_escapes) {
  std::string result(options_.raw_quotes ? "\"" : "");
  Skip('"');
  while (!AtEnd()) {
    if (Skip('"')) {
      return result + (options_.raw_quotes ? "\"" : "");
    }
    if (Peek() == '$') {
      ASSIGN_OR_RETURN(const std::string value, Dollar());
      result += value;
    } else if (Skip(options_.escape)) {
      const bool escapes = Peek() == '"' || Peek() == '$' || Peek() == options_.escape;
      if (AtEnd()) {
        break;
      }
      if (raw_escapes || !escapes) {
        result += options_.escape;
      }
      if (escapes) {
        result += Next();
      }
    } else {
      result += Next();
    }
    if (result.size() > kMaxLength) {
      return InvalidArgument("the result is longer than 1 MiB");
    }
  }
  return InvalidArgument("a double quote is not closed");
}

absl::StatusOr<std::string> Expander::Dollar() {
  Skip('$');
  if (Skip('{')) {
    return Braces();
  }
  const std::string_view name = Name();
  if (name.empty()) {
    return "$";
  }
  std::optional<std::string> value = Lookup(name);
  if (!value && options_.keep_unset) {
    return fmt::format("${}", name);
  }
  return std::move(value).value_or("");
}

absl::StatusOr<std::string> Expander::Braces() {
  if (AtEnd()) {
    return InvalidArgument("'}' is missing");
  }
  if (Peek() == '{' || Peek() == '}' || Peek() == ':') {
    return InvalidArgument("no variable is named between \"${\" and \"}\"");
  }
  const std::string_view name = Name();
  if (Skip('}')) {
    std::optional<std::string> value = Lookup(name);
    if (!value && options_.keep_unset) {
      return fmt::format("${{{}}}", name);
    }
    return std::move(value).value_or("");
  }
  if (Skip('/')) {
    return Replaced(name);
  }
  const bool null_is_unset = Skip(':');
  if (AtEnd()) {
    return InvalidArgument("'}' is missing");
  }
  const std::string_view modifier = Next();
  if (modifier.size() != 1 || std::string_view("+-?#%").find(modifier) == std::string_view::npos ||
      (null_is_unset && (modifier == "#" || modifier == "%"))) {
    return InvalidArgument(fmt::format("\"{}{}\" is not a modifier of substitutions",
                                       null_is_unset ? ":" : "", modifier));
  }
  return Modified(name, modifier[0], null_is_unset);
}

absl::StatusOr<std::string> Expander::Modified(std::string_view name, char modifier,
                                               bool null_is_unset) {
  const bool is_pattern = modifier == '#' || modifier == '%';
  ASSIGN_OR_RETURN(std::string word, ProcessNested('}', is_pattern));
  std::optional<std::string> value = is_pattern ? Lookup(name) : lookup_(name);
  if (!value && options_.keep_unset) {
    return fmt::format("${{{}{}{}{}}}", name, null_is_unset ? ":" : "", modifier, word);
  }
  const bool missing = !value || (null_is_unset && value->empty());
  switch (modifier) {
    case '-':
      return missing ? word : *std::move(value);
    case '+':
      return missing ? "" : word;
    case '?':
      if (missing) {
        return InvalidArgument(fmt::format("{}: {}", name,
                                           !word.empty() ? word
                                           : value       ? "must not be empty"
                                                         : "must be set"));
      }
      return *std::move(value);
    default:
      break;
  }
  const bool longest = word.starts_with(modifier);
  return TrimPattern(value.value_or(""), std::string_view(word).substr(longest ? 1 : 0),
                     modifier == '#' ? TrimSide::kPrefix : TrimSide::kSuffix,
                     longest ? TrimLength::kLongest : TrimLength::kShortest);
}

absl::StatusOr<std::string> Expander::Replaced(std::string_view name) {
  const bool all = Skip('/');
  ASSIGN_OR_RETURN(const std::string pattern, ProcessNested('/', true));
  ASSIGN_OR_RETURN(const std::string replacement, ProcessNested('}', true));
  const std::optional<std::string> value = Lookup(name);
  if (!value && options_.keep_unset) {
    return fmt::format("${{{}/{}{}/{}}}", name, all ? "/" : "", pattern, replacement);
  }
  return ReplacePattern(value.value_or(""), pattern, replacement, all);
}

std::string_view Expander::Name() {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t length = 0;
  if (!AtEnd() && is_digit(Peek())) {
    while (length < rest_.size() && is_digit(rest_[length])) {
      ++length;
    }
  } else if (!AtEnd() && std::string_view("@*#?-$!").find(Peek()) != std::string_view::npos) {
    length = 1;
  } else {
    while (length < rest_.size()) {
      const CodePoint point = FirstCodePoint(rest_.substr(length));
      if (!IsGoLetter(point.value) && !is_digit(rest_[length]) && rest_[length] != '_') {
        break;
      }
      length += point.length;
    }
  }
  const std::string_view name = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return name;
}

std::optional<std::string> Expander::Lookup(std::string_view name) {
  std::optional<std::string> value = lookup_(name);
  if (!value && unset_names_.insert(name).second) {
    unset_.emplace_back(name);
  }
  return value;
}

}  // namespace

absl::StatusOr<ExpandedWord> ExpandWord(std::string_view word, const VariableLookup& lookup,
                                        const WordOptions& options) {
  absl::StatusOr<ExpandedWord> result = Expander(word, lookup, options).Expand();
  if (!result.ok()) {
    return Annotate(result.status(), fmt::format("cannot expand {}", GoQuote(word.substr(0, 200))));
  }
  return result;
}

}  // namespace zlayer
