#include "daemon/frontend/template/version_range.h"

#include <algorithm>
#include <compare>
#include <string>
#include <utility>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 256;

// Longer ones first.
constexpr std::string_view kOperators[] = {
    "===", "==", "!=", "~=", ">=", "<=", ">", "<", "^", "~", "="};
constexpr std::string_view kHyphen = "-";

bool IsWildcard(std::string_view part) { return part == "x" || part == "X" || part == "*"; }

// "v22.11.0-rc.1", "3.13.*"; nullopt where it is no version.
std::optional<VersionNumbers> ParseVersion(std::string_view text) {
  if (text.starts_with('v') || text.starts_with('V')) {
    text.remove_prefix(1);
  }
  VersionNumbers numbers;
  for (std::string_view part : Split(text, '.')) {
    if (IsWildcard(part)) {
      return numbers;
    }
    const std::string_view digits = part.substr(0, part.find_first_not_of("0123456789"));
    const std::optional<uint64_t> number = ParseUint(digits);
    if (!number.has_value()) {
      return numbers.empty() ? std::nullopt : std::make_optional(std::move(numbers));
    }
    numbers.push_back(*number);
    if (digits.size() < part.size()) {
      return numbers;
    }
  }
  return numbers;
}

// Over the numbers that both have.
std::strong_ordering ComparePrefix(const VersionNumbers& a, const VersionNumbers& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i]) {
      return a[i] <=> b[i];
    }
  }
  return std::strong_ordering::equal;
}

}  // namespace

std::optional<VersionRange> VersionRange::Parse(std::string_view text) {
  text = Trim(text);
  if (text.empty() || text.size() > kMaxText) {
    return std::nullopt;
  }
  VersionRange range;
  for (std::string_view alternative : Split(text, '|')) {
    if (Trim(alternative).empty()) {
      continue;  // between the bars of "||"
    }
    std::optional<Conditions> conditions = ParseConditions(alternative);
    if (!conditions.has_value()) {
      return std::nullopt;
    }
    range.alternatives_.push_back(*std::move(conditions));
  }
  return range.alternatives_.empty() ? std::nullopt : std::make_optional(std::move(range));
}

std::optional<VersionRange::Conditions> VersionRange::ParseConditions(std::string_view text) {
  constexpr std::string_view kBetween = " \t,";
  Conditions conditions;
  std::string_view op = "=";
  while (true) {
    const size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) {
      return conditions.empty() || op != "=" ? std::nullopt
                                             : std::make_optional(std::move(conditions));
    }
    text.remove_prefix(begin);
    const auto* const found =
        std::find_if(std::begin(kOperators), std::end(kOperators),
                     [text](std::string_view known) { return text.starts_with(known); });
    if (found != std::end(kOperators)) {
      op = *found;
      text.remove_prefix(op.size());
      continue;
    }
    const std::string_view word = text.substr(0, text.find_first_of(" \t,<>=!~^"));
    text.remove_prefix(word.size());
    if (word == kHyphen && !conditions.empty()) {
      conditions.back().op = ">=";
      op = "<=";
      continue;
    }
    std::optional<VersionNumbers> version = ParseVersion(word);
    if (!version.has_value()) {
      return std::nullopt;
    }
    conditions.push_back({std::exchange(op, "="), *std::move(version)});
  }
}

bool VersionRange::Holds(const Condition& condition, const VersionNumbers& line) {
  const VersionNumbers& version = condition.version;
  const std::string_view op = condition.op;
  if (version.empty()) {
    return true;
  }
  // Whether it is about releases within a line.
  const bool is_within = version.size() > line.size();
  VersionNumbers padded = version;
  padded.resize(std::max(version.size(), line.size()));
  const std::strong_ordering order = ComparePrefix(line, padded);
  if (op == ">=") {
    return order >= 0;
  }
  if (op == ">") {
    return is_within ? order >= 0 : order > 0;
  }
  if (op == "<=") {
    return order <= 0;
  }
  if (op == "<") {
    return order < 0;
  }
  if (op == "!=") {
    return is_within || ComparePrefix(line, version) != 0;
  }
  if (op == "^") {
    return line.front() == version.front() && order >= 0;
  }
  if (op == "~=") {
    const VersionNumbers fixed(version.begin(), version.end() - 1);
    return ComparePrefix(line, fixed) == 0 && order >= 0;
  }
  return ComparePrefix(line, version) == 0;  // "=" and "~"
}

bool VersionRange::Contains(const VersionNumbers& line) const {
  return std::any_of(
      alternatives_.begin(), alternatives_.end(), [&line](const Conditions& conditions) {
        return std::all_of(conditions.begin(), conditions.end(),
                           [&line](const Condition& each) { return Holds(each, line); });
      });
}

VersionNumbers VersionRange::First() const { return alternatives_.front().front().version; }

}  // namespace zlayer
