#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_ids.h"
#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/cli/session.h"
#include "client/lib/build_follower.h"

namespace zlayer {
namespace {

struct LogsOptions {
  std::vector<std::string> ids;
  bool follow = false;
};

absl::Status PrintLog(Session& session, const LogsOptions& options, const std::string& id) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::WatchBuildRequest request;
  request.set_build_id(id);
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
  std::vector<std::string> ids;
  uint64_t after = 0;
  std::string progress = "auto";
};

absl::Status WatchOne(Session& session, const WatchOptions& options, const std::string& id) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  // An interrupt ends the watching, not the build.
  std::unique_ptr<ProgressPrinter> printer = MakePrinter(options.progress, std::stop_token());
  FollowOptions follow;
  follow.lost = [&](const absl::Status& status) { printer->Lost(Message(status)); };
  v1::WatchBuildRequest request;
  request.set_build_id(id);
  request.set_after_sequence(options.after);
  ASSIGN_OR_RETURN(
      std::optional<v1::BuildEvent> terminal,
      FollowBuild(
          *connection, request, [&](const v1::BuildEvent& event) { printer->Event(event); }, follow,
          session.stop()));
  return terminal.has_value() ? OutcomeFor(*printer, *std::move(terminal)) : absl::OkStatus();
}

absl::Status Watch(Session& session, WatchOptions options, const std::string& after) {
  std::optional<uint64_t> number = ParseUint(after);
  if (!number.has_value()) {
    return UsageError("--after takes the number of an event");
  }
  options.after = *number;
  return ForEachBuild(session, options.ids,
                      [&](const std::string& id) { return WatchOne(session, options, id); });
}

}  // namespace

void AddLogsCommand(Command& builds) {
  Command logs =
      builds.Sub("logs", "Print what the steps of builds wrote", "zlayer builds logs -f @latest");
  auto options = std::make_shared<LogsOptions>();
  AddBuildIds(logs, &options->ids);
  logs.Flag({"-f,--follow", "", "Go on until the build ends"}, &options->follow);
  logs.Run([options](Session& session) {
    return ForEachBuild(session, options->ids,
                        [&](const std::string& id) { return PrintLog(session, *options, id); });
  });
}

void AddWatchCommand(Command& builds) {
  Command watch = builds.Sub("watch", "Show builds from their begin to their end",
                             "zlayer builds watch --progress json @latest");
  auto options = std::make_shared<WatchOptions>();
  auto after = std::make_shared<std::string>("0");
  AddBuildIds(watch, &options->ids);
  watch.Option({"--after", "N", "Show only events with a greater sequence number"}, after.get());
  AddProgressOption(watch, &options->progress);
  watch.Run([options, after](Session& session) { return Watch(session, *options, *after); });
}

}  // namespace zlayer
