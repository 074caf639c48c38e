// Cuts what a process writes into lines for Output events.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_OUTPUT_LINES_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_OUTPUT_LINES_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace zlayer {

// For one stream of one process. Not thread-safe.
class OutputLines {
 public:
  static constexpr size_t kMaxLine = 64 << 10;
  // `data` is a line with its newline, or without where `partial` (the line goes on) or where the
  // stream ended.
  using Sink = std::function<void(std::string_view data, bool partial)>;
  explicit OutputLines(Sink sink) : sink_(std::move(sink)) {}

  void Add(std::string_view data);
  // The stream ended: what is left is a line.
  void Finish();

 private:
  Sink sink_;
  std::string pending_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_OUTPUT_LINES_H_
