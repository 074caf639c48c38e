#include "daemon/frontend/dockerfile/global_args.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/run_converter.h"
#include "daemon/frontend/dockerfile/values.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

constexpr char kEpoch[] = "SOURCE_DATE_EPOCH";
constexpr std::string_view kPlatformParts[] = {"PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT"};

bool IsPlatformArgument(std::string_view name) {
  if (!name.starts_with("BUILD") && !name.starts_with("TARGET")) {
    return false;
  }
  name.remove_prefix(name.starts_with("BUILD") ? 5 : 6);
  return name == "STAGE" || std::find(std::begin(kPlatformParts), std::end(kPlatformParts), name) !=
                                std::end(kPlatformParts);
}

}  // namespace

absl::StatusOr<Variables> GlobalArguments(const DockerfileInstructions& file, size_t target,
                                          const v1::Platform& platform,
                                          const std::map<std::string, std::string>& build_args,
                                          const GlobalExpander& expand) {
  Variables arguments;
  const auto set = [&](const std::string& name, const std::string& value) {
    const auto given = build_args.find(name);
    arguments.Set(name, given == build_args.end() ? value : given->second);
  };
  const auto set_platform = [&](const std::string& prefix, const v1::Platform& of) {
    const v1::Platform canonical = CanonicalPlatform(of);
    const std::string values[] = {FormatPlatform(canonical), canonical.os(), canonical.os_version(),
                                  canonical.architecture(), canonical.variant()};
    for (size_t i = 0; i < std::size(kPlatformParts); ++i) {
      set(prefix + std::string(kPlatformParts[i]), values[i]);
    }
  };
  set_platform("BUILD", HostPlatform());
  set_platform("TARGET", platform);
  const std::string& stage = file.stages[target].base().name;
  set("TARGETSTAGE", stage.empty() ? "default" : stage);
  for (const Instruction& instruction : file.global_args) {
    for (const auto& argument : std::get<ArgInstruction>(instruction.body).arguments) {
      if (const auto given = build_args.find(argument.name); given != build_args.end()) {
        arguments.Set(argument.name, given->second);
      } else if (argument.value) {
        ASSIGN_OR_RETURN(const std::string value,
                         expand(*argument.value, arguments, instruction.source));
        arguments.Set(argument.name, value);
      }
    }
  }
  return arguments;
}

absl::StatusOr<std::optional<int64_t>> SourceDateEpoch(
    const Variables& globals, const std::map<std::string, std::string>& build_args) {
  const auto given = build_args.find(kEpoch);
  const std::optional<std::string> text =
      given == build_args.end() ? globals.Get(kEpoch) : given->second;
  if (!text || text->empty()) {
    return std::nullopt;
  }
  const std::optional<uint64_t> seconds = ParseUint(*text);
  if (!seconds || *seconds > kMaxSourceDateEpoch) {
    return InvalidArgument(fmt::format(
        "SOURCE_DATE_EPOCH is a number of seconds since 1970, of a date before the year 10000, "
        "not {}",
        GoQuote(*text)));
  }
  return static_cast<int64_t>(*seconds);
}

void AddDeclaredArguments(const std::vector<Instruction>& instructions,
                          std::set<std::string>* declared) {
  for (const Instruction& instruction : instructions) {
    if (const auto* arg = std::get_if<ArgInstruction>(&instruction.body)) {
      for (const ArgInstruction::Argument& argument : arg->arguments) {
        declared->insert(argument.name);
      }
    }
  }
}

bool IsKnownArgument(std::string_view name) {
  return IsProxyArgument(name) || IsPlatformArgument(name) || name.starts_with("BUILDKIT_") ||
         name == kEpoch;
}

}  // namespace zlayer
