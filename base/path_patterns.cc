#include "base/path_patterns.h"

#include <absl/container/inlined_vector.h>

#include <algorithm>

namespace zlayer {

std::optional<size_t> PathPatterns::Decide(std::string_view path) const {
  struct Level {
    bool left_out = false;
    bool matches = false;  // the pattern at hand
  };
  absl::InlinedVector<Level, 16> levels(1 + std::count(path.begin(), path.end(), '/'));
  std::optional<size_t> decider;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const bool keeps = rules_[i].keeps;
    const auto counts = [keeps](const Level& level) { return level.left_out == keeps; };
    if (std::none_of(levels.begin(), levels.end(), counts)) {
      continue;
    }
    rules_[i].pattern.VisitMatches(path, [&levels](size_t level) {
      levels[level].matches = true;
      return true;
    });
    bool holds = false;
    for (Level& level : levels) {
      holds = holds || (level.matches && counts(level));
      level.left_out = holds ? !keeps : level.left_out;
      level.matches = false;
    }
    if (holds) {
      decider = i;
    }
  }
  return decider;
}

bool PathPatterns::MayKeepBelow(std::string_view directory, size_t rule) const {
  return std::any_of(rules_.begin() + static_cast<std::ptrdiff_t>(rule) + 1, rules_.end(),
                     [directory](const Rule& later) {
                       return later.keeps &&
                              (directory.empty() || later.pattern.MayMatchBelow(directory));
                     });
}

}  // namespace zlayer
