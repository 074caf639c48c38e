// What showing a build costs the client: a synthetic stream of events, with a frame as often as on
// a terminal.
//
//   bazel run //client/progress:progress_bench
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "base/clock.h"
#include "client/progress/progress_state.h"
#include "client/progress/render.h"
#include "client/progress/screen.h"

namespace zlayer {
namespace {

constexpr int64_t kFrameNs = 100'000'000;
constexpr int kSteps = 10'000;

double CpuSeconds() {
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

std::string Memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS")) {
      return line;
    }
  }
  return {};
}

class Bench {
 public:
  Bench() { view_.unicode = view_.colour = true; }

  void Event(v1::BuildEvent event) {
    event.mutable_time()->set_seconds(SystemClock()->NowNs() / 1'000'000'000);
    state_.Event(event);
    if (MonotonicNs() - painted_ns_ >= kFrameNs) {
      Paint();
    }
  }

  // As after parsing: the message of a stream is a new one each time.
  void Output(uint32_t stage, uint32_t index, const std::string& line) {
    v1::BuildEvent event;
    event.mutable_output()->set_stage(stage);
    event.mutable_output()->set_index(index);
    event.mutable_output()->set_data(line);
    Event(std::move(event));
  }

  void Paint() {
    std::vector<std::string> history;
    for (const Row& row : state_.TakeHistory()) {
      history.push_back(row.Text(view_));
    }
    view_.now_ns = SystemClock()->NowNs();
    shown_ += screen_.Frame(history, RenderProgress(state_.model(), view_), view_).size();
    painted_ns_ = MonotonicNs();
    ++frames_;
  }

  void Report(const std::string& what) {
    fmt::print("{}: {:.3f} s of CPU, {} frames, {} bytes to the terminal, {}\n", what,
               CpuSeconds() - since_, frames_, shown_, Memory());
    since_ = CpuSeconds();
  }

 private:
  View view_;
  ProgressState state_;
  Screen screen_;
  int64_t painted_ns_ = 0;
  uint64_t shown_ = 0;
  int frames_ = 0;
  double since_ = CpuSeconds();
};

void Run() {
  Bench bench;
  v1::BuildEvent plan;
  for (uint32_t stage = 0; stage < 10; ++stage) {
    v1::PlannedStage* planned = plan.mutable_build_plan()->add_stages();
    planned->set_index(stage);
    for (int i = 0; i < kSteps / 10; ++i) {
      planned->add_instructions(fmt::format("RUN command {}", i));
    }
  }
  bench.Event(plan);
  bench.Report("a plan of 10,000 steps");
  v1::BuildEvent event;
  for (uint32_t stage = 0; stage < 10; ++stage) {
    event.mutable_instruction_started()->set_stage(stage);
    event.mutable_instruction_started()->set_instruction("RUN command 0");
    bench.Event(event);
  }
  for (int i = 0; i < 100'000; ++i) {
    bench.Output(static_cast<uint32_t>(i % 10), 0, fmt::format("line {} of a usual length\n", i));
  }
  bench.Report("100,000 lines of 10 steps");
  const std::string wide(1023, 'x');
  for (int i = 0; i < 1 << 20; ++i) {
    bench.Output(static_cast<uint32_t>(i % 10), 0, wide + "\n");
  }
  bench.Report("1 GiB in lines of 1 KiB");
  // Round robin, so that nine stages of ten are held to the end.
  for (uint32_t i = 0; i < kSteps; ++i) {
    event.mutable_instruction_started()->set_stage(i % 10);
    event.mutable_instruction_started()->set_index(i / 10);
    bench.Event(event);
    event.mutable_instruction_complete()->set_stage(i % 10);
    event.mutable_instruction_complete()->set_index(i / 10);
    event.mutable_instruction_complete()->set_cached(i % 3 == 0);
    bench.Event(event);
  }
  for (uint32_t stage = 0; stage < 10; ++stage) {
    event.mutable_stage_complete()->set_index(stage);
    bench.Event(event);
  }
  event.mutable_build_complete()->set_image_id("sha256:0");
  bench.Event(event);
  bench.Paint();
  bench.Report("10,000 steps");
}

}  // namespace
}  // namespace zlayer

int main() { zlayer::Run(); }
