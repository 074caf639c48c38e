#include "daemon/frontend/dockerfile/node_parser.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr std::string_view kBlanks = "\t\v\f\r ";
constexpr int kMaxOnBuild = 10;

// What stands before the first run of blanks, and behind it.
std::pair<std::string_view, std::optional<std::string_view>> CutAtBlanks(std::string_view text) {
  const size_t begin = text.find_first_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {text, std::nullopt};
  }
  const size_t end = text.find_first_not_of(kBlanks, begin);
  return {text.substr(0, begin), end == std::string_view::npos ? "" : text.substr(end)};
}

// The pieces between runs of blanks; an empty text has none.
std::vector<std::string> SplitAtBlanks(std::string_view text) {
  std::vector<std::string> pieces;
  std::optional<std::string_view> rest = text;
  while (rest && !text.empty()) {
    const auto [piece, behind] = CutAtBlanks(*rest);
    pieces.emplace_back(piece);
    rest = behind;
  }
  return pieces;
}

// Reads the flags at the start of an instruction's arguments.
class FlagReader {
 public:
  FlagReader(std::string_view line, char escape) : line_(line), escape_(escape) {}

  // Returns what follows the flags.
  std::string_view Read(std::vector<std::string>* flags) {
    while (true) {
      position_ = std::min(line_.find_first_not_of(" \t\n\v\f\r", position_), line_.size());
      if (!line_.substr(position_).starts_with("--")) {
        return line_.substr(position_);
      }
      std::string word;
      const bool quoted = ReadWord(&word);
      if (word == "--") {
        return line_.substr(position_);
      }
      if (quoted || !word.empty()) {
        flags->push_back(std::move(word));
      }
    }
  }

 private:
  // Up to white space; quotes are dropped. Returns whether there were any.
  bool ReadWord(std::string* word) {
    bool had_quotes = false;
    char quote = 0;
    for (; position_ < line_.size(); ++position_) {
      const char c = line_[position_];
      if (quote == 0 && std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos) {
        break;
      }
      if (quote != 0 ? c == quote : c == '"' || c == '\'') {
        quote = quote != 0 ? 0 : c;
        had_quotes = true;
      } else if (c != escape_) {
        *word += c;
      } else if (position_ + 1 < line_.size()) {
        *word += line_[++position_];
      }
    }
    return had_quotes;
  }

  std::string_view line_;
  char escape_;
  size_t position_ = 0;
};

// Words of ENV, LABEL and ARG: split at white space that is neither quoted nor escaped. Quotes and
// escapes stay.
std::vector<std::string> SplitWords(std::string_view rest, char escape) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool quoted = false;
  const auto finish = [&] {
    if (quoted || !word.empty()) {
      words.push_back(std::move(word));
    }
    word.clear();
    quoted = false;
  };
  while (!rest.empty()) {
    const CodePoint point = FirstCodePoint(rest);
    std::string_view taken = rest.substr(0, point.length);
    rest.remove_prefix(point.length);
    const char c = taken.size() == 1 ? taken[0] : '\0';
    if (quote == 0 && IsGoSpace(point.value)) {
      finish();
      continue;
    }
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      quoted = true;
    } else if (c != 0 && c == quote) {
      quote = 0;
    } else if (c == escape && quote != '\'') {
      if (rest.empty()) {
        break;  // an escape character at the end is dropped
      }
      word += c;
      taken = rest.substr(0, FirstCodePoint(rest).length);
      rest.remove_prefix(taken.size());
    }
    word += taken;
  }
  finish();
  return words;
}

// Whether the text begins with a high or a low one: \\ud83d, \\ude00.
bool IsSurrogate(std::string_view text, bool high) {
  constexpr std::string_view kHex = "0123456789abcdefABCDEF";
  return text.size() >= 6 && text[0] == '\\' && text[1] == 'u' && (text[2] | 0x20) == 'd' &&
         std::string_view(high ? "89abAB" : "cdefCDEF").find(text[3]) != std::string_view::npos &&
         text.substr(4, 2).find_first_not_of(kHex) == std::string_view::npos;
}

