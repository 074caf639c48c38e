#include "base/http_proxy.h"

#include <cstdlib>

namespace zlayer {

const char* UpperCaseHttpProxy(std::string_view url) {
  return url.starts_with("http://") && getenv("http_proxy") == nullptr ? getenv("HTTP_PROXY")
                                                                       : nullptr;
}

}  // namespace zlayer
