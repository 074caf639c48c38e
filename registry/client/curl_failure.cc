#include "registry/client/curl_failure.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

bool MayPass(CURLcode code, std::string_view reason) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      return true;
    case CURLE_SSL_CONNECT_ERROR:
      // As against what OpenSSL does not like, the system says that the connection is gone.
      return reason.starts_with("OpenSSL SSL_connect:");
    default:
      return false;
  }
}

}  // namespace

Outcome CurlFailure(CURLcode code, const char* error, const TransportOptions& options) {
  const std::string reason = ToUtf8(Trim(error[0] != '\0' ? error : curl_easy_strerror(code)));
  const bool may_pass = MayPass(code, reason);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return {.status = FailedPrecondition("the server does not answer in HTTP")};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {.status = FailedPrecondition(
                  fmt::format("the server's certificate is not trusted: {}", reason))};
    case CURLE_SSL_CACERT_BADFILE:
      return {.status = FailedPrecondition(
                  fmt::format("the CA file {} cannot be read", options.ca_file))};
    case CURLE_SSL_CERTPROBLEM:
      return {.status = FailedPrecondition(fmt::format(
                  "the client certificate {} cannot be used: {}", options.client_cert, reason))};
    case CURLE_SSL_CONNECT_ERROR:
      return {.status = may_pass ? Unavailable(reason) : FailedPrecondition(reason),
              .may_pass = may_pass};
    default:
      return {.status = Unavailable(reason), .may_pass = may_pass};
  }
}

}  // namespace zlayer
