// Directives in the first lines of a build file: `# escape=...`.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_DIRECTIVE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_DIRECTIVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

// The directive that a line is behind `comment` ("#" or "//"), without a line number; nullopt where
// it is none.
std::optional<DockerfileDirective> ParseDirective(std::string_view line, std::string_view comment);

// Which frontend a build file asks for.
struct SyntaxDirective {
  std::string frontend;  // "docker/dockerfile:1"
  uint32_t line = 0;
};

// The directive "syntax", as BuildKit looks for it: `# syntax=...` among the first lines, else
// `// syntax=...`, else the key "syntax" of a text that is JSON. A first line `#!...` does not
// count. nullopt: there is none.
std::optional<SyntaxDirective> DetectSyntax(std::string_view text);

// Whether a frontend is the language that this one reads: docker/dockerfile:1 and its versions,
// from docker.io too, with the suffix -labs too.
bool IsDockerfileFrontend(std::string_view frontend);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_DIRECTIVE_H_
