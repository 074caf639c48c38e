#include <memory>

#include "client/cli/build_options.h"
#include "client/cli/commands.h"
#include "client/cli/file_request.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

struct Options {
  BuildFlags flags;
  std::string format = "text";
};

}  // namespace

void AddCheckCommand(Command& root) {
  Command check = root.Sub("check", "Check a build file, and run nothing",
                           "zlayer check --format json -f docker/Dockerfile .");
  auto options = std::make_shared<Options>();
  AddBuildOptions(check, &options->flags);
  check.Section("Output").Choice(
      {"--format", "", "Findings with their lines, or one JSON document"}, &options->format,
      {"text", "json"});
  check.Run([options](Session& session) {
    FileCall call;
    call.json = options->format == "json";
    return CallFile(session, options->flags, call);
  });
}

}  // namespace zlayer
