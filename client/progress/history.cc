#include "client/progress/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr uint32_t kLinesAround = 2;
constexpr uint32_t kMaxSourceLines = 12;

std::string_view Branch(bool last) { return last ? "└ " : "├ "; }

void AddOutput(const Failure& failure, std::vector<Row>* rows) {
  const OutputTail& output = failure.step->output;
  if (output.total() == 0) {
    return;
  }
  Row& head = rows->emplace_back();
  if (output.kept() < output.total()) {
    head.Add(fmt::format("The last {} of {} lines of output (zlayer builds logs {} has all):",
                         output.kept(), output.total(), failure.model->build_id),
             Style::kBold);
  } else {
    head.Add("Its output:", Style::kBold);
  }
  head.Whole();
  for (size_t i = 0; i < output.kept(); ++i) {
    rows->push_back(Row().Add("  │ ", Style::kDim).Add(output.line(i)).Whole());
  }
}

// "Dockerfile:12, stage build, exit code 2"
std::string PlaceOf(const v1::ErrorDetail& detail) {
  const v1::SourceRange& source = detail.source();
  std::string place = fmt::format("{}:{}", source.file(), source.first_line());
  if (source.last_line() > source.first_line()) {
    place += fmt::format("-{}", source.last_line());
  }
  // A stage without a name comes as its index.
  if (!detail.stage().empty()) {
    place += fmt::format(", stage {}", detail.stage());
  }
  if (detail.exit_code() != 0) {
    place += fmt::format(", exit code {}", detail.exit_code());
  }
  return place;
}

void AddSource(const v1::ErrorDetail& detail, std::vector<Row>* rows) {
  const uint32_t first = detail.source().first_line();
  const uint32_t last = std::clamp(detail.source().last_line(), first, first + kMaxSourceLines - 1);
  const size_t digits = fmt::format("{}", last + kLinesAround).size();
  uint32_t number = detail.excerpt().first_line();
  for (const std::string& line : detail.excerpt().lines()) {
    const bool meant = number >= first && number <= last;
    if (number <= last + kLinesAround) {
      rows->push_back(Row()
                          .Add(meant ? "▶ " : "  ", Style::kBad)
                          .Add(fmt::format("{:>{}} │ ", number, digits), Style::kDim)
                          .Add(line, meant ? Style::kBold : Style::kPlain)
                          .Whole());
    }
    ++number;
  }
}

std::string Share(const ProgressModel& model) {
  const uint32_t steps = model.done - model.settings;
  const std::string noun = steps == 1 ? "step" : "steps";
  if (model.cached == 0) {
    return fmt::format("{} {}", steps, noun);
  }
  return model.cached == steps ? fmt::format("{} {}, all cached", steps, noun)
                               : fmt::format("{} {}, {} cached ({}%)", steps, noun, model.cached,
                                             uint64_t{100} * model.cached / steps);
}

}  // namespace

Row StageHead(const ProgressModel& model, const ShownStage& stage) {
  const std::string name = StageName(model, stage);
  Row row;
  row.Add(name, Style::kName);
  if (!stage.base.empty()) {
    row.Add(fmt::format("{}FROM {}", name.empty() ? "" : " ", stage.base),
            name.empty() ? Style::kName : Style::kDim);
  } else if (name.empty()) {
    row.Add("stage", Style::kName);
  }
  return row;
}

Row EndedRow(const ShownStage& stage, const EndedStep& step, bool last) {
  Row row;
  row.Add(Branch(last), Style::kDim)
      .Add("✓ ", Style::kGood)
      .Add(StepNumber(stage, step.index) + " ", Style::kDim)
      .Add(step.text);
  if (step.bytes_moved > 0) {
    row.Add(", " + FormatSize(step.bytes_moved), Style::kDim);
  }
  return row.Right(FormatSeconds(step.seconds));
}

Row FoldRow(uint32_t cached, uint32_t settings, bool last) {
  std::string text;
  if (cached > 0) {
    text = fmt::format("{} cached", cached);
  }
  if (settings > 0) {
    text +=
        fmt::format("{}{} setting{}", text.empty() ? "" : ", ", settings, settings == 1 ? "" : "s");
  }
  return Row().Add(Branch(last), Style::kDim).Add(text, Style::kDim);
}

Row UnfinishedRow(const ShownStage& stage, uint32_t index, const RunningStep& step,
                  std::string_view word, int64_t now_ns) {
  Row row;
  row.Add("└ ", Style::kDim);
  if (word.empty()) {
    row.Add("✗ ", Style::kBad);
  } else {
    row.Add("- ", Style::kWarning);
  }
  return row.Add(StepNumber(stage, index) + " ", Style::kDim)
      .Add(step.text)
      .Right(fmt::format("{}{}{}", word, word.empty() ? "" : " ",
                         FormatSeconds(SecondsFrom(step.started_ns, now_ns))));
}

std::vector<Row> FailureRows(const Failure& failure) {
  std::vector<Row> rows;
  if (failure.step != nullptr) {
    AddOutput(failure, &rows);
  }
  const v1::SourceRange& source = failure.detail->source();
  if (source.first_line() > 0) {
    rows.push_back(Row().Add(PlaceOf(*failure.detail) + ":", Style::kBold).Whole());
    if (failure.detail->has_excerpt()) {
      AddSource(*failure.detail, &rows);
    } else {
      rows.push_back(Row().Add("▶ ", Style::kBad).Add(failure.detail->instruction()).Whole());
    }
  }
  return rows;
}

std::vector<Row> SummaryRows(const ProgressModel& model, const v1::BuildComplete& complete) {
  std::vector<Row> rows;
  rows.push_back(Row()
                     .Add("✓ ", Style::kGood)
                     .Add(complete.unchanged()
                              ? "unchanged: the image was made from the same sources before"
                              : fmt::format("built in {}: {}", FormatSeconds(complete.seconds()),
                                            Share(model)),
                          Style::kBold)
                     .Whole());
  const auto add = [&rows](std::string_view name, std::string_view value) {
    rows.push_back(Row().Add(fmt::format("  {:<9} ", name), Style::kDim).Add(value).Whole());
  };
  add("image", complete.image_id());
  add("manifest", complete.manifest_digest());
  for (const std::string& tag : complete.tags()) {
    add("name", tag);
  }
  add("size", fmt::format("{} in {} layer{}", FormatSize(complete.size_bytes()),
                          complete.layer_count(), complete.layer_count() == 1 ? "" : "s"));
  for (const SlowStep& step : model.slowest) {
    rows.push_back(
        Row()
            .Add(&step == &model.slowest.front() ? "  slowest   " : "            ", Style::kDim)
            .Add(fmt::format("{:>6} ", FormatSeconds(step.seconds)))
            .Add(step.place + " ", Style::kDim)
            .Add(step.text));
  }
  if (model.warnings > 0) {
    add("warnings", fmt::format("{}", model.warnings));
  }
  return rows;
}

}  // namespace zlayer
