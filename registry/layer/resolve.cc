#include "registry/layer/resolve.h"

#include <fmt/format.h>

#include <vector>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr int kMaxLinks = 40;

// Puts the components of `path` on a stack, the first one on top.
void PushComponents(std::string_view path, std::vector<std::string>* stack) {
  std::vector<std::string_view> components = Split(path, '/');
  for (auto component = components.rbegin(); component != components.rend(); ++component) {
    if (!component->empty() && *component != ".") {
      stack->emplace_back(*component);
    }
  }
}

std::string Joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

}  // namespace

absl::StatusOr<std::string> ResolvePath(std::string_view path, bool follow_last,
                                        const EntryLookup& lookup) {
  std::vector<std::string> left;
  PushComponents(path, &left);
  std::string current;
  int links = 0;
  while (!left.empty()) {
    std::string name = std::move(left.back());
    left.pop_back();
    if (name == "..") {
      current.resize(ParentPath(current).size());
      continue;
    }
    std::string next = Joined(current, name);
    std::optional<Entry> entry = lookup(next);
    if (entry && entry->type == EntryType::kSymlink && (follow_last || !left.empty())) {
      if (++links > kMaxLinks) {
        return InvalidArgument(
            fmt::format("path '{}' leads through more than {} symlinks; is there a loop?",
                        ToUtf8(path), kMaxLinks));
      }
      if (entry->link_target.starts_with('/')) {
        current.clear();
      }
      PushComponents(entry->link_target, &left);
      continue;
    }
    if (entry && entry->type != EntryType::kDirectory && !left.empty()) {
      return FailedPrecondition(fmt::format("'{}' on the way of path '{}' is not a directory",
                                            ToUtf8(next), ToUtf8(path)));
    }
    current = std::move(next);
  }
  return current;
}

}  // namespace zlayer
