#include "daemon/frontend/dockerfile/check_bases.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/words.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

class BaseChecker {
 public:
  BaseChecker(const DockerfileInstructions& file, char escape, const Variables& arguments,
              const Variables& defaults, Findings* findings)
      : arguments_(arguments), defaults_(defaults), findings_(findings) {
    options_.escape = escape;
    for (const NameValue& argument : arguments.entries()) {
      declared_.insert(argument.name);
    }
    for (const Instruction& instruction : file.global_args) {
      for (const auto& argument : std::get<ArgInstruction>(instruction.body).arguments) {
        declared_.insert(argument.name);
      }
    }
  }

  void Check(const DockerfileStage& stage) {
    const FromInstruction& from = stage.base();
    const v1::SourceRange& source = stage.from.source;
    CheckDefault(from.base, source);
    CheckDeclared(from.base, source);
    if (!from.platform.empty()) {
      CheckDeclared(from.platform, source);
      CheckPlatform(from, source);
    }
  }

 private:
  // The names of variables that a word asked for and got, in `used`; nullopt where it is malformed.
  std::optional<ExpandedWord> Expand(std::string_view word, const Variables& variables,
                                     std::set<std::string>* used) const {
    const auto lookup = [&](std::string_view name) {
      std::optional<std::string> value = variables.Get(name);
      if (value) {
        used->emplace(name);
      }
      return value;
    };
    auto expanded = ExpandWord(word, lookup, options_);
    return expanded.ok() ? std::make_optional(*std::move(expanded)) : std::nullopt;
  }

  void CheckDefault(const std::string& base, const v1::SourceRange& source) {
    std::set<std::string> used;
    const std::optional<ExpandedWord> expanded = Expand(base, defaults_, &used);
    if (expanded && !Reference::Parse(expanded->text).ok()) {
      findings_->Report(
          CheckRule::kInvalidDefaultArgInFrom,
          fmt::format("Default value for ARG {} results in empty or invalid base image name", base),
          source);
    }
  }

  void CheckDeclared(const std::string& word, const v1::SourceRange& source) {
    std::set<std::string> used;
    const std::optional<ExpandedWord> expanded = Expand(word, arguments_, &used);
    if (!expanded) {
      return;
    }
    for (const std::string& name : expanded->unset) {
      if (declared_.contains(name) || findings_->full()) {
        continue;
      }
      const std::string near = Nearest(name, {declared_.begin(), declared_.end()});
      findings_->Report(CheckRule::kUndefinedArgInFrom,
                        fmt::format("FROM argument '{}' is not declared{}", name,
                                    near.empty() ? "" : fmt::format(" (did you mean {}?)", near)),
                        source);
    }
  }

  void CheckPlatform(const FromInstruction& from, const v1::SourceRange& source) {
    std::set<std::string> used;
    const std::optional<ExpandedWord> expanded = Expand(from.platform, arguments_, &used);
    if (!expanded || !expanded->unset.empty()) {
      return;
    }
    if (used == std::set<std::string>{"TARGETPLATFORM"} &&
        expanded->text == arguments_.Get("TARGETPLATFORM")) {
      findings_->Report(
          CheckRule::kRedundantTargetPlatform,
          fmt::format("Setting platform to predefined {} in FROM is redundant as this is the "
                      "default behavior",
                      from.platform),
          source);
    }
    if (!used.empty()) {
      return;
    }
    const auto platform = ParsePlatform(expanded->text, HostPlatform());
    // A stage that is named after its platform says what it is for.
    if (platform.ok() && from.name.find(platform->os()) == std::string::npos &&
        from.name.find(platform->architecture()) == std::string::npos) {
      findings_->Report(CheckRule::kFromPlatformFlagConstDisallowed,
                        fmt::format("FROM --platform flag should not use constant value {}",
                                    GoQuote(expanded->text)),
                        source);
    }
  }

  const Variables& arguments_;
  const Variables& defaults_;
  Findings* findings_;
  WordOptions options_;
  std::set<std::string> declared_;
};

}  // namespace

void CheckBases(const DockerfileInstructions& file, char escape, const Variables& arguments,
                const Variables& defaults, Findings* findings) {
  BaseChecker checker(file, escape, arguments, defaults, findings);
  for (const DockerfileStage& stage : file.stages) {
    checker.Check(stage);
  }
}

}  // namespace zlayer
