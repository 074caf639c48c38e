#include "client/progress/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/progress/history.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxDetails = 10;
constexpr size_t kMaxTransfers = 4;

// A row that must be there, and what may stand below it.
struct Piece {
  Row row;
  std::vector<Row> transfers;
  const OutputTail* output = nullptr;

  size_t details() const {
    return std::min(kMaxDetails, transfers.size() + (output == nullptr ? 0 : output->kept()));
  }
};

std::string TransferText(const std::string& item, const Transfer& transfer, int64_t now_ns) {
  std::string text = fmt::format("{}: {}", item, FormatSize(transfer.done()));
  if (transfer.total() > 0) {
    text += fmt::format(
        " of {} ({}%)", FormatSize(transfer.total()),
        static_cast<int>(100.0 * static_cast<double>(std::min(transfer.done(), transfer.total())) /
                         static_cast<double>(transfer.total())));
  }
  if (double rate = transfer.Rate(now_ns); rate > 0) {
    text += fmt::format(", {}/s", FormatSize(static_cast<uint64_t>(rate)));
  }
  return text;
}

void AddTransfers(const std::map<std::string, Transfer>& transfers, const View& view,
                  std::vector<Row>* rows) {
  for (const auto& [item, transfer] : transfers) {
    if (rows->size() + 1 == kMaxTransfers && transfers.size() > kMaxTransfers) {
      rows->push_back(Row().Add(
          fmt::format("    {} more transfers", transfers.size() - rows->size()), Style::kDim));
      return;
    }
    rows->push_back(Row().Add("    ").Add(TransferText(item, transfer, view.now_ns), Style::kDim));
  }
}

// The work of the client itself, and what the build waits for.
std::vector<Row> TopRows(const ProgressModel& model, const View& view) {
  std::vector<Row> rows;
  const auto add = [&](std::string_view text, Style style, int64_t since_ns) {
    rows.push_back(
        Row().Add("● ", style).Add(text).Right(FormatSeconds(SecondsFrom(since_ns, view.now_ns))));
  };
  for (const auto& [name, upload] : model.uploads) {
    std::string text = fmt::format("context{}{}: ", name.empty() ? "" : " ", name);
    if (upload.entries > 0) {
      text += fmt::format("{} names, {} file{} of ", upload.entries, upload.files,
                          upload.files == 1 ? "" : "s");
    }
    text += fmt::format("{} sent", FormatSize(upload.bytes.done()));
    if (double rate = upload.bytes.Rate(view.now_ns); rate > 0) {
      text += fmt::format(", {}/s", FormatSize(static_cast<uint64_t>(rate)));
    }
    add(text, Style::kName, upload.started_ns);
  }
  if (!model.lost.empty()) {
    add(fmt::format("trying again: {}", model.lost), Style::kWarning, model.lost_ns);
  } else if (!model.waiting.empty()) {
    add(fmt::format("waiting: {}", model.waiting), Style::kWarning, model.queued_ns);
  }
  return rows;
}

Row StageRow(const ProgressModel& model, const ShownStage& stage) {
  Row row;
  const std::string name = StageName(model, stage);
  row.Add(name.empty() ? "stage" : name, Style::kName).Add(" ");
  row.Add(stage.instructions.empty() ? fmt::format("{}", stage.done)
                                     : fmt::format("{}/{}", stage.done, stage.instructions.size()));
  if (stage.cached > 0) {
    row.Add(fmt::format(", {} cached", stage.cached), Style::kDim);
  }
  if (stage.running.empty()) {
    // Its base, or a step that needs another stage.
    if (stage.done == 0 && !stage.base.empty()) {
      row.Add(fmt::format(", FROM {}", stage.base), Style::kDim);
    } else {
      row.Add(", waiting", Style::kDim);
    }
  }
  return row;
}

Piece StepPiece(const ShownStage& stage, uint32_t index, const View& view) {
  const RunningStep& step = stage.running.at(index);
  Piece piece;
  piece.row.Add(index == stage.running.rbegin()->first ? "└ " : "├ ", Style::kDim)
      .Add("● ", Style::kName)
      .Add(StepNumber(stage, index) + " ", Style::kDim)
      .Add(step.text, Style::kBold)
      .Right(FormatSeconds(SecondsFrom(step.started_ns, view.now_ns)));
  AddTransfers(step.transfers, view, &piece.transfers);
  piece.output = &step.output;
  return piece;
}

