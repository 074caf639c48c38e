#include "daemon/frontend/template/project_text.h"

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace zlayer {
namespace {

using Json = nlohmann::json;

std::string_view FirstWordOf(std::string_view line) {
  line = Trim(line);
  return line.substr(0, line.find_first_of(" \t"));
}

// "[project]" is "project"; empty where the line is no heading.
std::string_view TableOf(std::string_view line) {
  line = Trim(line);
  const size_t end = line.find(']');
  return line.starts_with('[') && end != std::string_view::npos ? Trim(line.substr(1, end - 1))
                                                                : std::string_view();
}

// What stands between the quotes that a value begins with.
std::string_view Unquoted(std::string_view value) {
  value = Trim(value);
  if (value.empty() || (value.front() != '"' && value.front() != '\'')) {
    return {};
  }
  const size_t end = value.find(value.front(), 1);
  return end == std::string_view::npos ? std::string_view() : value.substr(1, end - 1);
}

const Json& Member(const Json& object, const char* key) {
  static const Json* const none = new Json();
  const auto found = object.find(key);
  return object.is_object() && found != object.end() ? *found : *none;
}

}  // namespace

std::string FirstWord(std::string_view text) {
  for (std::string_view line : Split(text, '\n')) {
    const std::string_view word = FirstWordOf(line);
    if (!word.empty() && !word.starts_with('#')) {
      return std::string(word);
    }
  }
  return "";
}

std::string ValueOfLine(std::string_view text, std::string_view key) {
  for (std::string_view line : Split(text, '\n')) {
    line = Trim(line.substr(0, line.find("//")));
    if (FirstWordOf(line) == key) {
      return std::string(Trim(line.substr(key.size())));
    }
  }
  return "";
}

std::string ToolVersion(std::string_view text, std::string_view tool) {
  return std::string(FirstWordOf(ValueOfLine(text, tool)));
}

std::string TomlString(std::string_view text, std::string_view table, std::string_view key) {
  std::string_view at;
  for (std::string_view line : Split(text, '\n')) {
    if (const std::string_view heading = TableOf(line); !heading.empty()) {
      at = heading;
      continue;
    }
    const size_t equals = line.find('=');
    if (at == table && equals != std::string_view::npos && Trim(line.substr(0, equals)) == key) {
      return std::string(Unquoted(line.substr(equals + 1)));
    }
  }
  return "";
}

bool HasTomlTable(std::string_view text, std::string_view table) {
  for (std::string_view line : Split(text, '\n')) {
    const std::string_view heading = TableOf(line);
    if (heading == table ||
        (heading.starts_with(table) && heading.substr(table.size()).starts_with('.'))) {
      return true;
    }
  }
  return false;
}

std::string XmlText(std::string_view text, std::string_view element) {
  const std::string lower = ToLower(text);
  const std::string begin = "<" + std::string(element) + ">";
  const size_t at = lower.find(begin);
  if (at == std::string::npos) {
    return "";
  }
  const std::string_view rest = text.substr(at + begin.size());
  return std::string(Trim(rest.substr(0, rest.find('<'))));
}

PackageJson::PackageJson(std::string_view text) {
  const Json package = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json& node = Member(Member(package, "engines"), "node");
  node_engine = node.is_string() ? node.get<std::string>() : "";
  for (const char* kind :
       {"dependencies", "devDependencies", "peerDependencies", "optionalDependencies"}) {
    const Json& dependencies = Member(package, kind);
    has_jco = has_jco ||
              (dependencies.is_object() &&
               (dependencies.contains("jco") || dependencies.contains("@bytecodealliance/jco")));
  }
}

}  // namespace zlayer
