#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "registry/layer/index.h"
#include "registry/layer/index_format.h"

namespace zlayer {

std::strong_ordering ComparePaths(std::string_view a, std::string_view b) {
  size_t common = index_format::CommonPrefix(a, b);
  if (common == a.size() || common == b.size()) {
    return a.size() <=> b.size();
  }
  auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
  return rank(a[common]) <=> rank(b[common]);
}

std::string_view ParentPath(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view BaseName(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  return directory.empty() || (path.starts_with(directory) &&
                               (path.size() == directory.size() || path[directory.size()] == '/'));
}

std::string_view PathBelow(std::string_view path, std::string_view directory) {
  path.remove_prefix(directory.size());
  return path.starts_with('/') ? path.substr(1) : path;
}

std::string CleanPath(std::string_view path) {
  std::string clean;
  for (std::string_view component : Split(path, '/')) {
    if (component.empty() || component == ".") {
      continue;
    }
    if (component == "..") {
      clean.resize(ParentPath(clean).size());
      continue;
    }
    if (!clean.empty()) {
      clean += '/';
    }
    clean += component;
  }
  return clean;
}

int64_t TimeInNs(int64_t seconds, int64_t nanoseconds) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t time;
  if (__builtin_mul_overflow(seconds, kSecond, &time) ||
      __builtin_add_overflow(time, nanoseconds, &time)) {
    return seconds < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return time;
}

bool KeepsXattr(std::string_view name) {
  return !name.starts_with("trusted.overlay.") && !name.starts_with("user.overlay.") &&
         name != "security.selinux";
}

}  // namespace zlayer
