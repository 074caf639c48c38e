#include "daemon/build/request_platform.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/values.h"
#include "registry/image/platform.h"

namespace zlayer {

absl::StatusOr<std::vector<v1::Platform>> RequestPlatforms(const v1::BuildSpec& spec) {
  const v1::Platform host = HostPlatform();
  std::vector<v1::Platform> platforms;
  std::set<std::string> seen;
  for (const std::string& entry : spec.platforms()) {
    for (const std::string_view part : Split(entry, ',')) {
      const std::string_view text = Trim(part);
      if (text.empty()) {
        continue;
      }
      ASSIGN_OR_RETURN(v1::Platform platform, ParsePlatform(text, host));
      if (seen.insert(FormatPlatform(platform)).second) {
        platforms.push_back(std::move(platform));
      }
    }
  }
  return platforms;
}

}  // namespace zlayer
