#include "base/url_text.h"

namespace zlayer {
namespace {

constexpr std::string_view kMark = "://";
// What ends a URL's host, and what no URL contains.
constexpr std::string_view kEnds = "/?# \t\r\n\"'<>";

}  // namespace

std::string WithoutUrlCredentials(std::string_view text) {
  std::string shown;
  for (size_t mark = text.find(kMark); mark != std::string_view::npos; mark = text.find(kMark)) {
    shown += text.substr(0, mark + kMark.size());
    text.remove_prefix(mark + kMark.size());
    const std::string_view host = text.substr(0, text.find_first_of(kEnds));
    const size_t at = host.rfind('@');
    text.remove_prefix(at == std::string_view::npos ? 0 : at + 1);
  }
  return shown.append(text);
}

}  // namespace zlayer
