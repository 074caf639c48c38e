#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

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
  int32_t limit = 100;
  std::string format = "text";
};

absl::Status List(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::ListBuildsRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(static_cast<uint32_t>(options.limit));
  ASSIGN_OR_RETURN(
      v1::ListBuildsResponse response,
      Call(*connection, connection->builds(), &v1::BuildService::StubInterface::ListBuilds, request,
           kCallTimeout, session.stop()));
  std::string json;
  std::vector<std::vector<std::string>> rows = {{"ID", "STATE", "CREATED", "DURATION", "TITLE"}};
  for (const v1::BuildStatus& build : response.builds()) {
    json += ToJson(build) + "\n";
    rows.push_back({build.id(), StateOf(build), FormatTimestamp(build.created()), DurationOf(build),
                    build.title()});
  }
  Print(options.format == "json" ? json : FormatTable(rows));
  return absl::OkStatus();
}

struct ShowOptions {
  std::string id;
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
  return FormatTable(rows);
}

absl::Status Show(Session& session, const ShowOptions& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::GetBuildRequest request;
  request.set_build_id(options.id);
  ASSIGN_OR_RETURN(v1::BuildStatus build, Call(*connection, connection->builds(),
                                               &v1::BuildService::StubInterface::GetBuild, request,
                                               kCallTimeout, session.stop()));
  Print(options.format == "json" ? ToJson(build) + "\n" : Describe(build));
  return absl::OkStatus();
}

absl::Status Cancel(Session& session, const std::string& id) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::CancelBuildRequest request;
  request.set_build_id(id);
  ASSIGN_OR_RETURN(v1::BuildStatus build, Call(*connection, connection->builds(),
                                               &v1::BuildService::StubInterface::CancelBuild,
                                               request, kCallTimeout, session.stop()));
  Print(fmt::format("{} {}\n", id, StateOf(build)));
  return absl::OkStatus();
}

}  // namespace

void AddBuildsCommand(Command& root) {
  Command builds = root.Sub("builds", "See and cancel builds", "zlayer builds ls");
  builds.RequireSub();

  Command ls = builds.Sub("ls", "List builds, newest first", "zlayer builds ls -n 10");
  auto list = std::make_shared<ListOptions>();
  ls.Option({"-n,--limit", "N", "At most so many"}, &list->limit, 1, 1000)
      .Choice({"--format", "", "One line of JSON for each build, or a table"}, &list->format,
              {"text", "json"});
  ls.Run([list](Session& session) { return List(session, *list); });

  Command show = builds.Sub("show", "Show one build", "zlayer builds show --format json ID");
  auto one = std::make_shared<ShowOptions>();
  show.Argument({"ID", "", "The build's id"}, &one->id)
      .Choice({"--format", "", "One JSON document, or lines"}, &one->format, {"text", "json"});
  show.Run([one](Session& session) { return Show(session, *one); });

  AddLogsCommand(builds);
  AddWatchCommand(builds);

  Command cancel =
      builds.Sub("cancel", "Cancel a build that is queued or runs", "zlayer builds cancel ID");
  auto id = std::make_shared<std::string>();
  cancel.Argument({"ID", "", "The build's id"}, id.get());
  cancel.Run([id](Session& session) { return Cancel(session, *id); });
}

}  // namespace zlayer
