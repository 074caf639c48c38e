// What the Dockerfile language makes of a text, without a daemon: for tests of it, and to find out
// why a file means what it means.
#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/stoppable_reader.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/ignore.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;

struct ExpandOptions {
  std::vector<std::string> variables;
  std::string escape = "\\";
  bool words = false;
  std::vector<std::string> given;
};

struct IgnoredOptions {
  std::string ignore_file;
  std::vector<std::string> paths;
};

absl::Status PrintAst(Session& session, const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text,
                   file == "-" ? StoppableReader(STDIN_FILENO, session.stop()).ReadAll(kMaxFile)
                               : ReadFile(file, kMaxFile));
  ASSIGN_OR_RETURN(const LexedDockerfile lexed,
                   LexDockerfile(text, file == "-" ? "Dockerfile" : ToUtf8(file)));
  Print(DumpAst(lexed.nodes) + "\n");
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ReadVariables(
    const std::vector<std::string>& texts) {
  std::map<std::string, std::string, std::less<>> variables;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return UsageError(fmt::format("--env takes NAME=VALUE, not \"{}\"", text));
    }
    variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

absl::Status Expand(const ExpandOptions& options) {
  ASSIGN_OR_RETURN(const auto variables, ReadVariables(options.variables));
  if (options.escape.size() != 1) {
    return UsageError(
        fmt::format("--escape takes one ASCII character, not \"{}\"", options.escape));
  }
  WordOptions word_options;
  word_options.escape = options.escape[0];
  const auto lookup = [&variables](std::string_view name) {
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::make_optional(at->second);
  };
  std::string out;
  for (const std::string& word : options.given) {
    ASSIGN_OR_RETURN(const ExpandedWord expanded, ExpandWord(word, lookup, word_options));
    if (!options.words) {
      out += expanded.text + "\n";
      continue;
    }
    for (const std::string& part : expanded.words) {
      out += part + "\n";
    }
  }
  Print(out);
  return absl::OkStatus();
}

absl::Status ShowIgnored(const IgnoredOptions& options) {
  if (options.ignore_file.empty()) {
    return UsageError("--ignorefile is missing: it names the file with the patterns");
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(options.ignore_file, kMaxFile));
  ASSIGN_OR_RETURN(const IgnoreRules rules, IgnoreRules::Parse(text, ToUtf8(options.ignore_file)));
  std::string out;
  for (const std::string& path : options.paths) {
    // As a context's paths are: relative to its root, above which nothing lies.
    const IgnoreRules::Match match = rules.Matches(GoCleanPath("/" + path).substr(1));
    out += fmt::format("{}\t{}\t{}\n", path, match.ignored ? "ignored" : "kept",
                       match.line == 0 ? "-" : std::to_string(match.line));
  }
  Print(out);
  return absl::OkStatus();
}

void AddAst(Command& dockerfile) {
  Command ast = dockerfile.Sub("ast", "Print the syntax tree of a Dockerfile, unchecked",
                               "zlayer dockerfile ast Dockerfile");
  auto file = std::make_shared<std::string>();
  ast.Argument({"FILE", "", "The Dockerfile; - for stdin"}, file.get());
  ast.Run([file](Session& session) { return PrintAst(session, *file); });
}

void AddExpand(Command& dockerfile) {
  Command expand = dockerfile.Sub("expand", "Print what words of a Dockerfile come to",
                                  "zlayer dockerfile expand --env TAG=1.2 -- 'app:${TAG:-latest}'");
  auto options = std::make_shared<ExpandOptions>();
  expand
      .Option({"--env", "NAME=VALUE", "A variable that is set; the environment's are not"},
              &options->variables)
      .Option({"--escape", "CHARACTER", "What the directive \"escape\" says"}, &options->escape)
      .Flag({"--words", "", "Split at white space that is not quoted, a line each"},
            &options->words)
      .Arguments({"WORD", "", "Words as the Dockerfile has them, behind \"--\""}, &options->given);
  expand.Run([options](Session&) { return Expand(*options); });
}

void AddIgnored(Command& dockerfile) {
  Command ignored = dockerfile.Sub(
      "ignored", "Say which paths a .dockerignore leaves out, and the line that decides",
      "zlayer dockerfile ignored --ignorefile .dockerignore -- src/main.c node_modules/");
  auto options = std::make_shared<IgnoredOptions>();
  ignored.Option({"--ignorefile", "FILE", "The file with the patterns"}, &options->ignore_file)
      .Arguments({"PATH", "", "Paths within the context, which need not exist", Completes::kFile},
                 &options->paths);
  ignored.Run([options](Session&) { return ShowIgnored(*options); });
}

}  // namespace

void AddDockerfileCommand(Command& root) {
  Command dockerfile =
      root.Sub("dockerfile", "Look into Dockerfiles and ignore files, without a daemon",
               "zlayer dockerfile ast Dockerfile");
  AddAst(dockerfile);
  AddExpand(dockerfile);
  AddIgnored(dockerfile);
  dockerfile.RequireSub();
}

}  // namespace zlayer
