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

// What servers say to who has none, or one of a CA that they do not know.
bool WantsClientCertificate(std::string_view reason) {
  return reason.find("alert certificate required") != std::string_view::npos ||
         reason.find("alert bad certificate") != std::string_view::npos ||
         reason.find("alert unknown ca") != std::string_view::npos;
}

std::string Reason(CURLcode code, std::string_view error) {
  // What libcurl meets first where the peer has ended the connection by the time it is made.
  if (error.starts_with("getpeername()")) {
    return "the server ended the connection at once";
  }
  return ToUtf8(Trim(error.empty() ? curl_easy_strerror(code) : error));
}

}  // namespace

Outcome CurlFailure(CURLcode code, const char* error, const TransportOptions& options) {
  const std::string reason = Reason(code, error);
  if (WantsClientCertificate(reason)) {
    return {
        .status = FailedPrecondition(fmt::format(
            "the server wants a client certificate that it trusts (client_cert and client_key of "
            "the registry in the configuration): {}",
            reason))};
  }
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
