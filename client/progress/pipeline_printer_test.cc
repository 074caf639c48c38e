#include "client/progress/pipeline_printer.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/progress/pipeline_model.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::PipelineEvent Event(const std::string& text, int64_t seconds = 0) {
  v1::PipelineEvent event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
  event.set_pipeline_id("p-1");
  event.mutable_time()->set_seconds(seconds);
  return event;
}

v1::BuildEvent Build(const std::string& text) {
  v1::BuildEvent event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
  return event;
}

constexpr char kStarted[] =
    "started { images { name: 'a' state: PIPELINE_IMAGE_WAITING } images { name: 'long' state: "
    "PIPELINE_IMAGE_WAITING reason: 'waits for a' } }";

std::vector<v1::BuildEvent> Events() {
  return {
      Build("build_queued { attempt: 1 }"),
      Build("build_started {}"),
      Build("build_plan { stages { instructions: 'RUN make' instructions: 'RUN test' } }"),
      Build("instruction_started { instruction: 'RUN make' }"),
      Build("output { data: 'hello\\n' }"),
  };
}

TEST(PlainPipelinePrinterTest, EachLineNamesItsImage) {
  std::string shown;
  {
    auto printer = MakePlainPipelinePrinter([&shown](std::string_view text) { shown += text; });
    printer->Event(Event(kStarted));
    printer->Event(Event("image { name: 'a' state: PIPELINE_IMAGE_BUILDING build_id: 'b1' }"));
    for (const v1::BuildEvent& event : Events()) {
      printer->BuildEvent("a", event);
    }
    printer->Event(
        Event("image { name: 'a' state: PIPELINE_IMAGE_FAILED failure { error: 'no' } }"));
    printer->Event(
        Event("image { name: 'long' state: PIPELINE_IMAGE_SKIPPED reason: 'it needs \"a\", which "
              "failed' }"));
    printer->Event(Event("ended {}"));
  }
  EXPECT_EQ(shown,
            "pipeline p-1: 2 images\n"
            "a    | building (build b1)\n"
            "a    | #1 [1/2] RUN make\n"
            "a    | #1 0.000 hello\n"
            "a    | failed: no\n"
            "long | skipped: it needs \"a\", which failed\n");
}

TEST(PlainPipelinePrinterTest, NamesCannotSteerATerminal) {
  std::string shown;
  auto printer = MakePlainPipelinePrinter([&shown](std::string_view text) { shown += text; });
  printer->Event(
      Event("image { name: '\\033[2J' state: PIPELINE_IMAGE_FAILED failure { error: '\\033c' } }"));
  EXPECT_EQ(shown.find('\033'), std::string::npos);
}

TEST(JsonPipelinePrinterTest, EventsAreLines) {
  std::string shown;
  auto printer = MakeJsonPipelinePrinter([&shown](std::string_view text) { shown += text; });
  printer->Event(Event("ended {}"));
  printer->BuildEvent("a", Build("build_id: 'b1' build_canceled {}"));
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 2);
  EXPECT_NE(shown.find("\"pipeline_id\":\"p-1\""), std::string::npos) << shown;
  EXPECT_NE(shown.find("\"build_id\":\"b1\""), std::string::npos) << shown;
}

TEST(DescribeImageStateTest, WhatDidNotChangeSaysSo) {
  v1::PipelineImageStatus image;
  image.set_state(v1::PIPELINE_IMAGE_BUILT);
  image.set_seconds(3.2);
  EXPECT_EQ(DescribeImageState(image), "built in 3.2s");
  image.mutable_result()->set_unchanged(true);
  EXPECT_EQ(DescribeImageState(image), "unchanged");
}

class PipelineModelTest : public ::testing::Test {
 protected:
  std::vector<std::string> Lines(int64_t seconds, int height = 24) {
    View view;
    view.width = 40;
    view.height = height;
    view.unicode = true;
    view.now_ns = seconds * 1'000'000'000;
    return model_.Render(view);
  }
  std::vector<std::string> History() {
    View view;
    view.unicode = true;
    std::vector<std::string> lines;
    for (const Row& row : model_.TakeHistory()) {
      lines.push_back(row.Text(view));
    }
    return lines;
  }

  PipelineModel model_;
};

TEST_F(PipelineModelTest, ThereIsALineForEachImageThatHasNotEnded) {
  EXPECT_THAT(Lines(0), IsEmpty());
  model_.Event(Event(kStarted, 10));
  model_.Event(Event("image { name: 'a' state: PIPELINE_IMAGE_BUILDING build_id: 'b1' }", 11));
  EXPECT_THAT(Lines(13),
              ElementsAre("● a     in the queue               2.0s", "  long  waits for a",
                          "0 of 2 images, 1 at work            3.0s"));
  for (const v1::BuildEvent& event : Events()) {
    model_.BuildEvent("a", event);
  }
  EXPECT_THAT(Lines(13),
              ElementsAre("● a     1/2 RUN make               2.0s", "  long  waits for a",
                          "0 of 2 images, 1 at work            3.0s"));
  EXPECT_EQ(Lines(13, 3).size(), 2u);
  EXPECT_THAT(Lines(13, 1), IsEmpty());
  EXPECT_THAT(History(), IsEmpty());
}

TEST_F(PipelineModelTest, WhatEndedScrollsUpWithTheLastLinesOfAFailure) {
  model_.Event(Event(kStarted, 10));
  model_.Event(Event("image { name: 'a' state: PIPELINE_IMAGE_BUILDING build_id: 'b1' }", 11));
  for (const v1::BuildEvent& event : Events()) {
    model_.BuildEvent("a", event);
  }
  for (int i = 0; i < 30; ++i) {
    model_.BuildEvent("a", Build("output { data: 'line\\n' }"));
  }
  model_.Event(Event("image { name: 'a' state: PIPELINE_IMAGE_FAILED failure { error: 'no' } }"));
  std::vector<std::string> history = History();
  ASSERT_EQ(history.size(), 11u);
  EXPECT_EQ(history[0], "a | line");
  EXPECT_EQ(history[10], "✗ a failed: no");
  model_.Event(Event("image { name: 'long' state: PIPELINE_IMAGE_SKIPPED reason: 'so' }"));
  EXPECT_THAT(History(), ElementsAre("- long skipped: so"));
  model_.Event(Event("ended {}"));
  EXPECT_THAT(Lines(20), IsEmpty());
}

}  // namespace
}  // namespace zlayer
