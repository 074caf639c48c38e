// URLs of sources: taken apart, checked, and without what must not be shown.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_REMOTE_URL_H_
#define ZLAYER_BACKENDS_NATIVE_NET_REMOTE_URL_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct RemoteUrl {
  // Without user, password and fragment: what may be shown, stored, and given to programs.
  std::string text;
  std::string scheme;  // lower case
  std::string user;    // decoded
  std::string password;
  std::string base;       // "https://host:port/"
  std::string file_name;  // decoded last component of the path; may be empty
};

// kInvalidArgument where `text` is no URL or its scheme is none of `schemes`; the message shows
// neither user nor password.
absl::StatusOr<RemoteUrl> ParseRemoteUrl(const std::string& text,
                                         const std::vector<std::string_view>& schemes);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_REMOTE_URL_H_