// Halves of surrogate pairs and bytes that are not UTF-8 become U+FFFD, as in Go's parser; ours
// would take the whole text for malformed.
std::string RepairJson(std::string_view text) {
  std::string repaired;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    size_t length =
        rest[0] == '\\' ? std::min<size_t>(2, rest.size()) : std::min(rest.find('\\'), rest.size());
    if (IsSurrogate(rest, true) && IsSurrogate(rest.substr(6), false)) {
      length = 12;
    } else if (IsSurrogate(rest, true) || IsSurrogate(rest, false)) {
      repaired += "\\ufffd";
      i += 6;
      continue;
    }
    repaired += rest.substr(0, length);
    i += length;
  }
  return ToUtf8(repaired);
}

// Collects the strings of a JSON list without building the value.
class StringListReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Other(); }
  bool boolean(bool) override { return Other(); }
  bool number_integer(number_integer_t) override { return Other(); }
  bool number_unsigned(number_unsigned_t) override { return Other(); }
  bool number_float(number_float_t, const string_t&) override { return Other(); }
  bool binary(binary_t&) override { return Other(); }
  bool start_object(size_t) override { return Begin(); }
  bool end_object() override { return End(); }
  bool start_array(size_t) override { return Begin(); }
  bool end_array() override { return End(); }
  bool key(string_t&) override { return true; }
  bool string(string_t& value) override {
    strings_.push_back(std::move(value));
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  bool only_strings() const { return only_strings_; }
  std::vector<std::string> TakeStrings() { return std::move(strings_); }

 private:
  static constexpr int kMaxDepth = 10'000;  // as in Go's parser

  bool Other() {
    only_strings_ = false;
    return true;
  }
  bool Begin() {
    only_strings_ &= depth_ == 0;
    return ++depth_ <= kMaxDepth;
  }
  bool End() {
    --depth_;
    return true;
  }

  std::vector<std::string> strings_;
  bool only_strings_ = true;
  int depth_ = 0;
};

// The strings of a JSON list; nullopt where the text is not one.
absl::StatusOr<std::optional<std::vector<std::string>>> ParseJsonList(std::string_view text) {
  text = TrimGoSpaceLeft(text);
  if (!text.starts_with('[')) {
    return std::nullopt;
  }
  StringListReader reader;
  if (!nlohmann::json::sax_parse(RepairJson(text), &reader)) {
    return std::nullopt;
  }
  if (!reader.only_strings()) {
    return InvalidArgument("a JSON list of arguments may have only strings");
  }
  return reader.TakeStrings();
}

absl::Status ParseNameValues(std::string_view rest, char escape, DockerfileNode* node) {
  const std::vector<std::string> words = SplitWords(rest, escape);
  if (words.empty()) {
    return absl::OkStatus();
  }
  if (words[0].find('=') == std::string::npos) {
    const auto [key, value] = CutAtBlanks(rest);
    if (!value) {
      return InvalidArgument(fmt::format("{} {} has a name and no value; write {} {}=VALUE",
                                         ToUpper(node->keyword), key, ToUpper(node->keyword), key));
    }
    node->arguments = {std::string(key), std::string(*value), ""};
    return absl::OkStatus();
  }
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return InvalidArgument(fmt::format("{} of {} has no \"=\"; quote a value with blanks",
                                         GoQuote(word), ToUpper(node->keyword)));
    }
    node->arguments.push_back(word.substr(0, equals));
    node->arguments.push_back(word.substr(equals + 1));
    node->arguments.push_back("=");
  }
  return absl::OkStatus();
}

absl::Status ParseMaybeJson(std::string_view rest, DockerfileNode* node) {
  if (rest.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto list, ParseJsonList(rest));
  node->json = list.has_value();
  if (list) {
    node->arguments.insert(node->arguments.end(), list->begin(), list->end());
  } else {
    node->arguments.emplace_back(rest);
  }
  return absl::OkStatus();
}

