#include "daemon/build/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// As Go reads them, for BuildKit's sake.
constexpr std::string_view kTrue[] = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::string_view kFalse[] = {"0", "f", "F", "FALSE", "false", "False"};

bool IsOneOf(const std::string_view (&words)[6], std::string_view text) {
  return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

}  // namespace

absl::StatusOr<bool> RewritesTimestamps(const v1::BuildSpec& spec) {
  bool rewrites = false;
  for (const v1::BuildSpec::Output& output : spec.outputs()) {
    auto attribute = output.attributes().find(std::string(kRewriteTimestamp));
    if (attribute == output.attributes().end()) {
      continue;
    }
    if (!IsOneOf(kTrue, attribute->second) && !IsOneOf(kFalse, attribute->second)) {
      return InvalidArgument(fmt::format("{} is \"{}\"; it can be true or false", kRewriteTimestamp,
                                         ToUtf8(attribute->second.substr(0, 100))));
    }
    rewrites = rewrites || IsOneOf(kTrue, attribute->second);
  }
  return rewrites;
}

}  // namespace zlayer
