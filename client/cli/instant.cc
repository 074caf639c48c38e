#include "client/cli/instant.h"

#include <google/protobuf/util/time_util.h>

#include <string>

#include "base/strings.h"

namespace zlayer {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

constexpr uint64_t kMaxSeconds = uint64_t{100} * 366 * 86'400;

uint64_t SecondsOf(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86'400;
    default:
      return 0;
  }
}

}  // namespace

std::optional<uint64_t> ParseSeconds(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  uint64_t total = 0;
  while (!text.empty()) {
    size_t digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos) {
      return std::nullopt;
    }
    std::optional<uint64_t> count = ParseUint(text.substr(0, digits));
    uint64_t unit = SecondsOf(text[digits]);
    if (!count.has_value() || unit == 0 || *count > kMaxSeconds / unit) {
      return std::nullopt;
    }
    total += *count * unit;
    text.remove_prefix(digits + 1);
  }
  return total <= kMaxSeconds ? std::optional<uint64_t>(total) : std::nullopt;
}

std::optional<Timestamp> ParseInstant(std::string_view text, int64_t now_ns) {
  if (std::optional<uint64_t> seconds = ParseSeconds(text)) {
    return TimeUtil::NanosecondsToTimestamp(now_ns) -
           TimeUtil::SecondsToDuration(static_cast<int64_t>(*seconds));
  }
  constexpr size_t kDay = std::string_view("2026-11-21").size();
  std::string full(text);
  if (text.size() == kDay) {
    full += "T00:00:00Z";
  }
  Timestamp instant;
  if (!TimeUtil::FromString(full, &instant)) {
    return std::nullopt;
  }
  return instant;
}

}  // namespace zlayer
