// Ids of builds and pipelines.
#ifndef ZLAYER_DAEMON_QUEUE_NEW_ID_H_
#define ZLAYER_DAEMON_QUEUE_NEW_ID_H_

#include <cstdint>
#include <string>

namespace zlayer {

// 14 lower-case letters and digits that sort by time; what is random in it keeps those of one
// millisecond apart.
std::string NewId(int64_t now_ns);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_NEW_ID_H_
