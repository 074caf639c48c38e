#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_options.h"
#include "client/cli/build_request.h"
#include "client/cli/commands.h"
#include "client/cli/plan_text.h"
#include "client/cli/session.h"
#include "client/lib/context_uploader.h"
#include "client/progress/text.h"
#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {
namespace {

struct Options {
  BuildFlags flags;
  std::string format = "text";
};

// The build file that was read here needs no context; of the others only the names count. One that
// lies in a tar on stdin is sent with it.
absl::Status AddContexts(Session& session, const Options& options, bool has_file,
                         v1::BuildSpec* spec) {
  ASSIGN_OR_RETURN(auto directories, DirectoryContexts(options.flags));
  directories.erase("");
  for (const auto& directory : directories) {
    (*spec->mutable_contexts())[directory.first];
  }
  if (has_file || options.flags.context != "-") {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  UploadOptions upload;
  upload.name_space = session.name_space();
  ASSIGN_OR_RETURN(v1::ContextReady ready,
                   UploadTar(*connection, STDIN_FILENO, upload, session.stop()));
  (*spec->mutable_contexts())[""].set_uploaded(ready.context_id());
  return absl::OkStatus();
}

// Of the build file as it was found here: the graph has only what the target needs.
std::vector<FileStage> StagesOf(const std::optional<BuildFile>& file) {
  std::vector<FileStage> stages;
  if (!file.has_value()) {
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
  ASSIGN_OR_RETURN(std::optional<BuildFile> file, ReadBuildFile(options.flags, session.stop()));
  ASSIGN_OR_RETURN(v1::SubmitBuildRequest build,
                   MakeBuildRequest(options.flags, file, FromEnvironment));
  v1::PlanBuildRequest request;
  request.set_namespace_(session.name_space());
  *request.mutable_spec() = std::move(*build.mutable_spec());
  RETURN_IF_ERROR(AddContexts(session, options, file.has_value(), request.mutable_spec()));
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(v1::PlanBuildResponse plan, Call(*connection, connection->builds(),
                                                    &v1::BuildService::StubInterface::PlanBuild,
                                                    request, kCallTimeout, session.stop()));
  Print(options.format == "json" ? ToJson(plan) + "\n" : PlanText(plan, StagesOf(file)));
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
