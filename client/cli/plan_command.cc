#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_images.h"
#include "client/cli/build_options.h"
#include "client/cli/commands.h"
#include "client/cli/file_request.h"
#include "client/cli/plan_text.h"
#include "client/cli/session.h"
#include "client/progress/text.h"
#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {
namespace {

struct Options {
  BuildFlags flags;
  std::string format = "text";
};

std::vector<FileStage> StagesOf(const ZImagefile& file) {
  std::vector<FileStage> stages;
  for (const DockerfileStage& read :
       file.image ? file.image->stages : std::vector<DockerfileStage>()) {
    stages.push_back(
        {.name = read.base().name, .base = read.base().base, .source = read.from.source});
  }
  return stages;
}

// Of the build file as it was found here: the graph has only what the target needs.
std::vector<FileStage> StagesOf(const std::optional<BuildFile>& file) {
  std::vector<FileStage> stages;
  if (!file.has_value() || file->is_zimagefile) {
    return stages;
  }
  auto lexed = LexDockerfile(file->content, file->name);
  if (!lexed.ok()) {
    return stages;
  }
  for (const DockerfileNode& node : lexed->nodes) {
    if (node.keyword == "from" && !node.arguments.empty()) {
      FileStage& stage = stages.emplace_back();
      stage.name = node.arguments.size() == 3 ? ToLower(node.arguments[2]) : "";
      stage.base = node.arguments[0];
      stage.source.set_file(file->name);
      stage.source.set_first_line(node.first_line);
    }
  }
  return stages;
}

absl::Status Plan(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(FileRequest file, MakeFileRequest(session, options.flags));
  v1::PlanBuildRequest request;
  request.set_namespace_(session.name_space());
  const std::optional<ZImagefile> zimagefile = ZImagefileOf(file.spec);
  const std::vector<FileStage> stages = zimagefile ? StagesOf(*zimagefile) : StagesOf(file.file);
  *request.mutable_spec() = std::move(file.spec);
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(v1::PlanBuildResponse plan, Call(*connection, connection->builds(),
                                                    &v1::BuildService::StubInterface::PlanBuild,
                                                    request, kCallTimeout, session.stop()));
  Print(options.format == "json" ? ToJson(plan) + "\n" : PlanText(plan, stages));
  return absl::OkStatus();
}

}  // namespace

void AddPlanCommand(Command& root) {
  Command plan = root.Sub("plan", "Show what a build would run, and run nothing",
                          "zlayer plan --target test -f docker/Dockerfile .");
  auto options = std::make_shared<Options>();
  AddBuildOptions(plan, &options->flags);
  plan.Section("Output").Choice(
      {"--format", "", "Stages and their steps, or the whole graph as one JSON document"},
      &options->format, {"text", "json"});
  plan.Run([options](Session& session) { return Plan(session, *options); });
}

}  // namespace zlayer
