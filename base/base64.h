// Base64, the standard alphabet, padded (RFC 4648, section 4).
#ifndef ZLAYER_BASE_BASE64_H_
#define ZLAYER_BASE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace zlayer {

std::string EncodeBase64(std::string_view bytes);

// Nothing where it is not whole and padded.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_BASE_BASE64_H_
