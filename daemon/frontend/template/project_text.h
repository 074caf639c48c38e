// What detection reads in the texts of projects: a few values each, and nothing of what is not as
// expected.
#ifndef ZLAYER_DAEMON_FRONTEND_TEMPLATE_PROJECT_TEXT_H_
#define ZLAYER_DAEMON_FRONTEND_TEMPLATE_PROJECT_TEXT_H_

#include <string>
#include <string_view>

namespace zlayer {

// The first word of the first line that has one and is no comment ('#'): what .nvmrc and
// .python-version say.
std::string FirstWord(std::string_view text);

// The rest of the first line that begins with the word `key`, up to a comment ("//"): "1.24" of
// "go 1.24".
std::string ValueOfLine(std::string_view text, std::string_view key);

// The first version of a tool in .tool-versions.
std::string ToolVersion(std::string_view text, std::string_view tool);

// The string at `key` of `[table]`, written on one line; empty where there is none.
std::string TomlString(std::string_view text, std::string_view table, std::string_view key);

// Whether there is a `[table]`, or one below it.
bool HasTomlTable(std::string_view text, std::string_view table);

struct PackageJson {
  explicit PackageJson(std::string_view text);

  std::string node_engine;  // engines.node
  bool has_jco = false;     // a dependency of any kind on jco
};

// The text in the first `<element>` without attributes, in any case; empty where there is none.
std::string XmlText(std::string_view text, std::string_view element);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_TEMPLATE_PROJECT_TEXT_H_
