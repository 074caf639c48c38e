// Base64, the standard alphabet, padded (RFC 4648, section 4).
#ifndef ZLAYER_BASE_BASE64_H_
#define ZLAYER_BASE_BASE64_H_

#include <string>
#include <string_view>

namespace zlayer {

std::string EncodeBase64(std::string_view bytes);

}  // namespace zlayer

#endif  // ZLAYER_BASE_BASE64_H_
