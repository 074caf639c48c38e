// URLs within text that people see.
#ifndef ZLAYER_BASE_URL_TEXT_H_
#define ZLAYER_BASE_URL_TEXT_H_

#include <string>
#include <string_view>

namespace zlayer {

// The text with the user and password of each URL in it cut out: "get https://me:secret@host/x" is
// "get https://host/x". Takes time linear in the text.
std::string WithoutUrlCredentials(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_BASE_URL_TEXT_H_
