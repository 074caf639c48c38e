#include "daemon/service/event_stream.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "daemon/service/followed_stream.h"

namespace zlayer {
namespace {

absl::StatusOr<Feed<v1::BuildEvent>> OpenFeed(EventLogs* logs, const WatchPosition& position,
                                              std::function<void()> wake) {
  Feed<v1::BuildEvent> feed;
  feed.after = position.after;
  feed.follow = position.follow;
  feed.subscription = logs->Subscribe(position.build_id, std::move(wake));
  if (position.subscribed) {
    RETURN_IF_ERROR(position.subscribed());
  }
  ASSIGN_OR_RETURN(v1::BuildEvent last, logs->Last(position.build_id));
  feed.ended = IsTerminal(last) && last.sequence() <= feed.after;
  // A log that lost its newest events to a power failure is shorter than what the client saw.
  ASSIGN_OR_RETURN(std::shared_ptr<EventReader> reader,
                   logs->Read(position.build_id, std::min(feed.after, last.sequence())));
  feed.may_have_next = [reader = reader.get()] { return reader->MayHaveNext(); };
  feed.next = [reader = std::move(reader)](v1::BuildEvent* event) { return reader->Next(event); };
  feed.is_last = IsTerminal;
  return feed;
}

}  // namespace

grpc::ServerWriteReactor<v1::BuildEvent>* StreamEvents(
    const CallHost& host, EventLogs* logs, std::function<absl::StatusOr<WatchPosition>()> start) {
  return new FollowedStream<v1::BuildEvent>(
      host,
      [logs, start = std::move(start)](
          std::function<void()> wake) -> absl::StatusOr<Feed<v1::BuildEvent>> {
        ASSIGN_OR_RETURN(const WatchPosition position, start());
        return OpenFeed(logs, position, std::move(wake));
      });
}

}  // namespace zlayer
