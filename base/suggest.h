// "Did you mean ...?" for names that are not known.
#ifndef ZLAYER_BASE_SUGGEST_H_
#define ZLAYER_BASE_SUGGEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// The candidate that differs least from `name`, case aside, where it differs in at most a third of
// its characters; else nothing.
std::string Nearest(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean CANDIDATE?" for the nearest one; else nothing.
std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace zlayer

#endif  // ZLAYER_BASE_SUGGEST_H_
