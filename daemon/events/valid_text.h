// Protobuf serializes a `string` that is not UTF-8, and then refuses to parse it. Texts that reach
// events may come from anywhere: paths, arguments, the words of a process.
#ifndef ZLAYER_DAEMON_EVENTS_VALID_TEXT_H_
#define ZLAYER_DAEMON_EVENTS_VALID_TEXT_H_

#include <google/protobuf/message.h>

namespace zlayer {

// Replaces what is not valid UTF-8 in every string field of the message, at any depth, by U+FFFD.
// Fields of bytes stay.
void MakeTextValid(google::protobuf::Message* message);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_EVENTS_VALID_TEXT_H_
