// What libcurl's errors mean.
#ifndef ZLAYER_REGISTRY_CLIENT_CURL_FAILURE_H_
#define ZLAYER_REGISTRY_CLIENT_CURL_FAILURE_H_

#include "base/libcurl.h"
#include "registry/client/outcome.h"
#include "registry/client/transport.h"

namespace zlayer {

// Of an exchange that did not end with an answer. `error` is what CURLOPT_ERRORBUFFER has, or "".
Outcome CurlFailure(CURLcode code, const char* error, const TransportOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_CURL_FAILURE_H_
