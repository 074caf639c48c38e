#include "daemon/frontend/dockerfile/rules.h"

#include <spdlog/fmt/fmt.h>

#include <cstddef>

namespace zlayer {
namespace {

using enum CheckRule;

constexpr RuleText kRules[] = {
    {kStageNameCasing, "StageNameCasing", "stage-name-casing", "Stage names should be lowercase"},
    {kFromAsCasing, "FromAsCasing", "from-as-casing",
     "The 'as' keyword should match the case of the 'from' keyword"},
    {kNoEmptyContinuation, "NoEmptyContinuation", "no-empty-continuation",
     "Empty continuation lines will become errors in a future release"},
    {kConsistentInstructionCasing, "ConsistentInstructionCasing", "consistent-instruction-casing",
     "All commands within the Dockerfile should use the same casing (either upper or lower)"},
    {kDuplicateStageName, "DuplicateStageName", "duplicate-stage-name",
     "Stage names should be unique"},
    {kReservedStageName, "ReservedStageName", "reserved-stage-name",
     "Reserved words should not be used as stage names"},
    {kJsonArgsRecommended, "JSONArgsRecommended", "json-args-recommended",
     "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS "
     "signals"},
    {kMaintainerDeprecated, "MaintainerDeprecated", "maintainer-deprecated",
     "The MAINTAINER instruction is deprecated, use a label instead to define an image author"},
    {kUndefinedArgInFrom, "UndefinedArgInFrom", "undefined-arg-in-from",
     "FROM command must use declared ARGs"},
    {kWorkdirRelativePath, "WorkdirRelativePath", "workdir-relative-path",
     "Relative workdir without an absolute workdir declared within the build can have unexpected "
     "results if the base image changes"},
    {kUndefinedVar, "UndefinedVar", "undefined-var",
     "Variables should be defined before their use"},
    {kMultipleInstructionsDisallowed, "MultipleInstructionsDisallowed",
     "multiple-instructions-disallowed",
     "Multiple instructions of the same type should not be used in the same stage"},
    {kLegacyKeyValueFormat, "LegacyKeyValueFormat", "legacy-key-value-format",
     "Legacy key/value format with whitespace separator should not be used"},
    {kInvalidBaseImagePlatform, "InvalidBaseImagePlatform", "invalid-base-image-platform",
     "Base image platform does not match expected target platform"},
    {kRedundantTargetPlatform, "RedundantTargetPlatform", "redundant-target-platform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default "
     "behavior"},
    {kSecretsUsedInArgOrEnv, "SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env",
     "Sensitive data should not be used in the ARG or ENV commands"},
    {kInvalidDefaultArgInFrom, "InvalidDefaultArgInFrom", "invalid-default-arg-in-from",
     "Default value for global ARG results in an empty or invalid base image name"},
    {kFromPlatformFlagConstDisallowed, "FromPlatformFlagConstDisallowed",
     "from-platform-flag-const-disallowed", "FROM --platform flag should not use a constant value"},
    {kCopyIgnoredFile, "CopyIgnoredFile", "copy-ignored-file",
     "Attempting to Copy file that is excluded by .dockerignore"},
    {kInvalidDefinitionDescription, "InvalidDefinitionDescription",
     "invalid-definition-description",
     "Comment for build stage or argument should follow the format: `# <arg/stage name> "
     "<description>`. If this is not intended to be a description comment, add an empty line or "
     "comment between the instruction and the comment.",
     /*experimental=*/true},
    {kExposeProtoCasing, "ExposeProtoCasing", "expose-proto-casing",
     "Protocol in EXPOSE instruction should be lowercase"},
    {kExposeInvalidFormat, "ExposeInvalidFormat", "expose-invalid-format",
     "IP address and host-port mapping should not be used in EXPOSE instruction. This will become "
     "an error in a future release"},
};

}  // namespace

std::string RuleText::url() const {
  return fmt::format("https://docs.docker.com/go/dockerfile/rule/{}/", page);
}

std::span<const RuleText> AllRules() { return kRules; }

const RuleText& TextOf(CheckRule rule) { return kRules[static_cast<size_t>(rule)]; }

}  // namespace zlayer
