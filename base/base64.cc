#include "base/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace zlayer {

std::string EncodeBase64(std::string_view bytes) {
  std::string result((bytes.size() + 2) / 3 * 4 + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                             reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()));
  result.resize(static_cast<size_t>(size));
  return result;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  const size_t end = std::min(text.find('='), text.size());
  const size_t padding = text.size() - end;
  const bool is_plain = text.find_first_of(" \t\r\n-") == std::string_view::npos;
  if (text.size() % 4 != 0 || padding > 2 || !is_plain ||
      text.find_first_not_of('=', end) != std::string_view::npos) {
    return std::nullopt;
  }
  std::string result(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) {
    return std::nullopt;
  }
  result.resize(static_cast<size_t>(size) - padding);
  return result;
}

}  // namespace zlayer
