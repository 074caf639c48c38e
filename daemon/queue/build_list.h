// Listings of builds: which ones, page by page. Pure functions; the queue runs the query.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_LIST_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_LIST_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The builds for which everything that is set holds.
struct BuildFilter {
  std::string name_space;           // empty: of all
  std::set<v1::BuildState> states;  // empty: in any
  std::string tag;                  // normalized; empty: any
  // Nanoseconds since 1970; at or after the first, before the second.
  int64_t created_from = 0;
  int64_t created_before = std::numeric_limits<int64_t>::max();
};

// The place of a build among all, newest first.
struct BuildPosition {
  int64_t created = 0;
  std::string id;
};

struct BuildListing {
  BuildFilter filter;
  std::optional<BuildPosition> after;  // the page begins behind it
  uint32_t limit = 100;
  // A page ends before the build that would make it larger, but has one.
  size_t max_bytes = std::numeric_limits<size_t>::max();
};

struct BuildPage {
  std::vector<v1::BuildStatus> builds;
  std::optional<BuildPosition> last;  // of the page, where more follow
};

// A position as text for clients, who are to give it back with the same filter.
std::string PageToken(const BuildFilter& filter, const BuildPosition& position);
// kInvalidArgument for what is no token, or one that was made with another filter.
absl::StatusOr<BuildPosition> ParsePageToken(const BuildFilter& filter, std::string_view token);

// Selects `created, id` of the builds behind a position, newest first, through indexes alone: rows
// that the filter leaves out are not looked at (with a tag: other rows of that tag are). Depends on
// the filter only in what is set, so that there are few statements to prepare. Parameters: 1 the
// namespace, 2 and 3 the position, 4 created_from, 5 the limit, and 6 the tag where there is one.
std::string ListSql(const BuildFilter& filter);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_LIST_H_