absl::Status ParseMaybeJsonToList(std::string_view rest, DockerfileNode* node) {
  ASSIGN_OR_RETURN(auto list, ParseJsonList(rest));
  node->json = list.has_value();
  node->arguments = list ? *std::move(list) : SplitAtBlanks(rest);
  return absl::OkStatus();
}

absl::Status ParseHealthcheck(std::string_view rest, DockerfileNode* node) {
  if (rest.empty()) {
    return absl::OkStatus();
  }
  const size_t end = std::min(rest.find_first_of(" \t\n\v\f\r"), rest.size());
  node->arguments.emplace_back(rest.substr(0, end));
  return ParseMaybeJson(TrimGoSpaceLeft(rest.substr(end)), node);
}

enum class Form {
  kNameValues,
  kWords,
  kBlanks,
  kText,
  kMaybeJson,
  kMaybeJsonToList,
  kHealth,
  kOnBuild
};

const std::map<std::string_view, Form>& Forms() {
  static const auto* forms = new std::map<std::string_view, Form>{
      {"add", Form::kMaybeJsonToList},    {"arg", Form::kWords},
      {"cmd", Form::kMaybeJson},          {"copy", Form::kMaybeJsonToList},
      {"entrypoint", Form::kMaybeJson},   {"env", Form::kNameValues},
      {"expose", Form::kBlanks},          {"from", Form::kBlanks},
      {"healthcheck", Form::kHealth},     {"label", Form::kNameValues},
      {"maintainer", Form::kText},        {"onbuild", Form::kOnBuild},
      {"run", Form::kMaybeJson},          {"shell", Form::kMaybeJson},
      {"stopsignal", Form::kText},        {"user", Form::kText},
      {"volume", Form::kMaybeJsonToList}, {"workdir", Form::kText},
  };
  return *forms;
}

absl::StatusOr<DockerfileNode> ParseNested(std::string_view line, char escape, int depth);

absl::Status ParseArguments(std::string_view rest, char escape, int depth, DockerfileNode* node) {
  const auto form = Forms().find(node->keyword);
  if (form == Forms().end()) {
    node->arguments = {""};
    return absl::OkStatus();
  }
  switch (form->second) {
    case Form::kNameValues:
      return ParseNameValues(rest, escape, node);
    case Form::kWords:
      node->arguments = SplitWords(rest, escape);
      return absl::OkStatus();
    case Form::kBlanks:
      node->arguments = SplitAtBlanks(rest);
      return absl::OkStatus();
    case Form::kText:
      if (!rest.empty()) {
        node->arguments.emplace_back(rest);
      }
      return absl::OkStatus();
    case Form::kMaybeJson:
      return ParseMaybeJson(rest, node);
    case Form::kMaybeJsonToList:
      return ParseMaybeJsonToList(rest, node);
    case Form::kHealth:
      return ParseHealthcheck(rest, node);
    case Form::kOnBuild:
      if (!rest.empty()) {
        ASSIGN_OR_RETURN(DockerfileNode child, ParseNested(rest, escape, depth + 1));
        node->children.push_back(std::move(child));
      }
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<DockerfileNode> ParseNested(std::string_view line, char escape, int depth) {
  if (depth > kMaxOnBuild) {
    return InvalidArgument(fmt::format("ONBUILD is nested more than {} deep", kMaxOnBuild));
  }
  DockerfileNode node;
  node.original = line;
  const auto [keyword, rest] = CutAtBlanks(TrimGoSpace(line));
  node.keyword_text = keyword;
  node.keyword = ToLower(keyword);
  if (rest) {
    node.arguments_text = TrimGoSpace(FlagReader(*rest, escape).Read(&node.flags));
  }
  RETURN_IF_ERROR(ParseArguments(node.arguments_text, escape, depth, &node));
  return node;
}

}  // namespace

absl::StatusOr<DockerfileNode> ParseNode(std::string_view line, char escape) {
  return ParseNested(line, escape, 0);
}

}  // namespace zlayer
