// Follows a build to its end, over broken streams and restarts of the daemon.
#ifndef ZLAYER_CLIENT_LIB_BUILD_FOLLOWER_H_
#define ZLAYER_CLIENT_LIB_BUILD_FOLLOWER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <stop_token>

#include "client/lib/connection.h"
#include "client/lib/stream_retry.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Gets each event once, in order, on the caller's thread. Those without a sequence number
// (BuildWaiting) are not in the build's log and come whenever the daemon sends them.
using EventHandler = std::function<void(const v1::BuildEvent&)>;

// Submits a build and returns its terminal event. When the stream breaks, goes on with WatchBuild
// after the last event. Before the first event it is not known whether the daemon took the build:
// then the same request is sent again if it has an idempotency key, and else the error returned.
// kUnavailable: the daemon did not come back in time. kCancelled once `stop` is requested, which
// cancels no build.
absl::StatusOr<v1::BuildEvent> SubmitAndFollow(Connection& connection,
                                               const v1::SubmitBuildRequest& request,
                                               const EventHandler& handler,
                                               const FollowOptions& options, std::stop_token stop);

// The same for a build that exists, from `request.after_sequence` on. Nullopt where `no_follow` is
// set and the build has not ended.
absl::StatusOr<std::optional<v1::BuildEvent>> FollowBuild(Connection& connection,
                                                          const v1::WatchBuildRequest& request,
                                                          const EventHandler& handler,
                                                          const FollowOptions& options,
                                                          std::stop_token stop);

// OK for BuildComplete, else why there is no image: kFailedPrecondition or kCancelled, never a
// status that means "no daemon".
absl::Status OutcomeOf(const v1::BuildEvent& terminal);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_BUILD_FOLLOWER_H_
