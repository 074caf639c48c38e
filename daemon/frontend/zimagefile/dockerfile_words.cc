#include "daemon/frontend/zimagefile/dockerfile_words.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

constexpr size_t kMaxShown = 80;

std::string Shown(std::string_view text) { return GoQuote(CutUtf8(text, kMaxShown)); }

absl::StatusOr<std::string> ReadCommandText(const Field& field) {
  ASSIGN_OR_RETURN(const std::string text, field.Text());
  std::string command;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::string_view(text).substr(i).starts_with("$${")) {
      ++i;
    }
    command += text[i];
  }
  return command;
}

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

absl::StatusOr<std::string> ReadWord(const Field& field) {
  ASSIGN_OR_RETURN(const std::string text, field.Text());
  std::string word = ToDockerfileWord(text);
  if (text.find('$') != std::string::npos) {
    const auto lookup = [](std::string_view) { return std::string("x"); };
    RETURN_IF_ERROR(field.Located(ExpandWord(word, lookup).status()));
  }
  return word;
}

absl::StatusOr<std::string> ReadNonEmptyWord(const Field& field) {
  ASSIGN_OR_RETURN(std::string word, ReadWord(field));
  if (Trim(word).empty()) {
    return field.Error("is empty");
  }
  return word;
}

absl::StatusOr<std::vector<std::string>> ReadWords(const Field& field) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, field.ItemsOrOne());
  return ReadEach(items, ReadWord);
}

absl::StatusOr<std::string> ReadLiteral(const Field& field) {
  ASSIGN_OR_RETURN(std::string text, field.Text());
  if (text.find('$') == std::string::npos) {
    return text;
  }
  const auto lookup = [](std::string_view) { return std::nullopt; };
  absl::StatusOr<ExpandedWord> expanded = ExpandWord(ToDockerfileWord(text), lookup);
  RETURN_IF_ERROR(field.Located(expanded.status()));
  if (!expanded->unset.empty()) {
    return field.Error(
        fmt::format("the variable {} has no value: here only those count that --set and "
                    "pipelines give, and defaults (${{NAME:-default}}); a plain dollar is "
                    "written $$",
                    Shown(expanded->unset[0])));
  }
  return std::move(expanded->text);
}

absl::StatusOr<std::string> ReadLiteralChoice(const Field& field,
                                              const std::vector<std::string>& choices) {
  ASSIGN_OR_RETURN(std::string text, ReadLiteral(field));
  return field.Choice(choices, std::move(text));
}

absl::StatusOr<CommandLine> ReadCommand(const Field& field) {
  if (field.IsNull() || field.IsMap()) {
    return field.TypeError("a command: a text for the shell, or a list of words");
  }
  CommandLine command;
  command.shell = field.IsScalar();
  ASSIGN_OR_RETURN(const std::vector<Field> items, field.ItemsOrOne());
  ASSIGN_OR_RETURN(command.words, ReadEach(items, ReadCommandText));
  if (command.shell && Trim(command.words[0]).empty()) {
    command.words.clear();
  }
  return command;
}

absl::StatusOr<std::string> ReadFrom(const Field& field) {
  ASSIGN_OR_RETURN(std::string from, field.Text());
  if (from.find('$') != std::string::npos) {
    return field.Error(
        "variables are not expanded here; name a stage, which may have a variable in its base");
  }
  const auto is_bad = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '\'' || c == '"' ||
           c == '\\' || c == ',';
  };
  if (from.empty() || std::any_of(from.begin(), from.end(), is_bad)) {
    return field.Error(
        fmt::format("{} is not the name of a stage, a context or an image", Shown(from)));
  }
  return from;
}

absl::StatusOr<std::vector<NameValue>> ReadWordPairs(const Field& field) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, field.Entries());
  std::vector<NameValue> pairs;
  for (const Field& entry : entries) {
    if (entry.key().empty()) {
      return entry.ErrorAtKey("the name is empty");
    }
    NameValue& pair = pairs.emplace_back();
    pair.name = ToDockerfileWord(entry.key());
    ASSIGN_OR_RETURN(pair.value, ReadWord(entry));
  }
  return pairs;
}

absl::StatusOr<std::vector<NameValue>> ReadVariablePairs(const Field& field) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, field.Entries());
  for (const Field& entry : entries) {
    if (entry.key().find('=') != std::string::npos) {
      return entry.ErrorAtKey("a variable's name has no \"=\"");
    }
  }
  return ReadWordPairs(field);
}

absl::StatusOr<std::vector<NameValue>> ReadLiteralPairs(const Field& field) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, field.Entries());
  std::vector<NameValue> pairs;
  for (const Field& entry : entries) {
    if (entry.key().empty()) {
      return entry.ErrorAtKey("the name is empty");
    }
    ASSIGN_OR_RETURN(std::string value, ReadLiteral(entry));
    pairs.push_back({entry.key(), std::move(value)});
  }
  return pairs;
}

}  // namespace zlayer
