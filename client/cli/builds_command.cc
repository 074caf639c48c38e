#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_ids.h"
#include "client/cli/commands.h"
#include "client/cli/instant.h"
#include "client/cli/session.h"
#include "client/cli/terminal.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr int32_t kMaxPage = 1000;

std::string StateOf(const v1::BuildStatus& build) {
  return ToLower(v1::BuildState_Name(build.state()));
}

std::string DurationOf(const v1::BuildStatus& build) {
  if (!build.has_started() || !build.has_ended()) {
    return "-";
  }
  return fmt::format("{:.1f}s", SecondsBetween(build.started(), build.ended()));
}

struct ListOptions {
  std::vector<std::string> states;
  std::string tag;
  std::string since;
  std::string before;
  int32_t limit = 100;
  std::string format = "text";
};

absl::Status SetInstant(std::string_view option, const std::string& text,
                        google::protobuf::Timestamp* instant) {
  auto parsed = ParseInstant(text, SystemClock()->NowNs());
  if (!parsed.has_value()) {
    return UsageError(fmt::format(
        "{} takes a duration (30m, 2h, 7d) or a time (2026-11-21T10:00:00Z), not \"{}\"", option,
        ToUtf8(text)));
  }
  *instant = *parsed;
  return absl::OkStatus();
}

absl::StatusOr<v1::ListBuildsRequest> MakeListRequest(const Session& session,
                                                      const ListOptions& options) {
  v1::ListBuildsRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(static_cast<uint32_t>(std::min(options.limit, kMaxPage)));
  for (const std::string& state : options.states) {
    v1::BuildState value;
    if (v1::BuildState_Parse(ToUpper(state), &value)) {
      request.add_states(value);
    }
  }
  if (!IsUtf8(options.tag)) {
    return UsageError("--tag takes UTF-8 text");
  }
  request.set_tag(options.tag);
  if (!options.since.empty()) {
    RETURN_IF_ERROR(SetInstant("--since", options.since, request.mutable_created_from()));
  }
  if (!options.before.empty()) {
    RETURN_IF_ERROR(SetInstant("--before", options.before, request.mutable_created_before()));
  }
  return request;
}

absl::Status List(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(v1::ListBuildsRequest request, MakeListRequest(session, options));
  int32_t left = options.limit;
  std::vector<std::vector<std::string>> rows = {{"ID", "STATE", "CREATED", "DURATION", "TITLE"}};
  bool json = options.format == "json";
  RETURN_IF_ERROR(ListBuilds(session, std::move(request), [&](const v1::BuildStatus& build) {
    if (json) {
      Print(ToJson(build) + "\n");
    } else {
      rows.push_back({build.id(), StateOf(build), FormatTimestamp(build.created()),
                      DurationOf(build), build.title()});
    }
    return --left > 0;
  }));
  if (!json) {
    const size_t title = rows.front().size() - 1;
    Print(FitTable(std::move(rows), title, TerminalWidth()));
  }
  return absl::OkStatus();
}

struct ShowOptions {
  std::vector<std::string> ids;
  std::string format = "text";
};

std::string Describe(const v1::BuildStatus& build) {
  std::vector<std::vector<std::string>> rows = {{"Id:", build.id()},
                                                {"State:", StateOf(build)},
                                                {"Title:", build.title()},
                                                {"Namespace:", build.namespace_()},
                                                {"Priority:", fmt::format("{}", build.priority())},
                                                {"Attempt:", fmt::format("{}", build.attempt())},
                                                {"Created:", FormatTimestamp(build.created())},
                                                {"Started:", FormatTimestamp(build.started())},
                                                {"Ended:", FormatTimestamp(build.ended())},
                                                {"Duration:", DurationOf(build)}};
  for (const std::string& tag : build.tags()) {
    rows.push_back({"Tag:", tag});
  }
  if (build.has_result()) {
    rows.push_back({"Image:", build.result().image_id()});
    rows.push_back({"Manifest digest:", build.result().manifest_digest()});
    rows.push_back({"Size:", FormatSize(build.result().size_bytes())});
  }
  if (build.has_failure()) {
    rows.push_back({"Error:", build.failure().error()});
  }
  if (build.has_waiting()) {
    rows.push_back({"Waits for:", build.waiting().reason()});
  }
  return FormatTable(rows);
}

absl::Status Show(Session& session, const ShowOptions& options) {
  bool first = true;
  return ForEachBuild(session, options.ids, [&](const std::string& id) -> absl::Status {
    ASSIGN_OR_RETURN(Connection * connection, session.connection());
    v1::GetBuildRequest request;
    request.set_build_id(id);
    ASSIGN_OR_RETURN(v1::BuildStatus build, Call(*connection, connection->builds(),
                                                 &v1::BuildService::StubInterface::GetBuild,
                                                 request, kCallTimeout, session.stop()));
    if (options.format == "json") {
      Print(ToJson(build) + "\n");
    } else {
      Print((first ? "" : "\n") + Describe(build));
    }
    first = false;
    return absl::OkStatus();
  });
}

