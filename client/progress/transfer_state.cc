#include "client/progress/transfer_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr size_t kMostMoving = 10'000;
constexpr size_t kShortDigest = 12;
constexpr size_t kWholeDigest = 64;
constexpr size_t kBarWidth = 20;
constexpr std::string_view kDigest = "sha256:";

// "layer sha256:<64 hex> to ghcr.io" with as much of the digest as people compare.
std::string Short(std::string_view item) {
  const size_t at = item.find(kDigest);
  if (at == std::string_view::npos || (at > 0 && item[at - 1] != ' ')) {
    return std::string(item);  // a name with a digest stays whole
  }
  const std::string_view digest = item.substr(at + kDigest.size(), kWholeDigest);
  return fmt::format("{}{}{}", item.substr(0, at), digest.substr(0, kShortDigest),
                     item.substr(at + kDigest.size() + digest.size()));
}

std::string Bar(uint64_t done, uint64_t total) {
  const double share = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  const auto full = static_cast<size_t>(share * static_cast<double>(kBarWidth));
  const std::string tip = full < kBarWidth ? ">" : "";
  return fmt::format("[{:<{}}]", std::string(full, '=') + tip, kBarWidth);
}

}  // namespace

std::string_view TransferEnd(v1::TransferProgress::State state) {
  switch (state) {
    case v1::TransferProgress::PRESENT:
      return "was there already";
    case v1::TransferProgress::MOUNTED:
      return "taken from another repository";
    default:
      return "done";
  }
}

void TransferState::Progress(const v1::TransferProgress& progress, int64_t now_ns) {
  started_ns_ = started_ns_ == 0 ? now_ns : started_ns_;
  auto found = moving_.find(progress.item());
  const bool ends = progress.state() != v1::TransferProgress::RUNNING;
  if (found == moving_.end()) {
    if (!ends && moving_.size() >= kMostMoving) {
      return;
    }
    Moving moving{.item = Short(progress.item()), .started_ns = now_ns, .order = begun_++};
    found = moving_.emplace(progress.item(), std::move(moving)).first;
  }
  Moving& moving = found->second;
  moving.bytes.Update(progress.bytes_done(), progress.bytes_total(), now_ns);
  if (!ends) {
    return;
  }
  const bool moved = progress.state() == v1::TransferProgress::DONE;
  ++done_;
  spared_ += moved ? 0 : 1;
  bytes_moved_ += moved ? progress.bytes_done() : 0;
  history_.push_back(Row()
                         .Add("✓ ", Style::kGood)
                         .Add(moving.item)
                         .Add(fmt::format("  {}  {}", FormatSize(progress.bytes_done()),
                                          TransferEnd(progress.state())),
                              Style::kDim)
                         .Right(FormatSeconds(SecondsFrom(moving.started_ns, now_ns))));
  moving_.erase(found);
}

std::vector<Row> TransferState::TakeHistory() { return std::exchange(history_, {}); }

Row TransferState::MovingRow(const Moving& moving, const View& view) const {
  const Transfer& bytes = moving.bytes;
  Row row;
  row.Add("● ", Style::kName).Add(moving.item).Add("  ");
  if (bytes.total() > 0) {
    row.Add(Bar(bytes.done(), bytes.total()), Style::kDim);
    row.Add(fmt::format(" {} of {}", FormatSize(bytes.done()), FormatSize(bytes.total())));
  } else if (bytes.done() > 0) {
    row.Add(FormatSize(bytes.done()));
  }
  if (const double rate = bytes.Rate(view.now_ns); rate > 0) {
    row.Add(fmt::format(", {}/s", FormatSize(static_cast<uint64_t>(rate))), Style::kDim);
  }
  return row.Right(FormatSeconds(SecondsFrom(moving.started_ns, view.now_ns)));
}

Row TransferState::SumRow(const View& view) const {
  uint64_t bytes = bytes_moved_;
  for (const auto& [item, moving] : moving_) {
    bytes += moving.bytes.done();
  }
  Row row;
  row.Add(fmt::format("{} of {} done", done_, begun_), Style::kBold);
  if (spared_ > 0) {
    row.Add(fmt::format(", {} {} there already", spared_, spared_ == 1 ? "was" : "were"));
  }
  return row.Add(fmt::format(", {} moved", FormatSize(bytes)))
      .Right(FormatSeconds(SecondsFrom(started_ns_, view.now_ns)));
}

std::vector<std::string> TransferState::Live(const View& view) const {
  std::vector<std::string> lines;
  if (moving_.empty() || view.height < 2) {
    return lines;
  }
  std::vector<const Moving*> shown;
  for (const auto& [item, moving] : moving_) {
    shown.push_back(&moving);
  }
  std::sort(shown.begin(), shown.end(),
            [](const Moving* a, const Moving* b) { return a->order < b->order; });
  shown.resize(std::min<size_t>(shown.size(), static_cast<size_t>(view.height) - 2));
  for (const Moving* moving : shown) {
    lines.push_back(MovingRow(*moving, view).Text(view));
  }
  lines.push_back(SumRow(view).Text(view));
  return lines;
}

}  // namespace zlayer
