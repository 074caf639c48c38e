// How amounts, times and messages are written for people and programs.
#ifndef ZLAYER_CLIENT_PROGRESS_TEXT_H_
#define ZLAYER_CLIENT_PROGRESS_TEXT_H_

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <map>
#include <string>

#include "zlayer/v1/events.pb.h"

namespace zlayer {

// "17 B", "4.2 kB", "12.0 MB": powers of 1000.
std::string FormatSize(uint64_t bytes);

// "2026-11-21 01:22:33" in UTC, or "-" where it is not set.
std::string FormatTimestamp(const google::protobuf::Timestamp& time);

// Seconds from one to the other.
double SecondsBetween(const google::protobuf::Timestamp& from,
                      const google::protobuf::Timestamp& to);

// What a stage is called: its name, in front of it the nested build that it is of ("deps: build",
// of a stage without a name "deps"); empty where it has neither.
std::string StageTitle(const std::string& build, const std::string& name);

// Where an instruction stands among the planned stages, by their indexes: "build 2/5", of the only
// stage without a name "2/5"; "2" where it was not planned.
std::string StepPlace(const std::map<uint32_t, v1::PlannedStage>& stages, uint32_t stage,
                      uint32_t index);

// One line of JSON without newline: names as in the .proto files, fields at their defaults
// included, bytes in base64.
std::string ToJson(const google::protobuf::Message& message);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_TEXT_H_
