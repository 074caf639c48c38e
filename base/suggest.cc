#include "base/suggest.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxName = 64;
// Of a list that is longer the rest is not compared: names of files come from anybody.
constexpr size_t kMaxCandidates = 200;

// Characters to insert, remove or replace, or neighbours to swap, to make one of the other.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before;
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row.back();
}

}  // namespace

std::string Nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kMaxName) {
    return "";
  }
  const std::string* best = nullptr;
  size_t best_distance = kMaxName;
  for (size_t i = 0; i < std::min(candidates.size(), kMaxCandidates); ++i) {
    const std::string& candidate = candidates[i];
    if (candidate.size() > 2 * kMaxName) {
      continue;
    }
    const size_t distance = Distance(ToLower(name), ToLower(candidate));
    if (distance < best_distance && distance * 3 <= candidate.size()) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : *best;
}

std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string best = Nearest(name, candidates);
  return best.empty() ? "" : "; did you mean " + best + "?";
}

}  // namespace zlayer
