// What a terminal shows of a pull, a push or a copy.
#ifndef ZLAYER_CLIENT_PROGRESS_TRANSFER_STATE_H_
#define ZLAYER_CLIENT_PROGRESS_TRANSFER_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/progress/model.h"
#include "client/progress/row.h"
#include "zlayer/v1/registry.pb.h"

namespace zlayer {

// How a blob or manifest ended, for people: "was there already".
std::string_view TransferEnd(v1::TransferProgress::State state);

// Folds events into lines: those of what ended, each once, and those of what moves now. Memory is
// that of what moves; of more than 10,000 at a time the others are not shown. Not thread-safe.
class TransferState {
 public:
  void Progress(const v1::TransferProgress& progress, int64_t now_ns);
  // No event will come any more: what still moves is shown no longer.
  void Leave() { moving_.clear(); }

  // "✓ layer 3f4a5b6c7d8e  12.0 MB  was there already   1.2s", since the last call.
  std::vector<Row> TakeHistory();
  // One line for each that moves, the oldest first, and below them the sum; none wider than the
  // view, and at most its height - 1. Empty where nothing has begun or all has ended.
  //
  //   ● layer 3f4a5b6c7d8e  [=====>    ] 12.0 MB of 30.0 MB, 4.1 MB/s   3.1s
  //   2 of 5 done, 1 was there already, 42.0 MB moved   4.0s
  std::vector<std::string> Live(const View& view) const;

 private:
  struct Moving {
    std::string item;
    int64_t started_ns = 0;
    uint64_t order = 0;
    Transfer bytes;
  };

  Row MovingRow(const Moving& moving, const View& view) const;
  Row SumRow(const View& view) const;

  std::map<std::string, Moving> moving_;  // by item
  std::vector<Row> history_;
  int64_t started_ns_ = 0;
  uint64_t begun_ = 0;
  uint64_t done_ = 0;
  uint64_t spared_ = 0;       // of those that did not have to move
  uint64_t bytes_moved_ = 0;  // by what is done
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_TRANSFER_STATE_H_
