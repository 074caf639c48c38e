// zlayer: the command line of zlayerd.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/errors.h"
#include "client/cli/command.h"
#include "client/cli/commands.h"
#include "client/cli/interrupts.h"
#include "client/cli/pipeline_commands.h"
#include "client/cli/session.h"
#include "client/cli/source_text.h"
#include "client/cli/terminal.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

void AddAllCommands(Command& root) {
  root.Section("Builds");
  AddBuildCommand(root);
  AddPlanCommand(root);
  AddCheckCommand(root);
  AddBuildsCommand(root);
  AddPipelineCommand(root);
  AddPipelinesCommand(root);
  AddExplainCommand(root);
  AddTraceCommand(root);
  AddDockerfileCommand(root);
  AddRuntimeCommands(root);
  root.Section("Images");
  AddImagesCommand(root);
  AddInspectCommand(root);
  AddImportCommand(root);
  AddExportCommand(root);
  AddTagCommand(root);
  AddUntagCommand(root);
  AddRemoveCommand(root);
  AddTransferCommands(root);
  AddManifestCommands(root);
  AddLoginCommands(root);
  root.Section("Program and daemon");
  AddInfoCommand(root);
  AddDfCommand(root);
  AddCacheCommand(root);
  AddVersionCommand(root);
}

// Ends the process at once. gRPC would first end its threads one after another, which takes longer
// than most commands; what the daemon has to know it was told.
[[noreturn]] void Exit(int code) {
  std::fflush(nullptr);
  std::_Exit(code);
}

// Returns where there is nothing to run.
int Main(int argc, const char* const* argv) {
  GlobalOptions options;
  ArgumentParser command_line("zlayer", "Builds container images with zlayerd.");
  Command& root = command_line.root();
  root.Section("Options of every command")
      .Option({"--address", "ADDRESS", "Where the daemon listens: unix:///PATH ($ZLAYER_ADDRESS)"},
              &options.address)
      .Option({"--namespace", "NAME", "Namespace of builds and images ($ZLAYER_NAMESPACE)"},
              &options.name_space);
  AddAllCommands(root);
  AddCompletionCommands(root, command_line.spec());
  ArgumentParser::Parsed parsed = command_line.Parse(argc, argv, HelpWidth());
  if (!parsed.action) {
    if (parsed.exit_code == 0) {
      Print(parsed.text);
    } else {
      PrintError(parsed.text);
    }
    return parsed.exit_code;
  }
  options.name_space = ChooseNamespace(options.name_space, std::getenv("ZLAYER_NAMESPACE"));
  Interrupts interrupts;
  Session session(&options, interrupts.token());
  absl::Status status = parsed.action(session);
  bool interrupted = interrupts.token().stop_requested();
  if (interrupted && absl::IsCancelled(status)) {
    PrintError("interrupted");
  } else if (!Message(status).empty()) {
    PrintError(Message(status));
    if (isatty(STDERR_FILENO) != 0) {
      const v1::ErrorDetail detail = DetailOf(status);
      PrintError(SourceText(detail.source(), detail.excerpt(), ViewOf(STDERR_FILENO)));
    }
  }
  Exit(ExitCode(status, interrupted));
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  // gRPC's own log lines are not sentences for users.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  return zlayer::Main(argc, argv);
}
