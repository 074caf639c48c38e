#include "client/progress/render.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/files.h"
#include "client/progress/progress_state.h"
#include "client/progress/screen_text.h"

namespace zlayer {
namespace {

constexpr int64_t kBegin = 1'000;  // seconds since 1970, when the first event comes

View Wide() {
  View view;
  view.width = 72;
  view.height = 24;
  view.unicode = true;
  return view;
}

// Screens of a build, one below the other: the history that was added, a rule, the live lines. They
// must be what `testdata/<test>.txt` holds; `bazel run` of this test with ZLAYER_UPDATE_GOLDEN=1
// writes these files anew.
class RenderTest : public ::testing::Test {
 protected:
  ~RenderTest() override { Compare(); }

  // An event from its text form, `ms` milliseconds after the begin.
  void Feed(int ms, const std::string& text) {
    v1::BuildEvent event;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
    event.set_build_id("b1");
    event.mutable_time()->set_seconds(kBegin + ms / 1000);
    event.mutable_time()->set_nanos(ms % 1000 * 1'000'000);
    state_.Event(event);
  }

  static int64_t At(int ms) { return (kBegin * 1000 + ms) * 1'000'000; }

  // Adds the screen at `ms` to what is compared.
  void Shoot(int ms, View view = Wide()) {
    view.now_ns = At(ms);
    shots_ += "== at " + std::to_string(ms) + " ms, " + std::to_string(view.width) + " x " +
              std::to_string(view.height) + "\n";
    for (const Row& row : state_.TakeHistory()) {
      shots_ += row.Text(view) + "\n";
    }
    shots_ += "--\n";
    const std::vector<std::string> lines = RenderProgress(state_.model(), view);
    EXPECT_LE(lines.size(), static_cast<size_t>(std::max(0, view.height - 1)));
    for (const std::string& line : lines) {
      EXPECT_LE(ColumnsOf(Printable(line)), static_cast<size_t>(view.width)) << line;
      shots_ += line + "\n";
    }
  }

  // Three stages, the last of which needs the others.
  void Plan(int attempt = 1) {
    if (attempt == 1) {
      Feed(0, "build_queued {attempt: 1}");
    }
    Feed(10, "build_started {total_stages: 3 total_instructions: 9 backend: 'native'}");
    Feed(10,
         "build_plan {"
         "stages {index: 0 name: 'build' base_image: 'gcc:12' instructions: 'COPY . /src'"
         " instructions: 'WORKDIR /src' instructions: 'RUN make -j4' instructions: 'RUN make test'}"
         "stages {index: 1 name: 'assets' base_image: 'node:18'"
         " instructions: 'COPY web /web' instructions: 'RUN npm run build'}"
         "stages {index: 2 base_image: 'scratch' instructions: 'COPY --from=build /src/app /app'"
         " instructions: 'COPY --from=assets /web/out /web' instructions: 'CMD [\"/app\"]'}}");
    for (const char* stage : {"0", "1", "2"}) {
      Feed(11, std::string("stage_started {index: ") + stage + "}");
    }
  }
  void Begin(int ms, int stage, int index, const std::string& text, int line = 0) {
    Feed(ms, "instruction_started {stage: " + std::to_string(stage) +
                 " index: " + std::to_string(index) + " instruction: '" + text +
                 "' source {file: 'Dockerfile' first_line: " + std::to_string(line) +
                 " last_line: " + std::to_string(line) + "}}");
  }
  void End(int ms, int stage, int index, const std::string& more) {
    Feed(ms, "instruction_complete {stage: " + std::to_string(stage) +
                 " index: " + std::to_string(index) + " " + more + "}");
  }
  void Write(int ms, int stage, int index, const std::string& data) {
    Feed(ms, "output {stage: " + std::to_string(stage) + " index: " + std::to_string(index) +
                 " data: '" + data + "'}");
  }
  // Both first stages run their commands.
  void RunTwo() {
    Plan();
    End(20, 0, 0, "cached: true reason: 'hit'");
    End(21, 0, 1, "cached: true reason: 'hit'");
    Begin(30, 0, 2, "RUN make -j4", 5);
    End(40, 1, 0, "seconds: 0.02");
    Begin(41, 1, 1, "RUN npm run build", 9);
    for (int i = 0; i < 30; ++i) {
      Write(100 + i, 0, 2, "cc -c file" + std::to_string(i) + ".c\\n");
    }
    Write(200, 1, 1, "bundling\\n");
  }

  ProgressState state_;

