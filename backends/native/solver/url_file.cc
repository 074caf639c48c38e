#include "backends/native/solver/url_file.h"

#include "registry/layer/index.h"

namespace zlayer {

std::string UrlFileName(const v1::Copy::Source& source) {
  return source.from().has_http() ? std::string(BaseName(CleanPath(source.path()))) : "";
}

std::string SourcePattern(const v1::Copy::Source& source) {
  const std::string name = UrlFileName(source);
  if (name.empty()) {
    return source.path();
  }
  std::string pattern;
  for (char c : name) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

bool Unpacks(const v1::Copy& copy, const v1::Copy::Source& source) {
  switch (source.from().kind_case()) {
    case v1::Input::kHttp:
      return copy.unpack() == v1::Copy::ALL_ARCHIVES;
    case v1::Input::kContext:
    case v1::Input::kStage:
    case v1::Input::kImage:
      return copy.unpack() != v1::Copy::NEVER;
    default:
      return false;
  }
}

}  // namespace zlayer
