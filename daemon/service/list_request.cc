#include "daemon/service/list_request.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/service/request_check.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1'000;
// Below gRPC's 4 MiB for a message.
constexpr size_t kMaxBytes = size_t{3} << 20;
// 2262-04-11: what nanoseconds in 64 bits reach.
constexpr int64_t kMaxSeconds = 9'223'372'035;

absl::StatusOr<int64_t> TimeOf(std::string_view field, const Timestamp& time) {
  if (time.seconds() < 0 || time.seconds() > kMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return InvalidOption(field, "it is not a time from 1970 to 2262");
  }
  return TimeUtil::TimestampToNanoseconds(time);
}

absl::Status AddStates(const v1::ListBuildsRequest& request, BuildFilter* filter) {
  for (int state : request.states()) {
    if (state == v1::BUILD_STATE_UNSPECIFIED || !v1::BuildState_IsValid(state)) {
      return InvalidOption("states", fmt::format("{} is not a state of builds", state));
    }
    filter->states.insert(static_cast<v1::BuildState>(state));
  }
  return absl::OkStatus();
}

absl::StatusOr<BuildFilter> FilterOf(const v1::ListBuildsRequest& request) {
  BuildFilter filter;
  if (!request.namespace_().empty()) {
    ASSIGN_OR_RETURN(filter.name_space, NamespaceOf(request.namespace_()));
  }
  RETURN_IF_ERROR(AddStates(request, &filter));
  if (!request.tag().empty()) {
    absl::StatusOr<Reference> tag = Reference::Parse(request.tag());
    if (!tag.ok()) {
      return InvalidOption("tag", Message(tag.status()));
    }
    filter.tag = tag->Normalized();
  }
  if (request.has_created_from()) {
    ASSIGN_OR_RETURN(filter.created_from, TimeOf("created_from", request.created_from()));
  }
  if (request.has_created_before()) {
    ASSIGN_OR_RETURN(filter.created_before, TimeOf("created_before", request.created_before()));
  }
  return filter;
}

}  // namespace

absl::StatusOr<BuildListing> ToListing(const v1::ListBuildsRequest& request) {
  BuildListing listing;
  ASSIGN_OR_RETURN(listing.filter, FilterOf(request));
  if (!request.page_token().empty()) {
    absl::StatusOr<BuildPosition> after = ParsePageToken(listing.filter, request.page_token());
    if (!after.ok()) {
      return InvalidOption("page_token", Message(after.status()));
    }
    listing.after = *std::move(after);
  }
  listing.limit = request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  listing.max_bytes = kMaxBytes;
  return listing;
}

v1::ListBuildsResponse ToResponse(const BuildFilter& filter, BuildPage page) {
  v1::ListBuildsResponse response;
  for (v1::BuildStatus& build : page.builds) {
    *response.add_builds() = std::move(build);
  }
  if (page.last.has_value()) {
    response.set_next_page_token(PageToken(filter, *page.last));
  }
  return response;
}

}  // namespace zlayer
