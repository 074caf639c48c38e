// What a COPY leaves out (graph.proto, Copy.exclude).
#ifndef ZLAYER_BACKENDS_GRAPH_EXCLUDE_PATTERNS_H_
#define ZLAYER_BACKENDS_GRAPH_EXCLUDE_PATTERNS_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "base/path_patterns.h"

namespace zlayer {

// Patterns with the rules of moby/patternmatcher (see PathPatterns). Constant after construction;
// thread-safe. The default one excludes nothing.
class ExcludePatterns {
 public:
  ExcludePatterns() = default;

  // Spaces around a pattern are dropped, empty ones are skipped. A pattern with a leading '/' is
  // valid and matches nothing, as in BuildKit. kInvalidArgument names a malformed pattern.
  template <typename Strings>
  static absl::StatusOr<ExcludePatterns> Parse(const Strings& patterns) {
    ExcludePatterns result;
    for (const std::string& pattern : patterns) {
      absl::Status status = result.Add(pattern);
      if (!status.ok()) {
        return status;
      }
    }
    return result;
  }

  bool empty() const { return patterns_.size() == 0; }

  // `path` is relative to the directory that is copied, and clean.
  bool Matches(std::string_view path) const { return patterns_.LeavesOut(path); }

 private:
  absl::Status Add(std::string_view pattern);

  PathPatterns patterns_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_GRAPH_EXCLUDE_PATTERNS_H_
