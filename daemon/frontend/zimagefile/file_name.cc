#include "daemon/frontend/zimagefile/file_name.h"

#include <string>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr std::string_view kName = "ZImagefile";

}  // namespace

bool IsZImagefileName(std::string_view file_name) {
  if (!file_name.starts_with(kName)) {
    return false;
  }
  const std::string_view suffix = file_name.substr(kName.size());
  return suffix.empty() || (suffix.size() > 1 && suffix.starts_with('.'));
}

bool IsZImagefilePath(std::string_view path) {
  const std::string_view file_name = path.substr(path.rfind('/') + 1);
  const std::string lower = ToLower(file_name);
  return IsZImagefileName(file_name) || lower.ends_with(".yml") || lower.ends_with(".yaml");
}

}  // namespace zlayer
