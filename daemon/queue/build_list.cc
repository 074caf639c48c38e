#include "daemon/queue/build_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/digest.h"
#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// A token: the position's time in hex, enough of the filter's digest to tell filters apart, the id.
constexpr size_t kTimeDigits = 16;
constexpr size_t kFilterDigits = 16;
constexpr size_t kMaxIdBytes = 64;

std::string FilterDigits(const BuildFilter& filter) {
  std::string text = fmt::format("{}\n{}\n{}\n{}\n", filter.name_space, filter.tag,
                                 filter.created_from, filter.created_before);
  for (v1::BuildState state : filter.states) {
    text += fmt::format("{}\n", static_cast<int>(state));
  }
  return Digest::Of(text).Hex().substr(0, kFilterDigits);
}

std::vector<v1::BuildState> StatesOf(const BuildFilter& filter) {
  if (filter.states.empty()) {
    return {v1::QUEUED, v1::RUNNING, v1::SUCCEEDED, v1::FAILED, v1::CANCELED};
  }
  return {filter.states.begin(), filter.states.end()};
}

std::string TagSql(const BuildFilter& filter) {
  std::vector<std::string> states;
  for (v1::BuildState state : StatesOf(filter)) {
    states.push_back(std::to_string(state));
  }
  return fmt::format(
      "SELECT t.created, t.build FROM build_tags t CROSS JOIN builds b ON b.id = t.build "
      "WHERE t.tag = ?6 AND (t.created, t.build) < (?2, ?3) AND t.created >= ?4 "
      "AND (?1 = '' OR b.namespace = ?1) AND b.state IN ({}) "
      "ORDER BY t.created DESC, t.build DESC LIMIT ?5",
      Join(states, ", "));
}

}  // namespace

std::string PageToken(const BuildFilter& filter, const BuildPosition& position) {
  return fmt::format("{:016x}{}{}", static_cast<uint64_t>(position.created), FilterDigits(filter),
                     position.id);
}

absl::StatusOr<BuildPosition> ParsePageToken(const BuildFilter& filter, std::string_view token) {
  constexpr size_t kHeader = kTimeDigits + kFilterDigits;
  const bool clean = std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  uint64_t created = 0;
  if (!clean || token.size() <= kHeader || token.size() > kHeader + kMaxIdBytes ||
      std::from_chars(token.data(), token.data() + kTimeDigits, created, 16).ptr !=
          token.data() + kTimeDigits ||
      created > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return InvalidArgument("this is not the next_page_token of a page");
  }
  if (token.substr(kTimeDigits, kFilterDigits) != FilterDigits(filter)) {
    return InvalidArgument("it is of a listing with other filters; begin anew");
  }
  return BuildPosition{static_cast<int64_t>(created), std::string(token.substr(kHeader))};
}

// Each state has its part of an index in order, and SQLite merges the parts.
std::string ListSql(const BuildFilter& filter) {
  if (!filter.tag.empty()) {
    return TagSql(filter);
  }
  std::vector<std::string> selects;
  for (v1::BuildState state : StatesOf(filter)) {
    selects.push_back(fmt::format(
        "SELECT created, id FROM builds WHERE {}state = {} AND (created, id) < (?2, ?3) "
        "AND created >= ?4",
        filter.name_space.empty() ? "" : "namespace = ?1 AND ", static_cast<int>(state)));
  }
  return Join(selects, " UNION ALL ") + " ORDER BY 1 DESC, 2 DESC LIMIT ?5";
}

}  // namespace zlayer