// Stages with their steps; those that ended but cannot be history yet first. Ends early where there
// are more than `room`.
std::vector<Piece> Tree(const ProgressModel& model, const View& view, size_t room) {
  std::vector<Piece> pieces;
  for (uint32_t index : model.held) {
    const ShownStage& stage = model.stages.at(index);
    Row row = Row().Add("✓ ", Style::kGood).Add(StageName(model, stage), Style::kName);
    row.Add(fmt::format(" {} step{}", stage.done, stage.done == 1 ? "" : "s"));
    if (stage.cached > 0) {
      row.Add(fmt::format(", {} cached", stage.cached), Style::kDim);
    }
    row.Right(FormatSeconds(SecondsFrom(stage.started_ns, stage.ended_ns)));
    pieces.emplace_back().row = std::move(row);
    if (pieces.size() > room) {
      return pieces;
    }
  }
  for (uint32_t index : model.active) {
    const ShownStage& stage = model.stages.at(index);
    Piece& head = pieces.emplace_back();
    head.row = StageRow(model, stage);
    AddTransfers(stage.transfers, view, &head.transfers);
    for (const auto& running : stage.running) {
      pieces.push_back(StepPiece(stage, running.first, view));
    }
    if (pieces.size() > room) {
      return pieces;
    }
  }
  return pieces;
}

// Where there is no room for the tree: the running steps alone, with their stages' names, at most
// `room` lines. How many run in all, the sum says.
std::vector<Piece> Steps(const ProgressModel& model, const View& view, size_t room) {
  std::vector<Piece> pieces;
  for (uint32_t index : model.active) {
    const ShownStage& stage = model.stages.at(index);
    for (const auto& [number, step] : stage.running) {
      if (pieces.size() == room) {
        return pieces;
      }
      Piece& piece = pieces.emplace_back();
      piece.row.Add(StepPlace(model, stage, number) + " ", Style::kName)
          .Add(step.text, Style::kBold)
          .Right(FormatSeconds(SecondsFrom(step.started_ns, view.now_ns)));
      piece.output = &step.output;
    }
  }
  return pieces;
}

// How many lines below each piece, `room` in all: one more for each in turn.
std::vector<size_t> ShareOut(const std::vector<Piece>& pieces, size_t room) {
  std::vector<size_t> shares(pieces.size());
  for (bool more = true; more && room > 0;) {
    more = false;
    for (size_t i = 0; i < pieces.size() && room > 0; ++i) {
      if (shares[i] < pieces[i].details()) {
        ++shares[i];
        --room;
        more = true;
      }
    }
  }
  return shares;
}

void AddDetails(const Piece& piece, size_t share, std::vector<Row>* rows) {
  const size_t transfers = std::min(share, piece.transfers.size());
  rows->insert(rows->end(), piece.transfers.begin(),
               piece.transfers.begin() + static_cast<std::ptrdiff_t>(transfers));
  for (size_t left = share - transfers; left > 0; --left) {
    rows->push_back(
        Row().Add("    ").Add(piece.output->line(piece.output->kept() - left), Style::kDim));
  }
}

Row Sum(const ProgressModel& model, const View& view) {
  Row row;
  if (model.interrupted) {
    row.Add("canceling, ", Style::kWarning);
  }
  switch (model.phase) {
    case ProgressModel::Phase::kQueued:
      row.Add("queued");
      if (model.position > 0) {
        row.Add(
            fmt::format(", {} build{} before it", model.position, model.position == 1 ? "" : "s"));
      }
      break;
    case ProgressModel::Phase::kStarted:
      row.Add("planning");
      break;
    case ProgressModel::Phase::kPlanned:
      row.Add(model.steps == 0 ? fmt::format("{} steps", model.done)  // watched from the middle
                               : fmt::format("{} of {} steps", model.done, model.steps),
              Style::kBold);
      if (model.cached > 0) {
        row.Add(fmt::format(", {} cached", model.cached));
      }
      if (model.running > 0) {
        row.Add(fmt::format(", {} running", model.running));
      } else if (model.done == model.steps && model.active.empty()) {
        row.Add(", writing the image");
      }
      break;
    default:
      row.Add(model.uploads.empty() ? "starting" : "sending");
      break;
  }
  return row.Right(FormatSeconds(SecondsFrom(model.started_ns, view.now_ns)));
}

}  // namespace

std::vector<std::string> RenderProgress(const ProgressModel& model, const View& view) {
  const bool idle = model.started_ns == 0 && model.lost.empty();
  if (view.height < 2 || view.width < 1 || idle || model.phase == ProgressModel::Phase::kEnded) {
    return {};
  }
  size_t room = static_cast<size_t>(view.height) - 2;  // beside the sum
  std::vector<Row> rows = TopRows(model, view);
  rows.resize(std::min(rows.size(), room));
  room -= rows.size();
  std::vector<Piece> pieces = Tree(model, view, room);
  if (pieces.size() > room) {
    pieces = Steps(model, view, room);
  }
  const std::vector<size_t> shares = ShareOut(pieces, room - pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    rows.push_back(std::move(pieces[i].row));
    AddDetails(pieces[i], shares[i], &rows);
  }
  rows.push_back(Sum(model, view));
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    lines.push_back(row.Text(view));
  }
  return lines;
}

}  // namespace zlayer
