#include "client/cli/trace_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace zlayer {
namespace {

using Json = nlohmann::json;

v1::Span MakeSpan(const std::string& name, int64_t begin_ns, int64_t duration_ns, uint32_t lane) {
  v1::Span span;
  span.set_name(name);
  span.mutable_begin()->set_seconds(1'700'000'000);
  span.mutable_begin()->set_nanos(static_cast<int32_t>(begin_ns));
  span.mutable_duration()->set_nanos(static_cast<int32_t>(duration_ns));
  span.set_lane(lane);
  return span;
}

TEST(TraceJsonTest, SpansAreCompleteEvents) {
  v1::Span run = MakeSpan("runtime", 2'000'500, 1'000, 3);
  run.set_subject("RUN echo \"a\"\n");
  const Json trace = Json::parse(TraceJson(
      "b1", {run, MakeSpan("index", 2'000'000, 1'000, 3), MakeSpan("step", 2'000'000, 9'000'000, 3),
             MakeSpan("queue", 1'000'000, 1'000'000, 0)}));
  const Json& events = trace["traceEvents"];
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0]["ph"], "M");
  EXPECT_EQ(events[0]["args"]["name"], "build b1");
  std::string order;
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["ph"], "X");
    order += events[i]["name"].get<std::string>() + " ";
  }
  EXPECT_EQ(order, "queue step index runtime ");
  EXPECT_EQ(events[1]["ts"], 0.0);
  EXPECT_EQ(events[2]["ts"], 1000.0);
  EXPECT_EQ(events[2]["dur"], 9000.0);
  EXPECT_EQ(events[4]["ts"], 1000.5);
  EXPECT_EQ(events[4]["tid"], 3);
  EXPECT_EQ(events[4]["args"]["subject"], "RUN echo \"a\"\n");
  EXPECT_EQ(trace["otherData"]["begin"], "2023-11-14T22:13:20.001Z");
}

TEST(TraceJsonTest, ABuildThatDidNothingYetIsADocumentToo) {
  EXPECT_EQ(Json::parse(TraceJson("b1", {}))["traceEvents"].size(), 1u);
}

}  // namespace
}  // namespace zlayer
