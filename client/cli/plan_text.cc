#include "client/cli/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "client/progress/text.h"

namespace zlayer {
namespace {

std::string PlaceOf(const v1::SourceRange& source) {
  if (source.first_line() == 0) {
    return source.file();
  }
  return source.last_line() > source.first_line()
             ? fmt::format("{}:{}-{}", source.file(), source.first_line(), source.last_line())
             : fmt::format("{}:{}", source.file(), source.first_line());
}

std::string PlatformText(const v1::Platform& platform) {
  std::string text = platform.os().empty() ? "" : platform.os() + "/" + platform.architecture();
  return platform.variant().empty() ? text : text + "/" + platform.variant();
}

std::string ImageText(const v1::ImageBase& image) {
  bool pinned = image.digest().empty() || image.reference().ends_with(image.digest());
  return pinned ? image.reference() : image.reference() + "@" + image.digest();
}

class PlanWriter {
 public:
  PlanWriter(const v1::PlanBuildResponse& plan, const std::vector<FileStage>& file_stages)
      : plan_(plan), file_stages_(file_stages) {
    for (const v1::PlannedStage& stage : plan.plan().stages()) {
      needed_.insert(stage.index());
    }
    for (const v1::Stage& stage : plan.graph().stages()) {
      for (const v1::Operation& operation : stage.operations()) {
        column_ = std::max(column_, PlaceOf(operation.source()).size());
      }
    }
  }

  std::string Write() {
    for (int i = 0; i < plan_.graph().stages_size(); ++i) {
      WriteUnneededBefore(plan_.graph().stages(i));
      WriteStage(static_cast<uint32_t>(i));
    }
    WriteUnneeded(file_stages_.size());
    for (const v1::Warning& warning : plan_.warnings()) {
      std::string place = PlaceOf(warning.source());
      text_ +=
          fmt::format("warning: {}{}{}\n", place.empty() ? "" : place + ": ", warning.message(),
                      warning.rule().empty() ? "" : " (" + warning.rule() + ")");
    }
    return std::move(text_);
  }

 private:
  std::string StageName(uint32_t index) const {
    const bool known = index < static_cast<uint32_t>(plan_.graph().stages_size());
    const v1::Stage& stage =
        known ? plan_.graph().stages(static_cast<int>(index)) : v1::Stage::default_instance();
    const std::string name = StageTitle(stage.build(), stage.name());
    return fmt::format("stage {}{}", index, name.empty() ? "" : " \"" + name + "\"");
  }

  // Those of the file up to the one that `stage` was made of, which is skipped.
  void WriteUnneededBefore(const v1::Stage& stage) {
    if (!stage.build().empty()) {
      return;  // of another file
    }
    const uint32_t line =
        stage.operations().empty() ? 0 : stage.operations(0).source().first_line();
    for (size_t i = next_file_stage_; i < file_stages_.size(); ++i) {
      if (file_stages_[i].source.first_line() == line) {
        WriteUnneeded(i);
        ++next_file_stage_;
        return;
      }
    }
  }

  void WriteUnneeded(size_t end) {
    for (; next_file_stage_ < end; ++next_file_stage_) {
      const FileStage& stage = file_stages_[next_file_stage_];
      text_ += fmt::format("stage {}FROM {}, {}: not needed\n",
                           stage.name.empty() ? "" : "\"" + stage.name + "\" ", stage.base,
                           PlaceOf(stage.source));
    }
  }

  void WriteStage(uint32_t index) {
    const v1::Stage& stage = plan_.graph().stages(static_cast<int>(index));
    const auto& targets = plan_.graph().targets();
    text_ += StageName(index);
    if (!stage.base_text().empty()) {
      text_ += " FROM " + stage.base_text();
    }
    if (!needed_.contains(index)) {
      text_ += ": not needed\n";
      return;
    }
    std::string platform = PlatformText(stage.platform());
    text_ += platform.empty() ? "" : ", " + platform;
    text_ +=
        std::find(targets.begin(), targets.end(), index) != targets.end() ? ", the target" : "";
    text_ += "\n";
    for (const v1::Operation& operation : stage.operations()) {
      WriteOperation(operation);
    }
  }

  void WriteOperation(const v1::Operation& operation) {
    switch (operation.kind_case()) {
      case v1::Operation::kImage:
        WriteDetail(ImageText(operation.image()));
        return;
      case v1::Operation::kStage:
        WriteDetail("from " + StageName(operation.stage().stage()));
        return;
      case v1::Operation::kScratch:
        return;
      default:
        text_ +=
            fmt::format("  {:<{}}  {}\n", PlaceOf(operation.source()), column_, operation.text());
    }
    std::string last;
    for (const v1::Copy::Source& source : operation.copy().sources()) {
      WriteInput(source.from(), &last);
    }
    for (const v1::Mount& mount : operation.run().mounts()) {
      WriteInput(mount.from(), &last);
    }
  }

  // What the text of the operation does not tell.
  void WriteInput(const v1::Input& input, std::string* last) {
    std::string text = input.has_stage()   ? "from " + StageName(input.stage())
                       : input.has_image() ? "from " + ImageText(input.image())
                                           : "";
    if (!text.empty() && text != *last) {
      WriteDetail(text);
    }
    *last = std::move(text);
  }

  void WriteDetail(const std::string& text) {
    text_ += std::string(column_ + 4, ' ') + text + "\n";
  }

  const v1::PlanBuildResponse& plan_;
  const std::vector<FileStage>& file_stages_;
  size_t next_file_stage_ = 0;
  std::set<uint32_t> needed_;
  size_t column_ = 0;
  std::string text_;
};

}  // namespace

std::string PlanText(const v1::PlanBuildResponse& plan, const std::vector<FileStage>& file_stages) {
  return PlanWriter(plan, file_stages).Write();
}

}  // namespace zlayer
