#include "client/progress/printer.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/progress/text.h"

namespace zlayer {
namespace {

class PrinterTest : public ::testing::Test {
 protected:
  LineSink Sink() {
    return [this](std::string_view text) {
      EXPECT_TRUE(text.ends_with('\n'));
      shown_.append(text);
    };
  }

  // An event from its text form, `ms` milliseconds after the begin.
  static v1::BuildEvent Event(int ms, const std::string& text) {
    v1::BuildEvent event;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
    event.set_build_id("b1");
    event.mutable_time()->set_seconds(1'000 + ms / 1000);
    event.mutable_time()->set_nanos(ms % 1000 * 1'000'000);
    return event;
  }

  std::string shown_;
};

class PlainPrinterTest : public PrinterTest {
 protected:
  PlainPrinterTest() : printer_(MakePlainPrinter(Sink())) {}

  void Feed(int ms, const std::string& text) { printer_->Event(Event(ms, text)); }
  // What was shown since the last call.
  std::string Shown() { return std::exchange(shown_, {}); }
  void Plan() {
    Feed(0,
         "build_plan {stages {index: 0 name: 'build' instructions: 'RUN make'"
         " instructions: 'RUN test'}"
         " stages {index: 2 instructions: 'COPY a b'}}");
  }

  std::unique_ptr<ProgressPrinter> printer_;
};

TEST_F(PlainPrinterTest, ShowsAStepFromBeginToEnd) {
  Plan();
  Feed(1000, "instruction_started {stage: 0 index: 1 instruction: 'RUN test'}");
  EXPECT_EQ(Shown(), "#1 [build 2/2] RUN test\n");
  Feed(1124, "output {stage: 0 index: 1 data: 'one\\n'}");
  EXPECT_EQ(Shown(), "#1 0.124 one\n");
  Feed(13500, "output {stage: 0 index: 1 data: '\\n' is_stderr: true}");
  EXPECT_EQ(Shown(), "#1 12.500 \n");
  Feed(14000, "instruction_complete {stage: 0 index: 1 seconds: 0.44}");
  EXPECT_EQ(Shown(), "#1 DONE 0.4s\n");
}

TEST_F(PlainPrinterTest, ShowsWhatIsCached) {
  Plan();
  Feed(0, "instruction_started {stage: 2 index: 0 instruction: 'COPY a b'}");
  Feed(0, "instruction_complete {stage: 2 index: 0 cached: true}");
  EXPECT_EQ(Shown(), "#1 [stage-2 1/1] COPY a b\n#1 CACHED\n");
}

TEST_F(PlainPrinterTest, AStepThatNeverStartedHasItsTextFromThePlan) {
  Plan();
  Feed(0, "instruction_complete {stage: 0 index: 0 cached: true}");
  Feed(0, "instruction_complete {stage: 9 index: 9 cached: true}");
  EXPECT_EQ(Shown(), "#1 [build 1/2] RUN make\n#1 CACHED\n#2 [10] step\n#2 CACHED\n");
}

TEST_F(PlainPrinterTest, TheOnlyStageNeedsNoName) {
  Feed(0, "build_plan {stages {index: 0 instructions: 'RUN a'}}");
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN a'}");
  EXPECT_EQ(Shown(), "#1 [1/1] RUN a\n");
}

TEST_F(PlainPrinterTest, ParallelStepsMixLineByLine) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Feed(0, "instruction_started {stage: 2 index: 0 instruction: 'COPY a b'}");
  Shown();
  Feed(10, "output {stage: 2 index: 0 data: 'copy\\n'}");
  Feed(20, "output {stage: 0 index: 0 data: 'make\\n'}");
  Feed(30, "instruction_complete {stage: 2 index: 0 seconds: 2}");
  EXPECT_EQ(Shown(), "#2 0.010 copy\n#1 0.020 make\n#2 DONE 2.0s\n");
}

TEST_F(PlainPrinterTest, ShowsAttempts) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Feed(10, "output {stage: 0 index: 0 data: 'half' partial: true}");
  Feed(20,
       "instruction_retried {stage: 0 index: 0 attempt: 2 attempts: 4 pause_seconds: 3"
       " reason: 'it exited with code 1'}");
  Feed(20, "instruction_retried {stage: 9 index: 0}");
  EXPECT_EQ(Shown(),
            "#1 [build 1/2] RUN make\n#1 0.020 half\n"
            "#1 attempt 2 of 4 begins in 3 s: it exited with code 1\n");
}

TEST_F(PlainPrinterTest, SaysWhatIsUnchanged) {
  Feed(0, "build_complete {image_id: 'i' manifest_digest: 'm' unchanged: true}");
  EXPECT_EQ(Shown(),
            "unchanged: the image was made from the same sources before\n"
            "image i\nmanifest m\n0 layers, 0 B, 0.0s\n");
}

TEST_F(PlainPrinterTest, PartsOfALineAreJoinedByStream) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Shown();
  Feed(1, "output {stage: 0 index: 0 data: 'ab' partial: true}");
  Feed(1, "output {stage: 0 index: 0 data: 'err\\n' is_stderr: true}");
  Feed(2, "output {stage: 0 index: 0 data: 'cd\\n'}");
  EXPECT_EQ(Shown(), "#1 0.001 err\n#1 0.002 abcd\n");
  Feed(3, "output {stage: 0 index: 0 data: 'no newline' partial: true}");
  EXPECT_EQ(Shown(), "");
  Feed(4, "instruction_complete {stage: 0 index: 0}");
  EXPECT_EQ(Shown(), "#1 0.004 no newline\n#1 DONE 0.0s\n");
}

