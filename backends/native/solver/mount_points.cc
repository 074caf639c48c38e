#include "backends/native/solver/mount_points.h"

#include <iterator>
#include <set>
#include <string_view>

#include "base/status_macros.h"

namespace zlayer {
namespace {

// A final '/' marks a directory.
constexpr std::string_view kNeeded[] = {"proc/", "sys/", "dev/", "etc/hosts", "etc/resolv.conf"};

}  // namespace

absl::StatusOr<std::vector<std::string>> MissingMountPoints(const Rootfs& view,
                                                            const std::vector<std::string>& more) {
  std::vector<std::string> missing;
  std::set<std::string> seen;
  std::vector<std::string_view> all(std::begin(kNeeded), std::end(kNeeded));
  all.insert(all.end(), more.begin(), more.end());
  for (std::string_view needed : all) {
    const bool is_directory = needed.ends_with('/');
    if (is_directory) {
      needed.remove_suffix(1);
    }
    ASSIGN_OR_RETURN(const std::string path, view.Resolve(needed));
    if (view.Lookup(path).has_value()) {
      continue;
    }
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      if (!view.Lookup(parent).has_value() && seen.insert(parent).second) {
        missing.push_back(parent + "/");
      }
    }
    if (seen.insert(path).second) {
      missing.push_back(is_directory ? path + "/" : path);
    }
  }
  return missing;
}

}  // namespace zlayer
