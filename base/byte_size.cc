#include "base/byte_size.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 63;
constexpr size_t kFraction = 3;  // digits that count

// What the unit stands for: "", "b", "k", "kb", "kib" and so on.
std::optional<uint64_t> Factor(std::string unit) {
  if (unit.ends_with('b')) {
    unit.pop_back();
  }
  uint64_t base = 1000;
  if (unit.size() == 2 && unit[1] == 'i') {
    base = 1024;
    unit.pop_back();
  }
  if (unit.empty()) {
    return 1;
  }
  const size_t power = std::string_view("kmgt").find(unit);
  if (power == std::string_view::npos || unit.size() != 1) {
    return std::nullopt;
  }
  uint64_t factor = base;
  for (size_t i = 0; i < power; ++i) {
    factor *= base;
  }
  return factor;
}

}  // namespace

std::optional<uint64_t> ParseByteSize(std::string_view text) {
  const size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::optional<uint64_t> factor = Factor(ToLower(text.substr(end)));
  const std::string_view number = text.substr(0, end);
  const size_t point = std::min(number.find('.'), number.size());
  const std::optional<uint64_t> whole = ParseUint(number.substr(0, point));
  if (!factor.has_value() || !whole.has_value() || *whole > kMost / *factor) {
    return std::nullopt;
  }
  uint64_t bytes = *whole * *factor;
  if (point < number.size()) {
    std::string digits(number.substr(point + 1));
    const std::optional<uint64_t> any = ParseUint(digits);
    if (!any.has_value()) {
      return std::nullopt;
    }
    digits.resize(kFraction, '0');
    // So that nothing runs over: factors are whole thousands, or large.
    bytes += *factor / 1000 * ParseUint(digits).value_or(0) +
             *factor % 1000 * ParseUint(digits).value_or(0) / 1000;
  }
  return bytes <= kMost ? std::optional<uint64_t>(bytes) : std::nullopt;
}

}  // namespace zlayer