TEST_F(PlainPrinterTest, ALineWithoutEndIsShownInPieces) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Shown();
  v1::BuildEvent event = Event(1, "output {stage: 0 index: 0 partial: true}");
  event.mutable_output()->set_data(std::string(600'000, 'x'));
  printer_->Event(event);
  EXPECT_EQ(Shown(), "");
  printer_->Event(event);
  EXPECT_EQ(Shown().size(), 1'200'000 + std::string("#1 0.001 \n").size());
}

TEST_F(PlainPrinterTest, OutputIsShownByteForByte) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Shown();
  Feed(0, "output {stage: 0 index: 0 data: '\\033[31mred\\xff\\r\\n'}");
  EXPECT_EQ(Shown(), "#1 0.000 \033[31mred\xff\r\n");
}

TEST_F(PlainPrinterTest, AFailureEndsTheStepsThatRan) {
  Plan();
  Feed(0,
       "instruction_started {stage: 0 index: 0 instruction: 'RUN make'"
       " source {file: 'D' first_line: 3}}");
  Feed(0,
       "instruction_started {stage: 2 index: 0 instruction: 'COPY a b'"
       " source {file: 'D' first_line: 7}}");
  Feed(0, "output {stage: 2 index: 0 data: 'half' partial: true}");
  Shown();
  Feed(0, "build_failed {error: 'D:7: no' detail {source {file: 'D' first_line: 7}}}");
  EXPECT_EQ(Shown(), "#2 0.000 half\n#2 ERROR\n#1 CANCELED\n");
}

TEST_F(PlainPrinterTest, ReasonsAreShownWhereTheyAreWanted) {
  printer_ = MakePlainPrinter(Sink(), /*explain=*/true);
  Plan();
  const auto start = [this](int stage, int line) {
    Feed(0, "instruction_started {stage: " + std::to_string(stage) +
                " index: 0 instruction: 'X' source {file: 'D' first_line: " + std::to_string(line) +
                "}}");
    Feed(0, "instruction_missed {stage: " + std::to_string(stage) +
                " index: 0 reason: 'miss: file \\033[31ma\\nb changed'}");
  };
  start(0, 2);
  Shown();
  Feed(0, "instruction_complete {stage: 0 index: 0 reason: 'miss: file \\033[31ma\\nb changed'}");
  EXPECT_EQ(Shown(), "#1 DONE 0.0s (miss: file a b changed)\n");
  start(0, 2);
  start(2, 9);
  Shown();
  Feed(0, "build_failed {detail {source {file: 'D' first_line: 2}}}");
  EXPECT_EQ(Shown(), "#2 ERROR (miss: file a b changed)\n#3 CANCELED (miss: file a b changed)\n");
}

TEST_F(PlainPrinterTest, AFailureWithoutAPlaceIsEveryones) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Shown();
  Feed(0, "build_failed {error: 'disk full'}");
  EXPECT_EQ(Shown(), "#1 ERROR\n");
}

TEST_F(PlainPrinterTest, CancelingAndRestartsAreShown) {
  Plan();
  Feed(0, "build_queued {attempt: 1}");
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Feed(0, "build_queued {attempt: 2}");
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'RUN make'}");
  Feed(0, "build_canceled {}");
  EXPECT_EQ(Shown(),
            "build b1\n"
            "#1 [build 1/2] RUN make\n"
            "#1 INTERRUPTED\n"
            "build b1: the daemon was restarted, attempt 2\n"
            "#2 [build 1/2] RUN make\n"
            "#2 CANCELED\n");
}

