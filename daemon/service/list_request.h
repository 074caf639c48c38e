// ListBuilds of the API as a listing of the queue.
#ifndef ZLAYER_DAEMON_SERVICE_LIST_REQUEST_H_
#define ZLAYER_DAEMON_SERVICE_LIST_REQUEST_H_

#include <absl/status/statusor.h>

#include "daemon/queue/build_list.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// kInvalidArgument (reason INVALID_OPTION, subject the field) for a filter that cannot be, and a
// page token that is none, or is of other filters. A page fits one message.
absl::StatusOr<BuildListing> ToListing(const v1::ListBuildsRequest& request);

// The page with the token of the next one.
v1::ListBuildsResponse ToResponse(const BuildFilter& filter, BuildPage page);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_LIST_REQUEST_H_
