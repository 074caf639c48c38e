#include "registry/layer/index_format.h"


#include <algorithm>
#include <cstring>

namespace zlayer::index_format {
namespace {

const char* ComponentProblem(std::string_view component) {
  if (component.empty()) {
    return "has an empty component";
  }
  if (component.size() > kMaxComponent) {
    return "has a component of more than 255 bytes";
  }
  if (component[0] != '.') {
    return nullptr;
  }
  if (component == "." || component == "..") {
    return "has a component '.' or '..'";
  }
  return component.starts_with(".wh.") ? "has a name that begins with '.wh.', which marks removals"
                                       : nullptr;
}

}  // namespace

const char* PathProblem(std::string_view path, size_t from) {
  if (path.size() > kMaxPath) {
    return "has more than 4,096 bytes";
  }
  if (path.find('\0', from) != std::string_view::npos) {
    return "holds a NUL byte";
  }
  if (path.empty()) {
    return nullptr;
  }
  while (true) {
    size_t slash = path.find('/', from);
    size_t end = std::min(slash, path.size());
    if (const char* problem = ComponentProblem(path.substr(from, end - from)); problem != nullptr) {
      return problem;
    }
    if (slash == std::string_view::npos) {
      return nullptr;
    }
    from = slash + 1;
  }
}

const char* TargetProblem(std::string_view target) {
  if (target.empty() || target.size() > kMaxTarget) {
    return "is a symlink whose target does not have 1 to 4,095 bytes";
  }
  return target.find('\0') != std::string_view::npos ? "is a symlink whose target holds a NUL byte"
                                                     : nullptr;
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  size_t limit = std::min(a.size(), b.size());
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= limit; i += sizeof(uint64_t)) {
    uint64_t left, right;
    std::memcpy(&left, a.data() + i, sizeof(left));
    std::memcpy(&right, b.data() + i, sizeof(right));
    if (left != right) {
      return i + std::countr_zero(left ^ right) / 8;
    }
  }
  while (i < limit && a[i] == b[i]) {
    ++i;
  }
  return i;
}

}  // namespace zlayer::index_format
