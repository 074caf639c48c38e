#include "base/suggest.h"

#include <algorithm>
#include <cstddef>

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxName = 64;

// Characters to insert, remove or replace to make one of the other.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kMaxName) {
    return "";
  }
  const std::string* best = nullptr;
  size_t best_distance = kMaxName;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(ToLower(name), ToLower(candidate));
    if (distance < best_distance && distance * 3 <= candidate.size()) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : "; did you mean " + *best + "?";
}

}  // namespace zlayer
