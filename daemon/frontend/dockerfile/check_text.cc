#include "daemon/frontend/dockerfile/check_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

bool IsLower(std::string_view text) { return text == ToLower(text); }
bool IsUpper(std::string_view text) { return text == ToUpper(text); }

class TextChecker {
 public:
  TextChecker(const LexedDockerfile& lexed, std::string_view name, Findings* findings)
      : lexed_(lexed), findings_(findings) {
    source_.set_file(std::string(name));
  }

  void Run() {
    for (const DockerfileLexWarning& warning : lexed_.warnings) {
      SetLines(warning.first_line, warning.last_line);
      if (warning.rule == TextOf(CheckRule::kNoEmptyContinuation).name) {
        findings_->Report(CheckRule::kNoEmptyContinuation, "Empty continuation line", source_);
      } else {
        findings_->Warn(warning.rule, warning.message, source_);
      }
    }
    for (const DockerfileNode& node : lexed_.nodes) {
      SetLines(node.first_line, node.last_line);
      CheckNode(node);
    }
    CheckCasing();
  }

 private:
  void SetLines(uint32_t first, uint32_t last) {
    source_.set_first_line(first);
    source_.set_last_line(last);
  }
  void Report(CheckRule rule, std::string_view message) {
    findings_->Report(rule, message, source_);
  }

  void CheckNode(const DockerfileNode& node) {
    if (node.keyword == "maintainer") {
      Report(CheckRule::kMaintainerDeprecated,
             "Maintainer instruction is deprecated in favor of using label");
    } else if (node.keyword == "arg") {
      std::vector<std::string> names;
      for (const std::string& argument : node.arguments) {
        names.push_back(argument.substr(0, argument.find('=')));
      }
      CheckDescription("ARG", node, names);
    } else if (node.keyword == "from" && node.arguments.size() == 3) {
      CheckStage(node);
    }
  }

  void CheckStage(const DockerfileNode& node) {
    const std::string& as = node.arguments[1];
    const std::string& written = node.arguments[2];
    const std::string name = ToLower(written);
    if (name != written) {
      Report(CheckRule::kStageNameCasing,
             fmt::format("Stage name '{}' should be lowercase", written));
    }
    // A keyword of mixed case is another rule's.
    if ((IsLower(node.keyword_text) && !IsLower(as)) ||
        (IsUpper(node.keyword_text) && !IsUpper(as))) {
      Report(CheckRule::kFromAsCasing,
             fmt::format("'{}' and '{}' keywords' casing do not match", as, node.keyword_text));
    }
    if (name == "scratch" || name == "context") {
      Report(CheckRule::kReservedStageName,
             fmt::format("Stage name should not use the same name as reserved stage {}",
                         GoQuote(name)));
    }
    if (!stages_.insert(name).second) {
      Report(CheckRule::kDuplicateStageName,
             fmt::format("Duplicate stage name {}, stage names should be unique", GoQuote(name)));
    }
    CheckDescription("FROM", node, {name});
  }

  void CheckDescription(std::string_view keyword, const DockerfileNode& node,
                        const std::vector<std::string>& names) {
    if (node.comments.empty() || names.empty()) {
      return;
    }
    const std::string& comment = node.comments.back();
    const std::string first = comment.substr(0, comment.find(' '));
    if (std::find(names.begin(), names.end(), first) == names.end()) {
      Report(CheckRule::kInvalidDefinitionDescription,
             fmt::format("Comment for {} should follow the format: `# {} <description>`", keyword,
                         names.size() == 1 ? names[0] : "<arg_key>"));
    }
  }

  // What stands before the first FROM is neither counted nor checked, as in BuildKit.
  void CheckCasing() {
    const auto begin =
        std::find_if(lexed_.nodes.begin(), lexed_.nodes.end(),
                     [](const DockerfileNode& node) { return node.keyword == "from"; });
    int balance = 0;
    std::for_each(begin, lexed_.nodes.end(), [&balance](const DockerfileNode& node) {
      balance += IsLower(node.keyword_text) ? 1 : IsUpper(node.keyword_text) ? -1 : 0;
    });
    const bool lower = balance > 0;
    std::for_each(begin, lexed_.nodes.end(), [&](const DockerfileNode& node) {
      if (lower ? !IsLower(node.keyword_text) : !IsUpper(node.keyword_text)) {
        SetLines(node.first_line, node.last_line);
        Report(CheckRule::kConsistentInstructionCasing,
               fmt::format("Command '{}' should match the case of the command majority ({})",
                           node.keyword_text, lower ? "lowercase" : "uppercase"));
      }
    });
  }

  const LexedDockerfile& lexed_;
  Findings* findings_;
  v1::SourceRange source_;
  std::set<std::string> stages_;
};

}  // namespace

void CheckText(const LexedDockerfile& lexed, std::string_view name, Findings* findings) {
  TextChecker(lexed, name, findings).Run();
}

}  // namespace zlayer
