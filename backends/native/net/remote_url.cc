#include "backends/native/net/remote_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/errors.h"
#include "base/libcurl.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/url_text.h"

namespace zlayer {
namespace {

using Handle = std::unique_ptr<CURLU, void (*)(CURLU*)>;

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* value = nullptr;
  if (curl_url_get(url, part, &value, flags) != CURLUE_OK) {
    return "";
  }
  std::string copy = value;
  curl_free(value);
  return copy;
}

// For messages about text that may be no URL: where a password may be is cut out.
std::string Shown(std::string_view text) {
  const std::string shown = WithoutUrlCredentials(text);
  const size_t at = shown.find("://") == std::string::npos ? shown.rfind('@') : std::string::npos;
  return ToUtf8(shown.substr(at == std::string::npos ? 0 : at + 1, 200));
}

// Empty where the path has no name in it.
std::string_view BaseNameOf(std::string_view path) {
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  path = path.substr(path.rfind('/') + 1);
  return path == "." || path == ".." ? "" : path;
}

}  // namespace

absl::StatusOr<RemoteUrl> ParseRemoteUrl(const std::string& text,
                                         const std::vector<std::string_view>& schemes) {
  const auto bad = [&](std::string_view why) {
    return InvalidArgument(fmt::format("\"{}\" {}", Shown(text), why));
  };
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c <= ' ' || c == 0x7f; })) {
    return bad("is no URL: white space must be written %20");
  }
  RETURN_IF_ERROR(LoadCurl());
  const Handle url(curl_url(), curl_url_cleanup);
  if (CURLUcode code =
          curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
      code != CURLUE_OK) {
    return bad(fmt::format("is no URL: {}", ToLower(curl_url_strerror(code))));
  }
  RemoteUrl result;
  result.scheme = Part(url.get(), CURLUPART_SCHEME);
  if (std::find(schemes.begin(), schemes.end(), result.scheme) == schemes.end()) {
    std::vector<std::string> names(schemes.begin(), schemes.end());
    return bad(fmt::format("cannot be fetched: its scheme is none of {}", Join(names, ", ")));
  }
  if (Part(url.get(), CURLUPART_HOST).empty()) {
    return bad("names no host");
  }
  result.user = Part(url.get(), CURLUPART_USER, CURLU_URLDECODE);
  result.password = Part(url.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  for (CURLUPart part :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT}) {
    curl_url_set(url.get(), part, nullptr, 0);
  }
  result.text = Part(url.get(), CURLUPART_URL);
  const std::string path = Part(url.get(), CURLUPART_PATH, CURLU_URLDECODE);
  result.file_name = std::string(BaseNameOf(path));
  curl_url_set(url.get(), CURLUPART_PATH, "/", 0);
  curl_url_set(url.get(), CURLUPART_QUERY, nullptr, 0);
  result.base = Part(url.get(), CURLUPART_URL);
  return result;
}

}  // namespace zlayer
