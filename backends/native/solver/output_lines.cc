#include "backends/native/solver/output_lines.h"

#include <algorithm>

namespace zlayer {

void OutputLines::Add(std::string_view data) {
  while (!data.empty()) {
    const size_t newline = data.find('\n');
    const bool ends = newline != std::string_view::npos;
    const size_t wanted = ends ? newline + 1 : data.size();
    const size_t taken = std::min(wanted, kMaxLine - pending_.size());
    pending_.append(data.substr(0, taken));
    data.remove_prefix(taken);
    if (ends && taken == wanted) {
      sink_(pending_, false);
      pending_.clear();
    } else if (pending_.size() == kMaxLine) {
      sink_(pending_, true);
      pending_.clear();
    }
  }
}

void OutputLines::Finish() {
  if (!pending_.empty()) {
    sink_(pending_, false);
    pending_.clear();
  }
}

}  // namespace zlayer
