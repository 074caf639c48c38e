#include "client/cli/trace_json.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/clock.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;
using Json = nlohmann::ordered_json;

constexpr int kProcess = 1;

int64_t BeginNs(const v1::Span& span) { return TimeUtil::TimestampToNanoseconds(span.begin()); }

int64_t DurationNs(const v1::Span& span) {
  return TimeUtil::DurationToNanoseconds(span.duration());
}

// One that holds others comes before them.
bool ComesBefore(const v1::Span& a, const v1::Span& b) {
  return std::make_tuple(BeginNs(a), -DurationNs(a)) < std::make_tuple(BeginNs(b), -DurationNs(b));
}

Json Event(const v1::Span& span, int64_t first_ns) {
  Json event = {{"name", span.name()},
                {"cat", "build"},
                {"ph", "X"},
                {"ts", static_cast<double>(BeginNs(span) - first_ns) / 1e3},
                {"dur", static_cast<double>(DurationNs(span)) / 1e3},
                {"pid", kProcess},
                {"tid", span.lane()}};
  if (!span.subject().empty()) {
    event["args"] = {{"subject", span.subject()}};
  }
  return event;
}

}  // namespace

std::string TraceJson(std::string_view build_id, std::vector<v1::Span> spans) {
  std::stable_sort(spans.begin(), spans.end(), ComesBefore);
  const int64_t first_ns = spans.empty() ? 0 : BeginNs(spans.front());
  const std::string process = "build " + std::string(build_id);
  std::string json =
      R"({"displayTimeUnit":"ms","otherData":)" + Json({{"begin", FormatTime(first_ns)}}).dump() +
      ",\"traceEvents\":[\n" +
      Json(
          {{"name", "process_name"}, {"ph", "M"}, {"pid", kProcess}, {"args", {{"name", process}}}})
          .dump();
  for (const v1::Span& span : spans) {
    json += ",\n" + Event(span, first_ns).dump();
  }
  return json + "\n]}\n";
}

}  // namespace zlayer
