// libcurl, loaded when it is first needed. What Debian's brings along (GnuTLS, Kerberos, LDAP,
// RTMP) takes 2.5 MiB of memory, which a daemon that reaches for nothing outside does without.
//
// Its functions are those of curl.h: libcurl.cc defines the ones that are used here, and each calls
// the library's. One more that is needed is one more line there; until then it does not link.
#ifndef ZLAYER_BASE_LIBCURL_H_
#define ZLAYER_BASE_LIBCURL_H_

#include <absl/status/status.h>
#include <curl/curl.h>  // IWYU pragma: export

namespace zlayer {

// Loads libcurl and initializes it, the first time; must have returned OK before any of its
// functions is called. kFailedPrecondition where it is not installed, until the process ends.
// Thread-safe.
absl::Status LoadCurl();

}  // namespace zlayer

#endif  // ZLAYER_BASE_LIBCURL_H_
