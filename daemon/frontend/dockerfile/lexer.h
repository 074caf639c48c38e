// Dockerfile text to nodes: the first of three steps (instructions.h and convert.h are the others).
// Follows BuildKit's parser: what it accepts is accepted, and the nodes print as its syntax tree.
//
// Nothing is expanded and nothing but the form is checked: unknown instructions and flags are kept,
// a file without FROM is fine. Directives (`# escape=`, `# syntax=`, `# check=`) stand in the first
// lines. A line that ends with the escape character goes on in the next one; comment lines between
// are dropped. All of it is pure.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_LEXER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_LEXER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// A document that follows an instruction: `COPY <<EOF /file`.
struct DockerfileHeredoc {
  std::string name;         // the line that ends it
  uint32_t descriptor = 0;  // "3<<EOF": 3
  bool expand = true;       // false where a part of the name is quoted
  bool chomp = false;       // "<<-": leading tabs are dropped
  std::string content;      // raw, line ends included
};

struct DockerfileNode {
  std::string keyword;             // lower case: "copy"; any text, as in "foo bar"
  std::string keyword_text;        // as written
  std::string original;            // the whole instruction with its lines joined
  std::vector<std::string> flags;  // "--chown=a"; quotes are dropped, nothing else is looked at
  std::string arguments_text;      // what follows the flags, trimmed
  // By keyword. ENV, LABEL: triples of key, value and "=" ("" for the form `ENV key value`), quotes
  // kept. ARG: words, quotes kept. FROM, EXPOSE, and ADD, COPY, VOLUME that are not JSON: split at
  // white space. HEALTHCHECK: its type, then as CMD. Others: one text or, of a JSON list, its
  // strings. An unknown instruction has one empty argument; ONBUILD has none but a child.
  std::vector<std::string> arguments;
  bool json = false;                     // the arguments were a JSON list of strings
  std::vector<DockerfileNode> children;  // ONBUILD: the instruction behind it
  std::vector<DockerfileHeredoc> heredocs;
  std::vector<std::string> comments;  // in front of it, without '#'
  uint32_t first_line = 0;            // from 1
  uint32_t last_line = 0;             // with its heredocs
};

struct DockerfileDirective {
  std::string name;  // "syntax", "escape" or "check"
  std::string value;
  uint32_t line = 0;
};

struct DockerfileLexWarning {
  std::string rule;  // BuildKit's name of it: "NoEmptyContinuation"
  std::string message;
  uint32_t first_line = 0;
  uint32_t last_line = 0;
};

struct LexedDockerfile {
  std::vector<DockerfileNode> nodes;  // at least one
  char escape = '\\';
  std::vector<DockerfileDirective> directives;
  std::vector<DockerfileLexWarning> warnings;
};

// `name` is the file's name in messages. kInvalidArgument, with file and line
// (proto/error_detail.h): a directive is repeated or has a bad value, ENV or LABEL is malformed, a
// JSON list has something other than strings, a heredoc does not end, there is no instruction, or
// the text has more than 1 MiB or 10,000 instructions.
absl::StatusOr<LexedDockerfile> LexDockerfile(std::string_view text, std::string_view name);

// The nodes as BuildKit dumps its syntax tree: `(copy ["--from=a"] "x" "/y")`, a line for each, no
// line end at the end.
std::string DumpAst(const std::vector<DockerfileNode>& nodes);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_LEXER_H_
