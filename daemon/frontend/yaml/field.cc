#include "daemon/frontend/yaml/field.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"

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

v1::SourceRange Field::source() const {
  v1::SourceRange source;
  source.set_file(ToUtf8(file_->name));
  source.set_first_line(at_.line);
  source.set_last_line(std::max(at_.line, node_->last_line));
  return source;
}

absl::Status Field::Error(std::string_view message) const {
  return YamlError(YamlFault::kValidation, *file_, node_->at, path_, message);
}

absl::Status Field::ErrorAtKey(std::string_view message) const {
  return YamlError(YamlFault::kValidation, *file_, at_, path_, message);
}

absl::Status Field::TypeError(std::string_view expected) const {
  return Malformed(fmt::format("is {}, and not {}", KindName(node_->kind), expected));
}

absl::Status Field::Malformed(std::string_view message) const {
  return YamlError(YamlFault::kParse, *file_, node_->at, path_, message);
}

absl::Status Field::Located(const absl::Status& status) const {
  return status.ok() ? status : Error(Message(status));
}

Field Field::Child(const YamlEntry& entry) const {
  return Field(entry.value, *file_, entry.at, entry.key, ChildPath(path_, entry.key));
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
    items.push_back(Field(item, *file_, item.at, "", ChildPath(path_, i)));
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
  ASSIGN_OR_RETURN(std::string text, Text());
  return Choice(choices, std::move(text));
}

absl::StatusOr<std::string> Field::Choice(const std::vector<std::string>& choices,
                                          std::string text) const {
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    return Error(fmt::format("is one of {}, not {}{}", Join(choices, ", "), Shown(text),
                             Suggestion(text, choices)));
  }
  return text;
}

absl::StatusOr<std::vector<std::string>> Field::Texts() const {
  ASSIGN_OR_RETURN(const std::vector<Field> items, ItemsOrOne());
  return ReadEach(items, &Field::Text);
}

}  // namespace zlayer