 private:
  void Compare() const {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const std::filesystem::path path = "client/progress/testdata/" + name + ".txt";
    std::string shots;
    for (char c : shots_) {
      shots += c == '\x1b' ? "\\e" : std::string(1, c);
    }
    if (shots.empty()) {
      return;
    }
    if (std::getenv("ZLAYER_UPDATE_GOLDEN") != nullptr) {
      const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
      ASSERT_NE(workspace, nullptr) << "use `bazel run`";
      std::filesystem::create_directories((workspace / path).parent_path());
      std::ofstream(workspace / path) << shots;
      return;
    }
    const auto golden = ReadFile(path);
    ASSERT_TRUE(golden.ok()) << golden.status();
    EXPECT_EQ(shots, *golden);
  }

  std::string shots_;
};

TEST_F(RenderTest, ParallelStages) {
  RunTwo();
  Shoot(5'030);
  End(6'000, 1, 1, "seconds: 5.96");
  Feed(6'001, "stage_complete {index: 1}");
  Shoot(6'100);  // held: `build` is not done
  End(7'000, 0, 2, "seconds: 6.97");
  Begin(7'001, 0, 3, "RUN make test", 6);
  Shoot(7'500);
}

TEST_F(RenderTest, Transcript) {
  RunTwo();
  End(6'000, 1, 1, "seconds: 5.96");
  Feed(6'001, "stage_complete {index: 1}");
  End(7'000, 0, 2, "seconds: 6.97");
  End(8'500, 0, 3, "seconds: 1.5");
  Feed(8'500, "stage_complete {index: 0}");
  End(8'600, 2, 0, "seconds: 0.08");
  End(8'610, 2, 1, "seconds: 0.01");
  End(8'611, 2, 2, "cached: true reason: 'configuration'");
  Feed(8'612, "stage_complete {index: 2}");
  Shoot(8'700);
  Feed(9'000,
       "build_complete {image_id: 'sha256:11' manifest_digest: 'sha256:22' tags: 'app:1'"
       " tags: 'app:latest' layer_count: 2 size_bytes: 12345678 seconds: 9}");
  Shoot(9'100);
}

TEST_F(RenderTest, AllCached) {
  Plan();
  const int steps[] = {4, 2, 3};
  for (int stage = 0; stage < 3; ++stage) {
    for (int index = 0; index < steps[stage]; ++index) {
      End(20, stage, index,
          stage == 2 && index == 2 ? "cached: true reason: 'configuration'"
                                   : "cached: true reason: 'hit'");
    }
    Feed(20, "stage_complete {index: " + std::to_string(stage) + "}");
  }
  Feed(25, "build_complete {image_id: 'i' manifest_digest: 'm' layer_count: 1 seconds: 0.025}");
  Shoot(30);
}

TEST_F(RenderTest, Failure) {
  RunTwo();
  Write(300, 0, 2, "no newline at the end");
  Feed(2'000,
       "build_failed {error: 'Dockerfile:5: no' detail {reason: 'RUN_FAILED' exit_code: 2"
       " stage: 'build' instruction: 'RUN make -j4'"
       " source {file: 'Dockerfile' first_line: 5 last_line: 5}"
       " excerpt {first_line: 3 lines: 'WORKDIR /src' lines: '# compile' lines: 'RUN make -j4'"
       " lines: 'RUN make test' lines: ''}}}");
  Shoot(2'100);
}

TEST_F(RenderTest, FailureOfAFileThatIsElsewhere) {
  RunTwo();
  Feed(2'000,
       "build_failed {error: 'no' detail {exit_code: 1 stage: '0' instruction: 'RUN x'"
       " source {file: 'other' first_line: 9 last_line: 11}}}");
  Shoot(2'100);
}

TEST_F(RenderTest, FailureWithoutAPlace) {
  RunTwo();
  Feed(2'000, "build_failed {error: 'the disk is full'}");
  Shoot(2'100);
}

TEST_F(RenderTest, Waits) {
  state_.Lost("no daemon answers at unix:///run/zlayer/zlayerd.sock", At(0));
  Shoot(1'500);
  Feed(2'000, "build_queued {attempt: 1}");
  Shoot(2'100);
  Feed(2'200,
       "build_waiting {position: 2 reason: '4 builds run, which is the most (queue.max_running)'}");
  Shoot(4'000);
  Feed(5'000, "build_started {}");
  Shoot(5'100);
}

TEST_F(RenderTest, Retried) {
  Plan();
  Begin(100, 0, 2, "RUN make -j4", 5);
  Write(200, 0, 2, "cc: killed\\n");
  Feed(300,
       "instruction_retried {stage: 0 index: 2 attempt: 2 attempts: 4 pause_seconds: 3"
       " reason: 'the command exited with code 1'}");
  Shoot(500);
}

TEST_F(RenderTest, Unchanged) {
  Feed(0, "build_queued {attempt: 1}");
  Feed(20, "build_complete {image_id: 'i' manifest_digest: 'm' layer_count: 1 unchanged: true}");
  Shoot(30);
}

TEST_F(RenderTest, RestartOfTheDaemon) {
  RunTwo();
  End(300, 0, 2, "seconds: 0.27");
  state_.Lost("no daemon answers at unix:///run/zlayer/zlayerd.sock", At(400));
  Shoot(600);
  Feed(900, "build_queued {attempt: 2}");
  Shoot(1'000);
  Plan(2);
  Begin(1'100, 0, 2, "RUN make -j4");
  Shoot(1'200);
}

TEST_F(RenderTest, Canceled) {
  RunTwo();
  state_.Interrupted();
  Shoot(1'000);
  Feed(2'000, "build_canceled {reason: 'the user asked'}");
  Shoot(2'100);
}

TEST_F(RenderTest, LeftAlone) {
  RunTwo();
  state_.Leave(At(1'000));
  Shoot(1'000);
}

TEST_F(RenderTest, Uploads) {
  UploadCounts counts;
  counts.entries = 4'100;
  state_.Uploading("", counts, At(0));
  counts.files = 12;
  counts.bytes = 30'000'000;
  state_.Uploading("", counts, At(1'500));
  Shoot(1'500);
  v1::ContextReady ready;
  ready.set_files_selected(4'000);
  ready.set_bytes_selected(64'000'000);
  ready.set_bytes_received(30'000'000);
  state_.ContextSent("", ready, At(2'000));
  state_.Uploading("lib", UploadCounts{.bytes = 70}, At(2'000));
  Shoot(2'000);
}

TEST_F(RenderTest, Transfers) {
  Plan();
  Feed(100,
       "progress {stage: 0 index: 0 item: 'layer sha256:aa' bytes_done: 0 bytes_total: 30000000}");
  Feed(2'100,
       "progress {stage: 0 index: 0 item: 'layer sha256:aa' bytes_done: 10000000"
       " bytes_total: 30000000}");
  Begin(100, 1, 0, "ADD https://example.org/x /");
  for (int i = 0; i < 6; ++i) {
    Feed(100, "progress {stage: 1 index: 0 item: 'https://example.org/" + std::to_string(i) +
                  "' bytes_done: " + std::to_string(i * 1000) + "}");
  }
  Shoot(2'100);
  Shoot(12'100);  // nothing came since
  Feed(13'000,
       "progress {stage: 1 index: 0 item: 'https://example.org/1' bytes_done: 70000"
       " complete: true}");
  End(13'000, 1, 0, "seconds: 12.9");
  End(13'000, 0, 0, "seconds: 1");
  Shoot(13'100);
  Feed(13'200, "stage_complete {index: 0}");
  Feed(13'200, "stage_complete {index: 1}");
  Shoot(13'200);
}

TEST_F(RenderTest, Warnings) {
  Feed(0, "build_queued {attempt: 1}");
  Feed(1,
       "warning {rule: 'UnknownDirective' message: 'what is this'"
       " source {file: 'Dockerfile' first_line: 1}}");
  Feed(1, "warning {rule: 'R' message: 'm'}");
  Shoot(2);
  Feed(3, "build_complete {seconds: 0.003}");
  Shoot(4);
}

TEST_F(RenderTest, Narrow) {
  RunTwo();
  View view = Wide();
  for (int width : {20, 12, 5, 1, 0}) {
    view.width = width;
    Shoot(5'030, view);
  }
}

TEST_F(RenderTest, Low) {
  RunTwo();
  View view = Wide();
  for (int height : {8, 6, 5, 4, 3, 2, 1, 0}) {
    view.height = height;
    Shoot(5'030, view);
  }
}

TEST_F(RenderTest, MoreThanFits) {
  std::string plan;
  for (int i = 0; i < 40; ++i) {
    plan +=
        " stages {index: " + std::to_string(i) + " instructions: 'RUN x' instructions: 'RUN y'}";
  }
  Feed(0, "build_plan {" + plan + "}");
  for (int i = 0; i < 40; ++i) {
    Begin(i, i, 0, "RUN x");
    Write(i, i, 0, "output\\n");
  }
  View view = Wide();
  view.height = 8;
  Shoot(1'000, view);
}

TEST_F(RenderTest, Ascii) {
  RunTwo();
  Write(300, 1, 1, "\\303\\274ber \\344\\270\\255 \\360\\237\\232\\200\\n");
  View view = Wide();
  view.unicode = false;
  Shoot(5'030, view);
  Feed(6'000,
       "build_failed {error: 'no' detail {stage: 'assets'"
       " source {file: 'Dockerfile' first_line: 9 last_line: 9}"
       " excerpt {first_line: 7 lines: '' lines: 'FROM node:18 AS assets'"
       " lines: 'RUN npm run build'}}}");
  Shoot(6'000, view);
}

TEST_F(RenderTest, Colour) {
  RunTwo();
  View view = Wide();
  view.colour = true;
  view.width = 40;
  Shoot(5'030, view);
  End(6'000, 0, 2, "seconds: 6.97");
  Shoot(6'100, view);
}

TEST_F(RenderTest, HostileOutput) {
  Feed(0,
       "build_plan {stages {index: 0 name: 'st\\033[2Jage\\n' base_image: '\\342\\200\\256x'"
       " instructions: 'RUN \\033]0;owned\\007x'}}");
  Begin(10, 0, 0, "RUN \\033[H\\033[2Jclear\\r\\nnext");
  Write(11, 0, 0, "\\033[1A\\033[2Kup \\033[31mred\\033[0m\\n");
  Write(12, 0, 0, "progress 10%\\rprogress 20%\\r\\n");
  Write(13, 0, 0, "a\\tb\\010\\010\\007\\000\\n");
  Write(14, 0, 0, "\\377\\376 \\302\\2331A \\033[?1049h\\n");
  Write(15, 0, 0,
        "e\\314\\201\\314\\201\\314\\201\\314\\201\\314\\201\\314\\201 "
        "\\344\\270\\255\\346\\226\\207\\n");
  Write(16, 0, 0, std::string(5'000, 'x') + "\\n");
  View view = Wide();
  view.width = 30;
  Shoot(1'000, view);
  Feed(2'000,
       "build_failed {detail {stage: 'st\\033[2Jage\\n' source {file: '\\033c' first_line: 1}}}");
  state_.TakeHistory();
}

TEST_F(RenderTest, WatchedFromTheMiddle) {
  Write(0, 0, 0, "of a step that never began\\n");
  Begin(100, 3, 7, "RUN x");
  End(300, 3, 7, "seconds: 0.2");
  End(300, 4, 0, "cached: true");
  Feed(400, "stage_complete {index: 3}");
  Feed(400, "stage_complete {index: 3}");
  Shoot(500);
}

// The clock of the daemon's machine is ahead.
TEST_F(RenderTest, ClocksDiffer) {
  RunTwo();
  Shoot(-60'000);
}

TEST_F(RenderTest, LongTimes) {
  Plan();
  Begin(100, 0, 0, "RUN sleep infinity");
  Shoot(59'000);
  Shoot(75'000);
  Shoot(3 * 3'600'000 + 62'000);
}

TEST(OutputTailTest, KeepsTheLastLines) {
  OutputTail tail;
  for (int i = 0; i < 1'000'000; ++i) {
    tail.Append("line " + std::to_string(i) + "\n", false, false);
  }
  EXPECT_EQ(tail.total(), 1'000'000u);
  ASSERT_EQ(tail.kept(), OutputTail::kLines);
  EXPECT_EQ(tail.line(0), "line 999980");
  EXPECT_EQ(tail.line(OutputTail::kLines - 1), "line 999999");
}

TEST(OutputTailTest, JoinsAndCutsLines) {
  OutputTail tail;
  tail.Append("a", false, true);
  tail.Append("err\n", true, false);
  tail.Append("b\n", false, false);
  tail.Append(std::string(100'000, 'x'), false, true);
  tail.Append(std::string(100'000, 'y'), false, true);
  tail.Append("end", false, true);
  tail.Flush();
  ASSERT_EQ(tail.kept(), 3u);
  EXPECT_EQ(tail.line(0), "err");
  EXPECT_EQ(tail.line(1), "ab");
  EXPECT_EQ(tail.line(2), std::string(OutputTail::kMaxLine, 'x'));
}

TEST(ProgressStateTest, HistoryIsHandedOverOnce) {
  ProgressState state;
  v1::BuildEvent event;
  event.mutable_build_queued()->set_attempt(1);
  state.Event(event);
  EXPECT_EQ(state.TakeHistory().size(), 1u);
  EXPECT_TRUE(state.TakeHistory().empty());
}

}  // namespace
}  // namespace zlayer
