// What is known of a build while it is shown. Plain data: ProgressState (progress_state.h) writes
// it, RenderProgress (render.h) reads it.
#ifndef ZLAYER_CLIENT_PROGRESS_MODEL_H_
#define ZLAYER_CLIENT_PROGRESS_MODEL_H_

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Bytes on their way. Times in nanoseconds since 1970.
class Transfer {
 public:
  void Update(uint64_t done, uint64_t total, int64_t now_ns);

  uint64_t done() const { return done_; }
  uint64_t total() const { return total_; }  // 0 while unknown
  // Bytes a second over the last 2 to 4 seconds; 0 while it is too early to say.
  double Rate(int64_t now_ns) const;

 private:
  struct Mark {
    int64_t time_ns = 0;
    uint64_t bytes = 0;
  };

  uint64_t done_ = 0;
  uint64_t total_ = 0;
  Mark older_;
  Mark newer_;
};

// The last lines that a step wrote, each cut to 4 KiB, as a terminal would show them: what comes
// after a carriage return takes the place of what came before. Not yet made printable.
class OutputTail {
 public:
  static constexpr size_t kLines = 20;
  static constexpr size_t kMaxLine = size_t{4} << 10;

  void Append(std::string_view data, bool is_stderr, bool partial);
  // A line without its end is a line from now on.
  void Flush();

  // How many lines came, and how many of them are kept.
  uint64_t total() const { return total_; }
  size_t kept() const { return total_ < kLines ? static_cast<size_t>(total_) : kLines; }
  // The `index`th of those that are kept, 0 the oldest.
  const std::string& line(size_t index) const { return lines_[(total_ - kept() + index) % kLines]; }

 private:
  void End(std::string* line);

  std::array<std::string, kLines> lines_;  // used round and round
  uint64_t total_ = 0;
  std::array<std::string, 2> partial_;  // stdout, stderr
};

struct RunningStep {
  std::string text;
  v1::SourceRange source;
  int64_t started_ns = 0;
  OutputTail output;
  std::map<std::string, Transfer> transfers;  // by item
  uint64_t bytes_moved = 0;                   // by transfers that are complete
};

enum class StepEnd {
  kDone,
  kCached,
  // Changed the image's configuration, which is no work.
  kSetting,
};

// A step that ended and is not in the history yet.
struct EndedStep {
  uint32_t index = 0;
  StepEnd end = StepEnd::kDone;
  double seconds = 0;
  uint64_t bytes_moved = 0;
  std::string text;
};

struct ShownStage {
  uint32_t index = 0;
  std::string name;  // as in the build file, with its nested build (StageTitle)
  std::string base;
  // Of the plan; a text is dropped once its step has ended.
  std::vector<std::string> instructions;
  bool complete = false;
  bool headed = false;  // its head is in the history
  int64_t started_ns = 0;
  int64_t ended_ns = 0;
  uint32_t done = 0;  // cached and settings among them
  uint32_t cached = 0;
  std::vector<EndedStep> ended;  // by time
  std::map<uint32_t, RunningStep> running;
  std::map<std::string, Transfer> transfers;  // of its base
};

// A context on its way to the daemon.
struct Upload {
  int64_t started_ns = 0;
  uint64_t entries = 0;
  uint64_t files = 0;
  Transfer bytes;
};

struct SlowStep {
  double seconds = 0;
  std::string text;
  std::string place;  // "build 3/7"
};

struct ProgressModel {
  enum class Phase { kIdle, kQueued, kStarted, kPlanned, kEnded };

  Phase phase = Phase::kIdle;
  std::string build_id;
  int64_t started_ns = 0;  // of the first thing that is known (events have a time); 0 before it
  int64_t queued_ns = 0;
  std::map<std::string, Upload> uploads;  // by context, those that are under way
  std::map<uint32_t, ShownStage> stages;
  // Of `stages`: those that began and did not end, so that no frame looks at all of them.
  std::set<uint32_t> active;
  // Those that ended while an earlier one is being written into the history.
  std::set<uint32_t> held;
  uint32_t steps = 0;  // of the plan
  uint32_t done = 0;   // settings among them
  uint32_t cached = 0;
  uint32_t settings = 0;
  uint32_t warnings = 0;
  uint32_t running = 0;
  std::vector<SlowStep> slowest;  // the slowest first, at most 3
  // Why a queued build waits, and how many builds start before it; empty and 0 where that is not
  // known.
  std::string waiting;
  uint32_t position = 0;
  // Empty where the daemon answers; else since when it does not, and why.
  std::string lost;
  int64_t lost_ns = 0;
  bool interrupted = false;
};

// "build", or "stage-2" where a build has several stages and this one no name; else empty.
std::string StageName(const ProgressModel& model, const ShownStage& stage);
// "3/7"; without a plan "3".
std::string StepNumber(const ShownStage& stage, uint32_t index);
// "build 3/7".
std::string StepPlace(const ProgressModel& model, const ShownStage& stage, uint32_t index);
// Seconds from `from_ns` to `to_ns`, both since 1970; 0 where a clock is behind.
double SecondsFrom(int64_t from_ns, int64_t to_ns);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_MODEL_H_
