#include "daemon/frontend/dockerfile/lexer.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/directive.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/node_parser.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxNodes = 10'000;

std::string_view TrimLineEnd(std::string_view line) {
  return line.substr(0, line.find_last_not_of("\r\n") + 1);
}

bool IsComment(std::string_view line) { return TrimGoSpaceLeft(line).starts_with('#'); }

class Lexer {
 public:
  Lexer(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

  absl::StatusOr<LexedDockerfile> Lex();

 private:
  // A raw line with its line end; nullopt at the end of the text.
  std::optional<std::string_view> NextLine();
  // Whether the line is one.
  absl::StatusOr<bool> ReadDirective(std::string_view line);
  void ReadComment(std::string_view raw);
  absl::Status ReadInstruction(std::string line, bool continues);
  bool StripContinuation(std::string* line) const;
  absl::Status ReadHeredocs(DockerfileNode* node);
  absl::Status ReadHeredoc(DockerfileHeredoc* heredoc);
  absl::Status Error(absl::Status status, uint32_t first_line) const;

  std::string_view rest_;
  std::string_view name_;
  uint32_t line_ = 0;  // of what NextLine returned last
  bool directives_done_ = false;
  std::vector<std::string> comments_;
  LexedDockerfile result_;
};

std::optional<std::string_view> Lexer::NextLine() {
  if (rest_.empty()) {
    return std::nullopt;
  }
  const size_t end = rest_.find('\n');
  const std::string_view line = rest_.substr(0, end == std::string_view::npos ? end : end + 1);
  rest_.remove_prefix(line.size());
  ++line_;
  return line;
}

absl::Status Lexer::Error(absl::Status status, uint32_t first_line) const {
  v1::SourceRange range;
  range.set_file(std::string(name_));
  range.set_first_line(std::max(first_line, 1u));
  range.set_last_line(std::max(line_, range.first_line()));
  return AtSource(std::move(status), range);
}

absl::StatusOr<bool> Lexer::ReadDirective(std::string_view line) {
  std::optional<DockerfileDirective> directive;
  if (!directives_done_) {
    directive = ParseDirective(line, "#");
    directives_done_ = !directive;
  }
  if (!directive) {
    return false;
  }
  directive->line = line_;
  for (const DockerfileDirective& seen : result_.directives) {
    if (seen.name == directive->name) {
      return Error(InvalidArgument(
                       fmt::format("the directive \"{}\" is given a second time", directive->name)),
                   line_);
    }
  }
  if (directive->name == "escape") {
    if (directive->value != "\\" && directive->value != "`") {
      return Error(InvalidArgument(fmt::format("the directive \"escape\" must be \\ or `, not {}",
                                               GoQuote(directive->value))),
                   line_);
    }
    result_.escape = directive->value[0];
  }
  result_.directives.push_back(*std::move(directive));
  return true;
}

// An empty one ends what was said before.
void Lexer::ReadComment(std::string_view raw) {
  const std::string_view comment = TrimGoSpace(raw.substr(1));
  if (comment.empty()) {
    comments_.clear();
  } else {
    comments_.emplace_back(comment);
  }
}

// Whether the line goes on: an escape character ends it, and none escapes that one.
bool Lexer::StripContinuation(std::string* line) const {
  const size_t last = line->find_last_not_of(" \t");
  if (last == std::string::npos || (*line)[last] != result_.escape ||
      (last > 0 && (*line)[last - 1] == result_.escape)) {
    return false;
  }
  line->erase(last);
  return true;
}

absl::StatusOr<LexedDockerfile> Lexer::Lex() {
  if (rest_.size() > kMaxText) {
    return Error(
        InvalidArgument(fmt::format("the file has {} bytes, more than 1 MiB", rest_.size())), 1);
  }
  rest_ = WithoutByteOrderMark(rest_);
  while (const std::optional<std::string_view> raw = NextLine()) {
    std::string line(TrimGoSpaceLeft(TrimLineEnd(*raw)));
    ASSIGN_OR_RETURN(const bool is_directive, ReadDirective(line));
    if (line.starts_with('#')) {
      if (!is_directive) {
        ReadComment(*raw);
      }
      continue;
    }
    const bool continues = StripContinuation(&line);
    if (!line.empty() || continues) {
      RETURN_IF_ERROR(ReadInstruction(std::move(line), continues));
    } else {
      comments_.clear();
    }
  }
  if (result_.nodes.empty()) {
    return Error(InvalidArgument("the file has no instructions"), line_);
  }
  return std::move(result_);
}

absl::Status Lexer::ReadInstruction(std::string line, bool continues) {
  const uint32_t first_line = line_;
  bool empty_continuation = false;
  while (continues) {
    const std::optional<std::string_view> raw = NextLine();
    if (!raw) {
      break;
    }
    if (IsComment(*raw)) {
      continue;
    }
    std::string more(TrimLineEnd(*raw));
    if (TrimGoSpaceLeft(more).empty()) {
      empty_continuation = true;
      continue;
    }
    continues = StripContinuation(&more);
    line += more;
  }
  if (empty_continuation) {
    result_.warnings.push_back(
        {"NoEmptyContinuation",
         "an empty line continues an instruction; later versions of Docker may refuse it",
         first_line, line_});
  }
  if (result_.nodes.size() == kMaxNodes) {
    return Error(InvalidArgument(fmt::format("there are more than {} instructions", kMaxNodes)),
                 first_line);
  }
  absl::StatusOr<DockerfileNode> node = ParseNode(line, result_.escape);
  if (!node.ok()) {
    return Error(std::move(node).status(), first_line);
  }
  node->first_line = first_line;
  if (absl::Status status = ReadHeredocs(&*node); !status.ok()) {
    return Error(std::move(status), first_line);
  }
  node->last_line = line_;
  node->comments = std::exchange(comments_, {});
  for (DockerfileNode& child : node->children) {
    child.first_line = node->first_line;
    child.last_line = node->last_line;
  }
  result_.nodes.push_back(*std::move(node));
  return absl::OkStatus();
}

absl::Status Lexer::ReadHeredocs(DockerfileNode* node) {
  ASSIGN_OR_RETURN(node->heredocs, AnnouncedHeredocs(*node));
  for (DockerfileHeredoc& heredoc : node->heredocs) {
    RETURN_IF_ERROR(ReadHeredoc(&heredoc));
  }
  return absl::OkStatus();
}

absl::Status Lexer::ReadHeredoc(DockerfileHeredoc* heredoc) {
  while (const std::optional<std::string_view> raw = NextLine()) {
    std::string_view line = TrimLineEnd(*raw);
    if (heredoc->chomp) {
      line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
    }
    if (line == heredoc->name) {
      return absl::OkStatus();
    }
    heredoc->content += *raw;
  }
  // BuildKit takes a shift for a heredoc, too.
  const bool shift = heredoc->name.find("))") != std::string::npos;
  return InvalidArgument(
      fmt::format("the heredoc {0} does not end: no line is {0} alone{1}", GoQuote(heredoc->name),
                  shift ? "; a shift is written without blanks: $((1<<2))" : ""));
}

void DumpNode(const DockerfileNode& node, std::string* out) {
  std::string text = node.keyword;
  if (!node.flags.empty()) {
    text += " " + GoQuoteList(node.flags);
  }
  for (const std::string& argument : node.arguments) {
    text += " " + GoQuote(argument);
  }
  for (const DockerfileNode& child : node.children) {
    text += " (";
    DumpNode(child, &text);
    text += ")";
  }
  *out += TrimGoSpace(text);
}

}  // namespace

absl::StatusOr<LexedDockerfile> LexDockerfile(std::string_view text, std::string_view name) {
  return Lexer(text, name).Lex();
}

std::string DumpAst(const std::vector<DockerfileNode>& nodes) {
  std::string text;
  for (const DockerfileNode& node : nodes) {
    text += text.empty() ? "(" : "\n(";
    DumpNode(node, &text);
    text += ")";
  }
  return text;
}

}  // namespace zlayer
