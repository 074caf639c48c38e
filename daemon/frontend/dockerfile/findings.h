// Collects what the checks of a build file find.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FINDINGS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FINDINGS_H_

#include <absl/status/status.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/check_options.h"
#include "daemon/frontend/dockerfile/rules.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// At most this many warnings are kept for a file.
inline constexpr size_t kMaxWarnings = 200;

class Findings {
 public:
  // Which checks count from here on.
  void Configure(CheckOptions options) { options_ = std::move(options); }

  // A rule is broken here. The same finding on the same lines is kept once.
  void Report(CheckRule rule, std::string_view message, const v1::SourceRange& source);
  // A warning that is no check's, and cannot be skipped.
  void Warn(std::string_view name, std::string_view message, const v1::SourceRange& source);

  // Nothing more is kept: what is costly to report need not be looked for.
  bool full() const { return warnings_.size() == kMaxWarnings; }
  const std::vector<v1::Warning>& warnings() const { return warnings_; }

  // kInvalidArgument, naming the broken rules (reason LINT_VIOLATION), where the file treats them
  // as errors and there are any.
  absl::Status Violation() const;

 private:
  void Add(v1::Warning warning, const v1::SourceRange& source);

  CheckOptions options_;
  std::vector<v1::Warning> warnings_;
  std::set<std::string> broken_;  // names of rules
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_FINDINGS_H_