absl::Status Cancel(Session& session, const std::vector<std::string>& ids) {
  return ForEachBuild(session, ids, [&](const std::string& id) -> absl::Status {
    ASSIGN_OR_RETURN(Connection * connection, session.connection());
    v1::CancelBuildRequest request;
    request.set_build_id(id);
    ASSIGN_OR_RETURN(v1::BuildStatus build, Call(*connection, connection->builds(),
                                                 &v1::BuildService::StubInterface::CancelBuild,
                                                 request, kCallTimeout, session.stop()));
    Print(fmt::format("{} {}\n", id, StateOf(build)));
    return absl::OkStatus();
  });
}

struct RemoveOptions {
  std::vector<std::string> ids;
  bool all_ended = false;
};

absl::StatusOr<std::vector<std::string>> EndedBuilds(Session& session) {
  std::vector<std::string> ids;
  v1::ListBuildsRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(kMaxPage);
  for (v1::BuildState state : {v1::SUCCEEDED, v1::FAILED, v1::CANCELED}) {
    request.add_states(state);
  }
  RETURN_IF_ERROR(ListBuilds(session, std::move(request), [&ids](const v1::BuildStatus& build) {
    ids.push_back(build.id());
    return true;
  }));
  return ids;
}

absl::Status Remove(Session& session, RemoveOptions options) {
  if (options.ids.empty() != options.all_ended) {
    return UsageError("builds rm takes either ids or --all-ended");
  }
  if (options.all_ended) {
    ASSIGN_OR_RETURN(options.ids, EndedBuilds(session));
  }
  return ForEachBuild(session, options.ids, [&](const std::string& id) -> absl::Status {
    ASSIGN_OR_RETURN(Connection * connection, session.connection());
    v1::DeleteBuildRequest request;
    request.set_build_id(id);
    RETURN_IF_ERROR(Call(*connection, connection->builds(),
                         &v1::BuildService::StubInterface::DeleteBuild, request, kCallTimeout,
                         session.stop())
                        .status());
    Print(id + "\n");
    return absl::OkStatus();
  });
}

void AddList(Command& builds) {
  Command ls =
      builds.Sub("ls", "List builds, newest first", "zlayer builds ls --state failed --since 2h");
  auto list = std::make_shared<ListOptions>();
  ls.Section("Which builds")
      .Choice({"--state", "STATE",
               "Only in this state (queued, running, succeeded, failed, "
               "canceled); may be repeated"},
              &list->states, {"queued", "running", "succeeded", "failed", "canceled"})
      .Option({"--tag", "REF", "Only those that were asked for this tag", Completes::kImage},
              &list->tag)
      .Option({"--since", "TIME", "Submitted since then: 30m, 2h, 7d ago, or 2026-11-21T10:00:00Z"},
              &list->since)
      .Option({"--before", "TIME", "Submitted before then"}, &list->before)
      .Option({"-n,--limit", "N", "At most so many"}, &list->limit, 1, 1'000'000);
  ls.Section("Output").Choice({"--format", "", "A table, or a line of JSON for each build"},
                              &list->format, {"text", "json"});
  ls.Run([list](Session& session) { return List(session, *list); });
}

void AddShow(Command& builds) {
  Command show = builds.Sub("show", "Show builds", "zlayer builds show --format json @latest");
  auto options = std::make_shared<ShowOptions>();
  AddBuildIds(show, &options->ids);
  show.Choice({"--format", "", "Lines, or a JSON document for each build"}, &options->format,
              {"text", "json"});
  show.Run([options](Session& session) { return Show(session, *options); });
}

void AddCancel(Command& builds) {
  Command cancel =
      builds.Sub("cancel", "Cancel builds that are queued or run", "zlayer builds cancel @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  AddBuildIds(cancel, ids.get());
  cancel.Run([ids](Session& session) { return Cancel(session, *ids); });
}

void AddRemove(Command& builds) {
  Command remove = builds.Sub("rm", "Remove builds that have ended, with their logs",
                              "zlayer builds rm @latest");
  auto options = std::make_shared<RemoveOptions>();
  AddBuildIds(remove, &options->ids, /*required=*/false);
  remove.Flag({"--all-ended", "", "All that have ended, in the namespace where one is chosen"},
              &options->all_ended);
  remove.Run([options](Session& session) { return Remove(session, *options); });
}

}  // namespace

void AddBuildIds(Command& command, std::vector<std::string>* ids, bool required) {
  command.Arguments(
      {"ID", "", "Id of a build, or its begin; @latest for the newest", Completes::kBuild}, ids,
      required);
}

void AddBuildsCommand(Command& root) {
  Command builds = root.Sub("builds", "See, follow, cancel and remove builds", "zlayer builds ls");
  builds.RequireSub();
  AddList(builds);
  AddShow(builds);
  AddLogsCommand(builds);
  AddWatchCommand(builds);
  AddCancel(builds);
  AddRemove(builds);
}

}  // namespace zlayer
