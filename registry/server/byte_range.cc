#include "registry/server/byte_range.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace zlayer {

ByteRange ParseByteRange(std::string_view header, uint64_t size) {
  using Kind = ByteRange::Kind;
  const ByteRange whole{.kind = Kind::kWhole, .offset = 0, .length = size};
  constexpr std::string_view kUnit = "bytes=";
  const size_t dash = header.find('-');
  if (ToLower(header.substr(0, kUnit.size())) != kUnit || dash == std::string_view::npos) {
    return whole;
  }
  const std::string_view first_text = Trim(header.substr(kUnit.size(), dash - kUnit.size()));
  const std::string_view last_text = Trim(header.substr(dash + 1));
  const auto first = ParseUint(first_text);
  const auto last = ParseUint(last_text);
  if (first_text.empty() && last) {  // the last bytes
    const uint64_t length = std::min(*last, size);
    return {.kind = length == 0 ? Kind::kUnsatisfiable : Kind::kPart,
            .offset = size - length,
            .length = length};
  }
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) {
    return whole;
  }
  if (*first >= size) {
    return {.kind = Kind::kUnsatisfiable};
  }
  const uint64_t end = last && *last < size ? *last + 1 : size;
  return {.kind = Kind::kPart, .offset = *first, .length = end - *first};
}

}  // namespace zlayer
