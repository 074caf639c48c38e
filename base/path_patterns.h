// A list of patterns that leave out, and with '!' keep, with the rules of moby/patternmatcher.
#ifndef ZLAYER_BASE_PATH_PATTERNS_H_
#define ZLAYER_BASE_PATH_PATTERNS_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/path_pattern.h"

namespace zlayer {

// What matches a directory holds for all that is in it, and of the patterns that match, the last
// one decides. But a pattern that could change nothing for a directory (one with '!' where it is
// kept anyway, one without where it is left out) is not asked there, and then does not hold below:
// of
// "**/*.o" and "!dir" dir/x.o is left out. Constant between calls of Add; thread-safe then.
class PathPatterns {
 public:
  void Add(PathPattern pattern, bool keeps) { rules_.push_back({std::move(pattern), keeps}); }

  size_t size() const { return rules_.size(); }
  bool keeps(size_t rule) const { return rules_[rule].keeps; }

  // The pattern, by its number from 0, that decides about a clean relative path; nullopt where none
  // does: it is kept.
  std::optional<size_t> Decide(std::string_view path) const;

  bool LeavesOut(std::string_view path) const {
    const std::optional<size_t> rule = Decide(path);
    return rule.has_value() && !keeps(*rule);
  }

  // Whether a pattern behind `rule` may keep something strictly below `directory` (all: "").
  bool MayKeepBelow(std::string_view directory, size_t rule) const;

 private:
  struct Rule {
    PathPattern pattern;
    bool keeps = false;
  };

  std::vector<Rule> rules_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_PATH_PATTERNS_H_
