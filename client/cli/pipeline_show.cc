#include "client/cli/pipeline_show.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "client/cli/build_followers.h"
#include "client/cli/interrupts.h"
#include "client/cli/terminal.h"
#include "client/lib/pipeline_follower.h"
#include "client/progress/row.h"
#include "client/progress/screen.h"
#include "client/progress/terminal.h"
#include "client/progress/text.h"
#include "client/progress/tty_pipeline_printer.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

std::string StateOf(const v1::PipelineImageStatus& image) {
  constexpr std::string_view kPrefix = "PIPELINE_IMAGE_";
  if (image.state() == v1::PIPELINE_IMAGE_BUILT && image.result().unchanged()) {
    return "unchanged";
  }
  return ToLower(
      std::string_view(v1::PipelineImageState_Name(image.state())).substr(kPrefix.size()));
}

std::string Sentence(const v1::PipelineImageStatus& image) {
  return fmt::format("image \"{}\": {}", image.name(),
                     image.state() == v1::PIPELINE_IMAGE_CANCELED ? "its build was canceled"
                                                                  : image.failure().error());
}

}  // namespace

std::unique_ptr<PipelinePrinter> MakePipelinePrinter(const std::string& mode,
                                                     std::stop_token interrupted) {
  if (mode == "json") {
    return MakeJsonPipelinePrinter(Print);
  }
  const std::optional<View> view =
      mode == "plain" ? std::nullopt : DrawableTerminal(STDOUT_FILENO, [](const std::string& name) {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      });
  if (!view.has_value()) {
    return MakePlainPipelinePrinter(Print);
  }
  SayBeforeExit(kUsualTerminal);
  return MakeTtyPipelinePrinter({STDOUT_FILENO, Print, *view, std::move(interrupted)});
}

absl::StatusOr<v1::PipelineStatus> WatchPipeline(Connection& connection,
                                                 v1::PipelineService::StubInterface& pipelines,
                                                 const PipelineWatch& watch) {
  Mutex mutex;  // of the printer
  BuildFollowers builds(
      connection,
      [&](const std::string& image, const v1::BuildEvent& event) {
        MutexLock lock(&mutex);
        watch.printer.BuildEvent(image, event);
      },
      watch.stop);
  FollowOptions follow;
  follow.lost = [&](const absl::Status& status) {
    MutexLock lock(&mutex);
    watch.printer.Lost(Message(status));
  };
  v1::WatchPipelineRequest request;
  request.set_pipeline_id(watch.pipeline_id);
  return FollowPipeline(
      {connection, pipelines}, std::move(request),
      [&](const v1::PipelineEvent& event) {
        const bool builds_now =
            event.has_image() && event.image().state() == v1::PIPELINE_IMAGE_BUILDING;
        if (event.has_image() && !builds_now) {
          builds.Finish(event.image().name());
        }
        {
          MutexLock lock(&mutex);
          watch.printer.Event(event);
        }
        if (builds_now) {
          builds.Begin(event.image().name(), event.image().build_id());
        }
      },
      follow, watch.stop);
}

std::string PipelineTable(const v1::PipelineStatus& status, std::optional<size_t> width) {
  std::vector<std::vector<std::string>> rows = {{"IMAGE", "STATE", "SECONDS", "SIZE", "DIGEST"}};
  for (const v1::PipelineImageStatus& image : status.images()) {
    const bool built = image.has_result();
    rows.push_back({image.name(), StateOf(image),
                    image.seconds() > 0 ? fmt::format("{:.1f}", image.seconds()) : "-",
                    built ? FormatSize(image.result().size_bytes()) : "-",
                    built ? image.result().manifest_digest() : "-"});
  }
  return FitTable(std::move(rows), 0, width);
}

std::string NameOf(v1::PipelineState state) {
  constexpr std::string_view kPrefix = "PIPELINE_";
  return ToLower(std::string_view(v1::PipelineState_Name(state)).substr(kPrefix.size()));
}

absl::Status OutcomeOf(const v1::PipelineStatus& status) {
  if (status.state() == v1::PIPELINE_SUCCEEDED) {
    return absl::OkStatus();
  }
  if (status.state() == v1::PIPELINE_CANCELED) {
    return Cancelled(fmt::format("pipeline {} was canceled", status.id()));
  }
  absl::Status last = FailedPrecondition(fmt::format("pipeline {} failed", status.id()));
  bool first = true;
  for (const v1::PipelineImageStatus& image : status.images()) {
    if (image.state() != v1::PIPELINE_IMAGE_FAILED &&
        image.state() != v1::PIPELINE_IMAGE_CANCELED) {
      continue;
    }
    if (!std::exchange(first, false)) {
      PrintError(Message(last));
    }
    last = WithDetail(FailedPrecondition(Sentence(image)), image.failure().detail());
  }
  return last;
}

}  // namespace zlayer
