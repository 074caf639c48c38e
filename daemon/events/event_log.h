// The events of builds: one append-only file each (`<builds>/<id>/events`; daemon/events/FORMAT.md
// has the bytes), and the watchers that follow them. An event is in the file before any watcher
// sees it.
#ifndef ZLAYER_DAEMON_EVENTS_EVENT_LOG_H_
#define ZLAYER_DAEMON_EVENTS_EVENT_LOG_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Whether an event of this kind ends a build.
bool IsTerminal(const v1::BuildEvent& event);

// Reads a build's events in order. Not thread-safe. Holds an open file and a position, no events.
// Must go before the EventLogs that made it.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // The next event that is in the log; false where there is none yet. After the terminal event
  // nothing comes any more. kDataLoss where the log is damaged there; kNotFound where the log was
  // removed and nothing is left to read of it.
  virtual absl::StatusOr<bool> Next(v1::BuildEvent* event) = 0;
  // False where Next would find nothing, as far as memory tells: reads no file and never waits.
  virtual bool MayHaveNext() const = 0;
};

// Thread-safe.
class EventLogs {
 public:
  virtual ~EventLogs() = default;

  // Adds the next event: fills in build id, sequence and time and appends it to the log, then wakes
  // the watchers. A terminal event is synced before this returns. An event after the terminal one
  // is dropped (kFailedPrecondition). The build's log is made by its first event. Returns the event
  // as written: text that is not UTF-8 has U+FFFD in its place. After an error nothing of the event
  // is in the log. Errors: kInvalidArgument (ids are [a-z0-9-], up to 64), kResourceExhausted (over
  // 4 MiB, or no space), kDataLoss (damaged log, see Last).
  virtual absl::StatusOr<v1::BuildEvent> Append(const std::string& build_id,
                                                v1::BuildEvent event) = 0;

  // Makes the log where it does not exist yet, or has no event, with this first one, whose time is
  // kept. Returns the log's last event, which is `first` only where the log was empty: of several
  // callers one writes it. Leaves nothing open. Errors as Append and Last.
  virtual absl::StatusOr<v1::BuildEvent> Begin(const std::string& build_id,
                                               v1::BuildEvent first) = 0;

  // The last complete event of the log (with sequence 0 where the log is empty or missing). After a
  // crash the torn tail is cut first; other damage is kDataLoss, and nothing is changed.
  virtual absl::StatusOr<v1::BuildEvent> Last(const std::string& build_id) = 0;

  // Reads from the first event whose sequence is greater than `after`. A log that does not exist
  // yet reads as empty.
  virtual absl::StatusOr<std::unique_ptr<EventReader>> Read(const std::string& build_id,
                                                            uint64_t after) = 0;

  // A registration ends when the object goes, before the EventLogs do; no call is under way after
  // that. The thread that destroys it holds no lock that `wake` takes.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  // Calls `wake` after each event of the build that is appended from now on (at least once; several
  // events may share one call), and when the log is removed. `wake` must be quick, must not block, and must not call back here.
  virtual std::unique_ptr<Subscription> Subscribe(const std::string& build_id,
                                                  std::function<void()> wake) = 0;

  // The builds that somebody is subscribed to, in no order.
  virtual std::vector<std::string> Watched() = 0;

  // All builds that have a log, in no order. Takes as long as reading a directory.
  virtual absl::StatusOr<std::vector<std::string>> Ids() = 0;

  // Removes a build's log, for good: ids are not used again. Readers that have it open go on.
  virtual absl::Status Remove(const std::string& build_id) = 0;

  // The build runs no more: closes what is open for appending. Watchers go on.
  virtual void Close(const std::string& build_id) = 0;
};

// Logs in `directory`, which exists. `clock` must outlive the object.
std::unique_ptr<EventLogs> OpenEventLogs(const std::string& directory, const Clock* clock);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_EVENTS_EVENT_LOG_H_
