#include "daemon/frontend/dockerfile/check_stage.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr std::string_view kSecretWords[] = {"apikey", "auth",     "credential", "credentials",
                                             "key",    "password", "pword",      "passwd",
                                             "secret", "token"};
constexpr std::string_view kHarmlessWords[] = {"public", "file", "version"};

// Arguments of the builder that are no variables of a stage.
constexpr std::string_view kBuilderArguments[] = {"BUILDKIT_SBOM_SCAN_CONTEXT",
                                                  "BUILDKIT_SBOM_SCAN_STAGE"};

template <size_t n>
bool Contains(const std::string_view (&words)[n], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// "GITHUB_TOKEN", "key", but not "monkey" or "PUBLIC_KEY".
bool IsSecret(std::string_view name) {
  const std::string lower = ToLower(name);
  bool secret = false;
  for (const std::string_view word : Split(lower, '_')) {
    if (Contains(kHarmlessWords, word)) {
      return false;
    }
    secret = secret || Contains(kSecretWords, word);
  }
  return secret;
}

}  // namespace

void StageChecks::Begin(size_t stage, std::optional<size_t> base, bool base_is_known) {
  stage_ = stage;
  seen_.clear();
  if (!base_is_known || (base && unknown_.contains(*base))) {
    unknown_.insert(stage);
  }
  if (base && with_workdir_.contains(*base)) {
    with_workdir_.insert(stage);
  }
}

void StageChecks::Check(const Instruction& instruction, const StageState& state) {
  if (!is_dockerfile_) {
    return;
  }
  if (const auto* cmd = std::get_if<CmdInstruction>(&instruction.body)) {
    CheckOnce(instruction);
    CheckCommand(instruction, cmd->command, state);
  } else if (const auto* entrypoint = std::get_if<EntrypointInstruction>(&instruction.body)) {
    CheckOnce(instruction);
    CheckCommand(instruction, entrypoint->command, state);
  } else if (std::holds_alternative<HealthcheckInstruction>(instruction.body)) {
    CheckOnce(instruction);
  } else if (const auto* env = std::get_if<EnvInstruction>(&instruction.body)) {
    CheckLegacy(instruction, env->legacy);
  } else if (const auto* label = std::get_if<LabelInstruction>(&instruction.body)) {
    CheckLegacy(instruction, label->legacy);
  }
}

void StageChecks::CheckCommand(const Instruction& instruction, const CommandLine& command,
                               const StageState& state) {
  if (command.shell && state.config.shell().words().empty() && !unknown_.contains(stage_)) {
    Report(CheckRule::kJsonArgsRecommended,
           fmt::format("JSON arguments recommended for {} to prevent unintended behavior related "
                       "to OS signals",
                       instruction.keyword_text),
           instruction);
  }
}

void StageChecks::CheckLegacy(const Instruction& instruction, bool legacy) {
  if (legacy) {
    Report(
        CheckRule::kLegacyKeyValueFormat,
        fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format",
                    instruction.keyword_text),
        instruction);
  }
}

// What is reported is the earlier one: it has no effect.
void StageChecks::CheckOnce(const Instruction& instruction) {
  const auto [seen, first] = seen_.emplace(instruction.keyword, instruction.source);
  if (!first) {
    findings_->Report(CheckRule::kMultipleInstructionsDisallowed,
                      fmt::format("Multiple {} instructions should not be used in the same stage "
                                  "because only the last one will be used",
                                  instruction.keyword_text),
                      seen->second);
    seen->second = instruction.source;
  }
}

void StageChecks::CheckPlatform(const Instruction& from, std::string_view image,
                                const v1::Platform& wanted, const v1::Platform& actual) {
  if (wanted.os() != actual.os() || wanted.architecture() != actual.architecture()) {
    Report(CheckRule::kInvalidBaseImagePlatform,
           fmt::format("Base image {} was pulled with platform {}, expected {} for current build",
                       image, GoQuote(FormatPlatform(actual)), GoQuote(FormatPlatform(wanted))),
           from);
  }
}

void StageChecks::CheckUnset(const Instruction& instruction, const std::vector<std::string>& unset,
                             const StageState& state) {
  // BuildKit does not look at EXPOSE.
  if (unset.empty() || findings_->full() || unknown_.contains(stage_) ||
      std::holds_alternative<ExposeInstruction>(instruction.body)) {
    return;
  }
  std::vector<std::string> names;
  for (const NameValue& variable : state.variables.entries()) {
    names.push_back(variable.name);
  }
  for (const std::string& name : unset) {
    if (findings_->full()) {
      return;
    }
    if (state.arguments.Get(name) || Contains(kBuilderArguments, name)) {
      continue;
    }
    const std::string near = Nearest(name, names);
    Report(CheckRule::kUndefinedVar,
           fmt::format("Usage of undefined variable '${}'{}", name,
                       near.empty() ? "" : fmt::format(" (did you mean ${}?)", near)),
           instruction);
  }
}

void StageChecks::CheckSecret(const Instruction& instruction, std::string_view name) {
  if (IsSecret(name)) {
    Report(CheckRule::kSecretsUsedInArgOrEnv,
           fmt::format("Do not use ARG or ENV instructions for sensitive data ({} {})",
                       instruction.keyword, GoQuote(name)),
           instruction);
  }
}

void StageChecks::CheckWorkdir(const Instruction& instruction, std::string_view path) {
  if (with_workdir_.insert(stage_).second && !path.starts_with('/')) {
    Report(CheckRule::kWorkdirRelativePath,
           fmt::format("Relative workdir {} can have unexpected results if the base image changes",
                       GoQuote(path)),
           instruction);
  }
}

void StageChecks::CheckPort(const Instruction& instruction, std::string_view port) {
  const size_t colon = port.rfind(':');
  const size_t slash = port.rfind('/');
  const std::string_view protocol = slash == std::string_view::npos ? "" : port.substr(slash + 1);
  if (protocol != ToLower(protocol)) {
    Report(CheckRule::kExposeProtoCasing,
           fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port),
           instruction);
  }
  if (colon != std::string_view::npos && colon > 0) {
    Report(CheckRule::kExposeInvalidFormat,
           fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, "
                       "found '{}'",
                       port),
           instruction);
  }
}

void StageChecks::WarnOfOwner(const Instruction& instruction) {
  findings_->Warn("WindowsOwnerIgnored",
                  "--chown has no effect in an image for Windows; its files belong to the "
                  "administrators",
                  instruction.source);
}

void StageChecks::CheckSource(const Instruction& instruction, std::string_view path) {
  if (ignore_ == nullptr) {
    return;
  }
  if (const int line = ignore_->rules.LineThatIgnores(path); line != 0) {
    const bool add = std::get<CopyInstruction>(instruction.body).add;
    Report(CheckRule::kCopyIgnoredFile,
           fmt::format("Attempting to {} file {} that is excluded by .dockerignore ({}:{})",
                       add ? "Add" : "Copy", GoQuote(path), ignore_->name, line),
           instruction);
  }
}

}  // namespace zlayer
