#include "base/base64.h"

#include <openssl/evp.h>

namespace zlayer {

std::string EncodeBase64(std::string_view bytes) {
  std::string result((bytes.size() + 2) / 3 * 4 + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                             reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()));
  result.resize(static_cast<size_t>(size));
  return result;
}

}  // namespace zlayer
