// Which checks a build file asks for: `# check=skip=JSONArgsRecommended;error=true`.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_OPTIONS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_OPTIONS_H_

#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/rules.h"

namespace zlayer {

struct CheckOptions {
  bool skip_all = false;
  std::set<std::string, std::less<>> skip;  // names of rules
  bool experimental_all = false;
  std::set<std::string, std::less<>> experimental;
  bool error = false;  // a broken rule fails the build

  // As BuildKit: what is experimental is checked where it is asked for, whatever is skipped.
  bool Checks(const RuleText& rule) const;
};

// "skip=A,B;error=true;experimental=all", in any order; an empty text asks for nothing. Names of
// rules that do not exist are ignored. kInvalidArgument: an option is unknown or has no value.
absl::StatusOr<CheckOptions> ParseCheckOptions(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_OPTIONS_H_
