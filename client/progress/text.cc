#include "client/progress/text.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <ctime>

namespace zlayer {

std::string FormatSize(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatTimestamp(const google::protobuf::Timestamp& time) {
  std::time_t seconds = time.seconds();
  std::tm parts = {};
  if ((seconds == 0 && time.nanos() == 0) || gmtime_r(&seconds, &parts) == nullptr) {
    return "-";
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

double SecondsBetween(const google::protobuf::Timestamp& from,
                      const google::protobuf::Timestamp& to) {
  return static_cast<double>(to.seconds() - from.seconds()) +
         static_cast<double>(to.nanos() - from.nanos()) * 1e-9;
}

std::string StageTitle(const std::string& build, const std::string& name) {
  return build.empty() || name.empty() ? build + name : build + ": " + name;
}

std::string StepPlace(const std::map<uint32_t, v1::PlannedStage>& stages, uint32_t stage,
                      uint32_t index) {
  const auto planned = stages.find(stage);
  if (planned == stages.end()) {
    return fmt::format("{}", index + 1);
  }
  std::string name = StageTitle(planned->second.build(), planned->second.name());
  if (name.empty() && stages.size() > 1) {
    name = fmt::format("stage-{}", stage);
  }
  return fmt::format("{}{}{}/{}", name, name.empty() ? "" : " ", index + 1,
                     planned->second.instructions_size());
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    return "{}";
  }
  return json;
}

}  // namespace zlayer
