#include "daemon/frontend/dockerfile/directive.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

// `line` counts the lines before the text.
std::optional<SyntaxDirective> FindSyntax(std::string_view text, std::string_view comment,
                                          uint32_t line) {
  while (!text.empty()) {
    const std::optional<DockerfileDirective> directive = ParseDirective(TakeLine(&text), comment);
    ++line;
    if (!directive) {
      return std::nullopt;
    }
    if (directive->name == "syntax") {
      return SyntaxDirective{directive->value.substr(0, directive->value.find(' ')), line};
    }
  }
  return std::nullopt;
}

std::optional<SyntaxDirective> FindJsonSyntax(std::string_view text, uint32_t line) {
  if (!TrimGoSpaceLeft(text).starts_with('{')) {
    return std::nullopt;
  }
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto syntax = json.find("syntax");
  if (!json.is_object() || syntax == json.end() || !syntax->is_string()) {
    return std::nullopt;
  }
  return SyntaxDirective{syntax->get<std::string>(), line + 1};
}

}  // namespace

std::optional<DockerfileDirective> ParseDirective(std::string_view line, std::string_view comment) {
  if (!line.starts_with(comment)) {
    return std::nullopt;
  }
  line = TrimGoSpaceLeft(line.substr(comment.size()));
  const auto end = std::find_if_not(line.begin(), line.end(), IsAlphanumeric);
  const std::string_view name = line.substr(0, static_cast<size_t>(end - line.begin()));
  std::string_view rest = TrimGoSpaceLeft(line.substr(name.size()));
  if (name.empty() || !rest.starts_with('=')) {
    return std::nullopt;
  }
  rest = TrimGoSpace(rest.substr(1));
  DockerfileDirective directive{ToLower(name), std::string(rest), 0};
  const bool known =
      directive.name == "syntax" || directive.name == "escape" || directive.name == "check";
  return known && !rest.empty() ? std::make_optional(std::move(directive)) : std::nullopt;
}

std::optional<SyntaxDirective> DetectSyntax(std::string_view text) {
  uint32_t line = 0;
  text = WithoutByteOrderMark(text);
  if (text.starts_with("#!")) {
    TakeLine(&text);
    ++line;
  }
  std::optional<SyntaxDirective> syntax = FindSyntax(text, "#", line);
  if (!syntax) {
    syntax = FindSyntax(text, "//", line);
  }
  return syntax ? syntax : FindJsonSyntax(text, line);
}

bool IsDockerfileFrontend(std::string_view frontend) {
  constexpr std::string_view kRegistry = "docker.io/";
  if (frontend.starts_with(kRegistry)) {
    frontend.remove_prefix(kRegistry.size());
  }
  constexpr std::string_view kFrontend = "docker/dockerfile:1";
  if (!frontend.starts_with(kFrontend)) {
    return false;
  }
  const char next = frontend.size() == kFrontend.size() ? '.' : frontend[kFrontend.size()];
  return next == '.' || next == '-' || next == '@';
}

}  // namespace zlayer
