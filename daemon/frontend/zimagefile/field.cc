#include "daemon/frontend/zimagefile/field.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

constexpr size_t kMaxShown = 80;

std::string_view KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "empty";
    case YamlNode::Kind::kScalar:
      return "a plain value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

std::string Shown(std::string_view text) { return GoQuote(CutUtf8(text, kMaxShown)); }

}  // namespace

std::string ToDockerfileWord(std::string_view text) {
  std::string word;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("$$")) {
      word += "\\$";
      ++i;
    } else {
      if (text[i] == '\'' || text[i] == '"' || text[i] == '\\') {
        word += '\\';
      }
      word += text[i];
    }
  }
  return word;
}

v1::SourceRange Field::source() const {
  v1::SourceRange source;
  source.set_file(std::string(file_));
  source.set_first_line(at_.line);
  source.set_last_line(std::max(at_.line, node_->last_line));
  return source;
}

absl::Status Field::Error(std::string_view message) const {
  return ZImagefileError(ZImagefileFault::kValidation, file_, node_->at, path_, message);
}

absl::Status Field::ErrorAtKey(std::string_view message) const {
  return ZImagefileError(ZImagefileFault::kValidation, file_, at_, path_, message);
}

absl::Status Field::TypeError(std::string_view expected) const {
  return Malformed(fmt::format("is {}, and not {}", KindName(node_->kind), expected));
}

absl::Status Field::Malformed(std::string_view message) const {
  return ZImagefileError(ZImagefileFault::kParse, file_, node_->at, path_, message);
}

absl::Status Field::Located(const absl::Status& status) const {
  return status.ok() ? status : Error(Message(status));
}

Field Field::Child(const YamlEntry& entry) const {
  return Field(entry.value, file_, entry.at, entry.key, ChildPath(path_, entry.key));
}

absl::StatusOr<std::vector<Field>> Field::Entries() const {
  if (!IsMap() && !IsNull()) {
    return TypeError("a map of keys to values");
  }
  std::vector<Field> entries;
  for (const YamlEntry& entry : node_->entries) {
    entries.push_back(Child(entry));
  }
  return entries;
}

std::optional<Field> Field::Find(std::string_view key) const {
  for (const YamlEntry& entry : node_->entries) {
    if (entry.key == key) {
      return Child(entry);
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<Field>> Field::Items() const {
  if (!IsList() && !IsNull()) {
    return TypeError("a list");
  }
  std::vector<Field> items;
  for (size_t i = 0; i < node_->items.size(); ++i) {
    const YamlNode& item = node_->items[i];
    items.push_back(Field(item, file_, item.at, "", ChildPath(path_, i)));
  }
  return items;
}

absl::StatusOr<std::vector<Field>> Field::ItemsOrOne() const {
  if (IsScalar()) {
    return std::vector<Field>{*this};
  }
  if (IsMap()) {
    return TypeError("a text or a list of texts");
  }
  return Items();
}

absl::StatusOr<std::string> Field::Text() const {
  if (IsNull()) {
    return TypeError("a text; an empty one is written \"\"");
  }
  if (!IsScalar()) {
    return TypeError("a text");
  }
  return node_->text;
}

absl::StatusOr<bool> Field::Boolean() const {
  if (!IsScalar()) {
    return TypeError("true or false");
  }
  const std::string text = ToLower(node_->text);
  if (text != "true" && text != "false") {
    return Malformed(fmt::format("is true or false, not {}", Shown(node_->text)));
  }
  return text == "true";
}

absl::StatusOr<uint64_t> Field::Number(uint64_t most) const {
  if (!IsScalar()) {
    return TypeError("a number");
  }
  const std::optional<uint64_t> number = ParseUint(node_->text);
  if (!number || *number > most) {
    return Malformed(fmt::format("is a number from 0 to {}, not {}", most, Shown(node_->text)));
  }
  return *number;
}

absl::StatusOr<std::string> Field::Choice(const std::vector<std::string>& choices) const {
  ASSIGN_OR_RETURN(const std::string text, Literal());
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    return Error(fmt::format("is one of {}, not {}{}", Join(choices, ", "), Shown(text),
                             Suggestion(text, choices)));
  }
  return text;
}

absl::StatusOr<std::string> Field::Word() const {
  ASSIGN_OR_RETURN(const std::string text, Text());
  std::string word = ToDockerfileWord(text);
  if (text.find('$') != std::string::npos) {
    const auto lookup = [](std::string_view) { return std::string("x"); };
    RETURN_IF_ERROR(Located(ExpandWord(word, lookup).status()));
  }
  return word;
}

absl::StatusOr<std::string> Field::NonEmptyWord() const {
  ASSIGN_OR_RETURN(std::string word, Word());
  if (Trim(word).empty()) {
    return Error("is empty");
  }
  return word;
}

absl::StatusOr<std::string> Field::Literal() const {
  ASSIGN_OR_RETURN(std::string text, Text());
  if (text.find('$') == std::string::npos) {
    return text;
  }
  const auto lookup = [](std::string_view) { return std::nullopt; };
  absl::StatusOr<ExpandedWord> expanded = ExpandWord(ToDockerfileWord(text), lookup);
  RETURN_IF_ERROR(Located(expanded.status()));
  if (!expanded->unset.empty()) {
    return Error(
        fmt::format("the variable {} has no value: here only those count that --set and "
                    "pipelines give, and defaults (${{NAME:-default}}); a plain dollar is "
                    "written $$",
                    Shown(expanded->unset[0])));
  }
  return std::move(expanded->text);
}

absl::StatusOr<std::string> Field::CommandText() const {
  ASSIGN_OR_RETURN(const std::string text, Text());
  std::string command;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::string_view(text).substr(i).starts_with("$${")) {
      ++i;
    }
    command += text[i];
  }
  return command;
}

