// The checks of a build file, with BuildKit's names for them: the one table of rules.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RULES_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RULES_H_

#include <span>
#include <string>
#include <string_view>

namespace zlayer {

enum class CheckRule {
  kStageNameCasing,
  kFromAsCasing,
  kNoEmptyContinuation,
  kConsistentInstructionCasing,
  kDuplicateStageName,
  kReservedStageName,
  kJsonArgsRecommended,
  kMaintainerDeprecated,
  kUndefinedArgInFrom,
  kWorkdirRelativePath,
  kUndefinedVar,
  kMultipleInstructionsDisallowed,
  kLegacyKeyValueFormat,
  kInvalidBaseImagePlatform,
  kRedundantTargetPlatform,
  kSecretsUsedInArgOrEnv,
  kInvalidDefaultArgInFrom,
  kFromPlatformFlagConstDisallowed,
  kCopyIgnoredFile,
  kInvalidDefinitionDescription,
  kExposeProtoCasing,
  kExposeInvalidFormat,
};

struct RuleText {
  CheckRule rule;
  std::string_view name;  // "StageNameCasing"
  std::string_view page;  // of Docker's documentation: "stage-name-casing"
  std::string_view description;
  // Checked only where the file asks for it by name, or for all of these.
  bool experimental = false;

  std::string url() const;
};

// In the order of the enumeration.
std::span<const RuleText> AllRules();

const RuleText& TextOf(CheckRule rule);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RULES_H_
