#include "base/libcurl.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdarg>
#include <string_view>
#include <type_traits>

#include "base/errors.h"

namespace {

constexpr char kLibrary[] = "libcurl.so.4";

// F(result, name, parameters, arguments) for each function that is used.
// clang-format off
#define ZLAYER_CURL_FUNCTIONS(F)                                                             \
  F(CURLcode, curl_global_init, (long flags), (flags))                                       \
  F(CURL*, curl_easy_init, (), ())                                                           \
  F(void, curl_easy_cleanup, (CURL* easy), (easy))                                           \
  F(void, curl_easy_reset, (CURL* easy), (easy))                                             \
  F(CURLcode, curl_easy_pause, (CURL* easy, int bits), (easy, bits))                         \
  F(const char*, curl_easy_strerror, (CURLcode code), (code))                                \
  F(CURLM*, curl_multi_init, (), ())                                                         \
  F(CURLMcode, curl_multi_cleanup, (CURLM* multi), (multi))                                  \
  F(CURLMcode, curl_multi_add_handle, (CURLM* multi, CURL* easy), (multi, easy))             \
  F(CURLMcode, curl_multi_remove_handle, (CURLM* multi, CURL* easy), (multi, easy))          \
  F(CURLMcode, curl_multi_perform, (CURLM* multi, int* running), (multi, running))           \
  F(CURLMcode, curl_multi_poll,                                                              \
    (CURLM* multi, curl_waitfd* fds, unsigned count, int timeout_ms, int* ready),            \
    (multi, fds, count, timeout_ms, ready))                                                  \
  F(CURLMcode, curl_multi_wakeup, (CURLM* multi), (multi))                                   \
  F(CURLMsg*, curl_multi_info_read, (CURLM* multi, int* left), (multi, left))                \
  F(const char*, curl_multi_strerror, (CURLMcode code), (code))                              \
  F(curl_slist*, curl_slist_append, (curl_slist* list, const char* text), (list, text))      \
  F(void, curl_slist_free_all, (curl_slist* list), (list))                                   \
  F(CURLU*, curl_url, (), ())                                                                \
  F(void, curl_url_cleanup, (CURLU* url), (url))                                             \
  F(CURLUcode, curl_url_get, (CURLU* url, CURLUPart part, char** text, unsigned flags),      \
    (url, part, text, flags))                                                                \
  F(CURLUcode, curl_url_set, (CURLU* url, CURLUPart part, const char* text, unsigned flags), \
    (url, part, text, flags))                                                                \
  F(const char*, curl_url_strerror, (CURLUcode code), (code))                                \
  F(void, curl_free, (void* memory), (memory))                                               \
  F(time_t, curl_getdate, (const char* text, const time_t* unused), (text, unused))

// Those with one more argument, of a type that the option tells.
#define ZLAYER_CURL_OPTIONS(F) \
  F(curl_easy_setopt)          \
  F(curl_easy_getinfo)         \
  F(curl_multi_setopt)
// clang-format on

// The library's functions. Written once, by LoadCurl.
struct {
#define ZLAYER_OPTION(name) decltype(&::name) name = nullptr;
#define ZLAYER_FUNCTION(result, name, parameters, arguments) ZLAYER_OPTION(name)
  ZLAYER_CURL_FUNCTIONS(ZLAYER_FUNCTION)
  ZLAYER_CURL_OPTIONS(ZLAYER_OPTION)
#undef ZLAYER_FUNCTION
#undef ZLAYER_OPTION
} library;

absl::Status Failure(std::string_view why) {
  return zlayer::FailedPrecondition(fmt::format(
      "{} cannot be loaded ({}), so nothing can be fetched or sent; install Debian's package "
      "libcurl4 and start zlayerd again",
      kLibrary, why));
}

absl::Status Load() {
  void* handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Failure(dlerror());
  }
  const char* missing = nullptr;
  const auto find = [&](const char* name, auto* function) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(handle, name));
    missing = *function == nullptr ? name : missing;
  };
#define ZLAYER_OPTION(name) find(#name, &library.name);
#define ZLAYER_FUNCTION(result, name, parameters, arguments) ZLAYER_OPTION(name)
  ZLAYER_CURL_FUNCTIONS(ZLAYER_FUNCTION)
  ZLAYER_CURL_OPTIONS(ZLAYER_OPTION)
#undef ZLAYER_FUNCTION
#undef ZLAYER_OPTION
  if (missing != nullptr) {
    return Failure(fmt::format("it has no {}", missing));
  }
  const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  return code == CURLE_OK ? absl::OkStatus() : Failure(curl_easy_strerror(code));
}

}  // namespace

#define ZLAYER_FUNCTION(result, name, parameters, arguments) \
  result name parameters { return library.name arguments; }
ZLAYER_CURL_FUNCTIONS(ZLAYER_FUNCTION)
#undef ZLAYER_FUNCTION

#ifdef __clang__
#pragma clang diagnostic ignored "-Wvarargs"  // the signatures are libcurl's
#endif

CURLcode(curl_easy_setopt)(CURL* easy, CURLoption option, ...) {
  va_list value;
  va_start(value, option);
  CURLcode code = CURLE_UNKNOWN_OPTION;
  if (option < CURLOPTTYPE_OBJECTPOINT) {
    code = (library.curl_easy_setopt)(easy, option, va_arg(value, long));
  } else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
    code = (library.curl_easy_setopt)(easy, option, va_arg(value, curl_off_t));
  } else {
    code = (library.curl_easy_setopt)(easy, option, va_arg(value, void*));
  }
  va_end(value);
  return code;
}

CURLcode(curl_easy_getinfo)(CURL* easy, CURLINFO info, ...) {
  va_list value;
  va_start(value, info);
  const CURLcode code = (library.curl_easy_getinfo)(easy, info, va_arg(value, void*));
  va_end(value);
  return code;
}

CURLMcode(curl_multi_setopt)(CURLM* multi, CURLMoption option, ...) {
  va_list value;
  va_start(value, option);
  const CURLMcode code = option < CURLOPTTYPE_OBJECTPOINT
                             ? (library.curl_multi_setopt)(multi, option, va_arg(value, long))
                             : (library.curl_multi_setopt)(multi, option, va_arg(value, void*));
  va_end(value);
  return code;
}

namespace zlayer {

absl::Status LoadCurl() {
  static const absl::Status loaded = Load();
  return loaded;
}

}  // namespace zlayer
