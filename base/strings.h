// String helpers over std::string_view (Debian's absl::string_view does not convert to it).
#ifndef ZLAYER_BASE_STRINGS_H_
#define ZLAYER_BASE_STRINGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// The pieces between separators, empty ones included: Split("a,,b", ',') is {"a", "", "b"}.
std::vector<std::string_view> Split(std::string_view text, char separator);

// Without ASCII white space at both ends.
std::string_view Trim(std::string_view text);

std::string Join(const std::vector<std::string>& parts, std::string_view separator);

// ASCII only.
std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);

// Decimal digits only, nothing around them; nullopt where there is anything else or an overflow.
std::optional<uint64_t> ParseUint(std::string_view text);

// Whether the bytes are valid UTF-8 (no surrogates, no overlong forms).
bool IsUtf8(std::string_view bytes);

struct CodePoint {
  uint32_t value;
  size_t length;  // in bytes
};

// The first code point of `bytes`, which must not be empty. A byte that is not part of valid UTF-8
// stands for itself, with a value above all code points (0x110000 + byte).
CodePoint FirstCodePoint(std::string_view bytes);

// The bytes with everything that is not valid UTF-8 replaced by U+FFFD, for messages.
std::string ToUtf8(std::string_view bytes);

// The start of a text: at most `limit` bytes, and no part of a character.
std::string_view CutUtf8(std::string_view text, size_t limit);

}  // namespace zlayer

#endif  // ZLAYER_BASE_STRINGS_H_
