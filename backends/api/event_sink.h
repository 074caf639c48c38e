// Where a build reports what happens to it.
#ifndef ZLAYER_BACKENDS_API_EVENT_SINK_H_
#define ZLAYER_BACKENDS_API_EVENT_SINK_H_

#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Takes what happens during a build, in order. Thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // `event` has its kind set and nothing else: number, time and build id are added here.
  virtual void Emit(v1::BuildEvent event) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_API_EVENT_SINK_H_