absl::StatusOr<std::string> Field::From() const {
  ASSIGN_OR_RETURN(std::string from, Text());
  if (from.find('$') != std::string::npos) {
    return Error(
        "variables are not expanded here; name a stage, which may have a variable in its base");
  }
  const auto is_bad = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '\'' || c == '"' ||
           c == '\\' || c == ',';
  };
  if (from.empty() || std::any_of(from.begin(), from.end(), is_bad)) {
    return Error(fmt::format("{} is not the name of a stage, a context or an image", Shown(from)));
  }
  return from;
}

absl::StatusOr<std::vector<std::string>> Field::ReadAll(TextReader read) const {
  ASSIGN_OR_RETURN(const std::vector<Field> items, ItemsOrOne());
  std::vector<std::string> texts;
  for (const Field& item : items) {
    ASSIGN_OR_RETURN(texts.emplace_back(), (item.*read)());
  }
  return texts;
}

absl::StatusOr<std::vector<std::string>> Field::Texts() const { return ReadAll(&Field::Text); }

absl::StatusOr<std::vector<std::string>> Field::Words() const { return ReadAll(&Field::Word); }

absl::StatusOr<CommandLine> Field::Command() const {
  if (IsNull() || IsMap()) {
    return TypeError("a command: a text for the shell, or a list of words");
  }
  CommandLine command;
  command.shell = IsScalar();
  ASSIGN_OR_RETURN(command.words, ReadAll(&Field::CommandText));
  if (command.shell && Trim(command.words[0]).empty()) {
    command.words.clear();
  }
  return command;
}

absl::StatusOr<std::vector<NameValue>> Field::WordPairs() const {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, Entries());
  std::vector<NameValue> pairs;
  for (const Field& entry : entries) {
    if (entry.key().empty()) {
      return entry.ErrorAtKey("the name is empty");
    }
    NameValue& pair = pairs.emplace_back();
    pair.name = ToDockerfileWord(entry.key());
    ASSIGN_OR_RETURN(pair.value, entry.Word());
  }
  return pairs;
}

absl::StatusOr<std::vector<NameValue>> Field::VariablePairs() const {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, Entries());
  for (const Field& entry : entries) {
    if (entry.key().find('=') != std::string::npos) {
      return entry.ErrorAtKey("a variable's name has no \"=\"");
    }
  }
  return WordPairs();
}

absl::StatusOr<std::vector<NameValue>> Field::LiteralPairs() const {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, Entries());
  std::vector<NameValue> pairs;
  for (const Field& entry : entries) {
    if (entry.key().empty()) {
      return entry.ErrorAtKey("the name is empty");
    }
    ASSIGN_OR_RETURN(std::string value, entry.Literal());
    pairs.push_back({entry.key(), std::move(value)});
  }
  return pairs;
}

}  // namespace zlayer
