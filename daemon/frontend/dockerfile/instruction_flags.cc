#include "daemon/frontend/dockerfile/instruction_flags.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

absl::Status UnknownFlag(std::string_view keyword, std::string_view name,
                         const std::vector<FlagSpec>& known) {
  std::vector<std::string> names;
  for (const FlagSpec& spec : known) {
    names.push_back(fmt::format("--{}", spec.name));
  }
  const std::string flag = "--" + ToUtf8(name);
  return InvalidArgument(
      fmt::format("{} has no flag {}{}", keyword, flag, Suggestion(flag, names)));
}

absl::Status CheckValue(const FlagSpec& spec, bool has_value, std::string* value) {
  if (spec.kind != FlagSpec::kBoolean) {
    return has_value ? absl::OkStatus()
                     : InvalidArgument(
                           fmt::format("the flag --{0} needs a value: --{0}=VALUE", spec.name));
  }
  *value = has_value ? ToLower(*value) : "true";
  if (*value != "true" && *value != "false") {
    return InvalidArgument(
        fmt::format("the flag --{} is true or false, not {}", spec.name, GoQuote(*value)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InstructionFlags> InstructionFlags::Parse(const DockerfileNode& node,
                                                         const std::vector<FlagSpec>& known) {
  const std::string keyword = ToUpper(node.keyword);
  InstructionFlags flags;
  for (const std::string& flag : node.flags) {
    const std::string_view text = std::string_view(flag).substr(std::min<size_t>(2, flag.size()));
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const auto spec = std::find_if(known.begin(), known.end(),
                                   [name](const FlagSpec& s) { return s.name == name; });
    if (!flag.starts_with("--") || spec == known.end()) {
      return UnknownFlag(keyword, name, known);
    }
    const bool has_value = equals != std::string_view::npos;
    std::string value(has_value ? text.substr(equals + 1) : "");
    if (absl::Status status = CheckValue(*spec, has_value, &value); !status.ok()) {
      return status;
    }
    std::vector<std::string>& values = flags.values_[std::string(name)];
    if (!values.empty() && spec->kind != FlagSpec::kRepeated) {
      return InvalidArgument(fmt::format("{} has the flag --{} twice", keyword, name));
    }
    values.push_back(std::move(value));
  }
  return flags;
}

std::string InstructionFlags::Get(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? "" : at->second.front();
}

std::vector<std::string> InstructionFlags::GetAll(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? std::vector<std::string>() : at->second;
}

std::optional<bool> InstructionFlags::GetBoolean(std::string_view name) const {
  return values_.contains(name) ? std::make_optional(Get(name) == "true") : std::nullopt;
}

}  // namespace zlayer