TEST_F(PlainPrinterTest, WaitsAreShownWithTheirReason) {
  Feed(0, "build_waiting {position: 2 reason: '4 builds run'}");
  Feed(0, "build_waiting {position: 1 reason: '4 builds run'}");
  Feed(0, "build_waiting {reason: 'the disk is full'}");
  EXPECT_EQ(Shown(),
            "waiting: 2 builds before this one: 4 builds run\n"
            "waiting: 1 build before this one: 4 builds run\n"
            "waiting: the disk is full\n");
}

TEST_F(PlainPrinterTest, TheResultComesLast) {
  Feed(0,
       "build_complete {image_id: 'sha256:i' manifest_digest: 'sha256:m' tags: 'a:1' tags: 'b:2'"
       " layer_count: 3 size_bytes: 12345678 seconds: 4.25}");
  EXPECT_EQ(Shown(),
            "image sha256:i\nmanifest sha256:m\ntag a:1\ntag b:2\n3 layers, 12.3 MB, 4.2s\n");
}

TEST_F(PlainPrinterTest, WarningsNameTheirPlace) {
  Feed(0,
       "warning {rule: 'UnknownDirective' message: 'what is this'"
       " source {file: 'Dockerfile' first_line: 1}}");
  Feed(0, "warning {rule: 'R' message: 'm'}");
  EXPECT_EQ(Shown(), "WARNING: Dockerfile:1: what is this (UnknownDirective)\nWARNING: m (R)\n");
}

TEST_F(PlainPrinterTest, TransfersAreShownOnceComplete) {
  Plan();
  Feed(0, "instruction_started {stage: 0 index: 0 instruction: 'ADD x'}");
  Shown();
  Feed(0, "progress {stage: 0 index: 0 item: 'https://x' bytes_done: 10}");
  Feed(0, "progress {stage: 0 index: 0 item: 'https://x' bytes_done: 1500 complete: true}");
  EXPECT_EQ(Shown(), "#1 https://x 1.5 kB\n");
}

TEST_F(PlainPrinterTest, ContextsAreShownAsTheyArrive) {
  v1::ContextReady ready;
  ready.set_files_selected(2);
  ready.set_bytes_selected(1500);
  ready.set_bytes_received(20);
  printer_->ContextSent("", ready);
  printer_->ContextSent("lib", ready);
  EXPECT_EQ(Shown(),
            "context: 2 files, 1.5 kB, of which 20 B sent\n"
            "context lib: 2 files, 1.5 kB, of which 20 B sent\n");
}

TEST_F(PrinterTest, JsonIsOneEventALine) {
  auto printer = MakeJsonPrinter(Sink());
  printer->Event(Event(0, "sequence: 1 output {stage: 0 index: 1 data: 'a\\nb'}"));
  printer->Event(Event(0, "sequence: 2 build_complete {image_id: 'i'}"));
  size_t newline = shown_.find('\n');
  ASSERT_EQ(std::count(shown_.begin(), shown_.end(), '\n'), 2);
  v1::BuildEvent back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(shown_.substr(0, newline), &back).ok());
  EXPECT_EQ(back.output().data(), "a\nb");
  EXPECT_NE(shown_.find("\"image_id\":\"i\""), std::string::npos);
}

TEST_F(PrinterTest, JsonAlwaysSaysWhetherAStepWasCached) {
  auto printer = MakeJsonPrinter(Sink());
  printer->Event(Event(0, "instruction_complete {stage: 0 index: 1}"));
  EXPECT_NE(shown_.find("\"cached\":false"), std::string::npos) << shown_;
  EXPECT_NE(shown_.find("\"stage\":0"), std::string::npos) << shown_;
  printer->Event(Event(0, "instruction_complete {cached: true}"));
  EXPECT_NE(shown_.find("\"cached\":true"), std::string::npos) << shown_;
}

TEST_F(PrinterTest, QuietShowsOnlyTheImage) {
  auto printer = MakeQuietPrinter(Sink());
  printer->ContextSent("", v1::ContextReady());
  printer->Event(Event(0, "output {data: 'x'}"));
  printer->Event(Event(0, "build_complete {image_id: 'sha256:i' tags: 't'}"));
  EXPECT_EQ(shown_, "sha256:i\n");
}

TEST(FormatSizeTest, RoundsToOneDigit) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(999), "999 B");
  EXPECT_EQ(FormatSize(1000), "1.0 kB");
  EXPECT_EQ(FormatSize(999'949), "999.9 kB");
  EXPECT_EQ(FormatSize(999'950), "1.0 MB");
  EXPECT_EQ(FormatSize(UINT64_MAX), "18.4 EB");
}

TEST(FormatTimestampTest, IsUtc) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(FormatTimestamp(time), "-");
  time.set_seconds(1'700'000'000);
  EXPECT_EQ(FormatTimestamp(time), "2023-11-14 22:13:20");
}

}  // namespace
}  // namespace zlayer
