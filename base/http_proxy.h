// The environment's HTTP_PROXY, which libcurl does not read.
#ifndef ZLAYER_BASE_HTTP_PROXY_H_
#define ZLAYER_BASE_HTTP_PROXY_H_

#include <string_view>

namespace zlayer {

// The proxy for `url` that libcurl has to be told of; null where there is none, or where it finds
// one itself. libcurl takes the upper-case name for a header of a CGI program, which this is not;
// http_proxy wins over it.
const char* UpperCaseHttpProxy(std::string_view url);

}  // namespace zlayer

#endif  // ZLAYER_BASE_HTTP_PROXY_H_
