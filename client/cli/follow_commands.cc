#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/cli/session.h"
#include "client/lib/build_follower.h"

namespace zlayer {
namespace {

struct LogsOptions {
  std::string id;
  bool follow = false;
};

absl::Status Logs(Session& session, const LogsOptions& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::WatchBuildRequest request;
  request.set_build_id(options.id);
  request.set_no_follow(!options.follow);
  return FollowBuild(
             *connection, request,
             [](const v1::BuildEvent& event) {
               if (event.has_output()) {
                 Print(event.output().data());
               }
             },
             FollowOptions(), session.stop())
      .status();
}

struct WatchOptions {
  std::string id;
  std::string after = "0";
  std::string progress = "auto";
};

absl::Status Watch(Session& session, const WatchOptions& options) {
  std::optional<uint64_t> after = ParseUint(options.after);
  if (!after.has_value()) {
    return UsageError("--after takes the number of an event");
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  std::unique_ptr<ProgressPrinter> printer = MakePrinter(options.progress);
  v1::WatchBuildRequest request;
  request.set_build_id(options.id);
  request.set_after_sequence(*after);
  ASSIGN_OR_RETURN(
      std::optional<v1::BuildEvent> terminal,
      FollowBuild(
          *connection, request, [&](const v1::BuildEvent& event) { printer->Event(event); },
          FollowOptions(), session.stop()));
  return terminal.has_value() ? OutcomeOf(*terminal) : absl::OkStatus();
}

}  // namespace

void AddLogsCommand(Command& builds) {
  Command logs =
      builds.Sub("logs", "Print what the steps of a build wrote", "zlayer builds logs -f ID");
  auto options = std::make_shared<LogsOptions>();
  logs.Argument({"ID", "", "The build's id"}, &options->id)
      .Flag({"-f,--follow", "", "Go on until the build ends"}, &options->follow);
  logs.Run([options](Session& session) { return Logs(session, *options); });
}

void AddWatchCommand(Command& builds) {
  Command watch = builds.Sub("watch", "Show a build from its begin to its end",
                             "zlayer builds watch --progress json ID");
  auto options = std::make_shared<WatchOptions>();
  watch.Argument({"ID", "", "The build's id"}, &options->id)
      .Option({"--after", "N", "Show only events with a greater sequence number"}, &options->after);
  AddProgressOption(watch, &options->progress);
  watch.Run([options](Session& session) { return Watch(session, *options); });
}

}  // namespace zlayer
