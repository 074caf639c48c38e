#include "client/progress/pipeline_model.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "client/progress/pipeline_printer.h"
#include "client/progress/screen_text.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kMaxNameColumns = 24;
constexpr size_t kOutputLines = 10;
constexpr size_t kMaxLine = 1024;

bool IsActive(const v1::PipelineImageStatus& status) {
  return status.state() == v1::PIPELINE_IMAGE_BUILDING ||
         status.state() == v1::PIPELINE_IMAGE_PUSHING;
}

bool HasEnded(const v1::PipelineImageStatus& status) {
  return !IsActive(status) && status.state() != v1::PIPELINE_IMAGE_WAITING;
}

std::pair<std::string_view, Style> MarkOf(v1::PipelineImageState state) {
  switch (state) {
    case v1::PIPELINE_IMAGE_BUILDING:
    case v1::PIPELINE_IMAGE_PUSHING:
      return {"● ", Style::kName};
    case v1::PIPELINE_IMAGE_BUILT:
    case v1::PIPELINE_IMAGE_PUSHED:
      return {"✓ ", Style::kGood};
    case v1::PIPELINE_IMAGE_FAILED:
      return {"✗ ", Style::kBad};
    case v1::PIPELINE_IMAGE_SKIPPED:
    case v1::PIPELINE_IMAGE_CANCELED:
      return {"- ", Style::kWarning};
    default:
      return {"  ", Style::kPlain};
  }
}

std::string Padded(const std::string& name, size_t columns) {
  std::string text = Printable(name);
  const size_t used = ColumnsOf(text);
  text.append(used < columns ? columns - used : 0, ' ');
  return text + "  ";
}

}  // namespace

void PipelineModel::Event(const v1::PipelineEvent& event) {
  lost_.clear();
  const int64_t time = TimeUtil::TimestampToNanoseconds(event.time());
  if (event.has_started()) {
    running_ = true;
    started_ns_ = time;
    for (const v1::PipelineImageStatus& status : event.started().images()) {
      positions_[status.name()] = images_.size();
      images_.push_back({status, time});
    }
  } else if (event.has_image()) {
    Take(event.image(), time);
  } else if (event.has_ended()) {
    running_ = false;
  }
}

void PipelineModel::Take(const v1::PipelineImageStatus& status, int64_t time_ns) {
  auto position = positions_.find(status.name());
  if (position == positions_.end()) {
    return;
  }
  Image& image = images_[position->second];
  if (status.state() == v1::PIPELINE_IMAGE_BUILDING) {
    image = Image();
  }
  image.status = status;
  image.since_ns = time_ns;
  if (!HasEnded(status)) {
    return;
  }
  const auto [mark, style] = MarkOf(status.state());
  if (status.state() == v1::PIPELINE_IMAGE_FAILED) {
    for (const std::string& line : image.output) {
      history_.push_back(
          std::move(Row().Add(status.name() + " | ", Style::kDim).Add(line).Whole()));
    }
  }
  history_.push_back(std::move(Row()
                                   .Add(mark, style)
                                   .Add(status.name(), Style::kBold)
                                   .Add(" " + DescribeImageState(status))
                                   .Whole()));
  image.output.clear();
}

void PipelineModel::BuildEvent(const std::string& name, const v1::BuildEvent& event) {
  auto position = positions_.find(name);
  if (position == positions_.end()) {
    return;
  }
  Image& image = images_[position->second];
  switch (event.event_case()) {
    case v1::BuildEvent::kBuildStarted:
      image.instruction = "planning";
      break;
    case v1::BuildEvent::kBuildPlan:
      image.steps = 0;
      for (const v1::PlannedStage& stage : event.build_plan().stages()) {
        image.steps += static_cast<uint32_t>(stage.instructions_size());
      }
      break;
    case v1::BuildEvent::kInstructionStarted:
      image.instruction = event.instruction_started().instruction();
      break;
    case v1::BuildEvent::kInstructionComplete:
      ++image.steps_done;
      break;
    case v1::BuildEvent::kBuildWaiting:
      image.instruction = "in the queue: " + event.build_waiting().reason();
      break;
    case v1::BuildEvent::kOutput: {
      const std::string_view line = Trim(event.output().data());
      image.output.emplace_back(line.substr(0, kMaxLine));
      if (image.output.size() > kOutputLines) {
        image.output.pop_front();
      }
      break;
    }
    default:
      break;
  }
}

std::vector<Row> PipelineModel::TakeHistory() { return std::exchange(history_, {}); }

Row PipelineModel::RowOf(const Image& image, size_t name_columns, const View& view) const {
  const auto [mark, style] = MarkOf(image.status.state());
  Row row;
  row.Add(mark, style).Add(Padded(image.status.name(), name_columns), Style::kBold);
  if (image.status.state() == v1::PIPELINE_IMAGE_BUILDING) {
    if (image.steps > 0) {
      row.Add(fmt::format("{}/{} ", std::min(image.steps_done + 1, image.steps), image.steps));
    }
    row.Add(image.instruction.empty() ? "in the queue" : image.instruction);
  } else {
    row.Add(DescribeImageState(image.status), IsActive(image.status) ? Style::kPlain : Style::kDim);
  }
  if (IsActive(image.status)) {
    row.Right(FormatSeconds(static_cast<double>(view.now_ns - image.since_ns) / 1e9));
  }
  return row;
}

Row PipelineModel::SumOf(const View& view) const {
  const auto count = [this](auto is) {
    return std::count_if(images_.begin(), images_.end(),
                         [&](const Image& image) { return is(image.status); });
  };
  Row row;
  row.Add(fmt::format("{} of {} image{}, {} at work", count(HasEnded), images_.size(),
                      images_.size() == 1 ? "" : "s", count(IsActive)));
  if (interrupted_) {
    row.Add("; canceling", Style::kWarning);
  }
  if (!lost_.empty()) {
    row.Add("; " + lost_, Style::kWarning);
  }
  row.Right(FormatSeconds(static_cast<double>(view.now_ns - started_ns_) / 1e9));
  return row;
}

std::vector<std::string> PipelineModel::Render(const View& view) const {
  std::vector<std::string> lines;
  const int room = view.height - 2;  // the cursor's line, and the sum
  if (!running_ || room < 0) {
    return lines;
  }
  size_t name_columns = 0;
  std::vector<const Image*> shown;
  const auto add = [&](auto is) {
    for (const Image& image : images_) {
      if (shown.size() < static_cast<size_t>(room) && is(image.status)) {
        shown.push_back(&image);
        name_columns = std::max(
            name_columns, std::min(ColumnsOf(Printable(image.status.name())), kMaxNameColumns));
      }
    }
  };
  add(IsActive);
  add([](const v1::PipelineImageStatus& status) { return !IsActive(status) && !HasEnded(status); });
  for (const Image* image : shown) {
    lines.push_back(RowOf(*image, name_columns, view).Text(view));
  }
  lines.push_back(SumOf(view).Text(view));
  return lines;
}

}  // namespace zlayer
