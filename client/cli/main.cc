// zlayer: the command line of zlayerd.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "client/cli/command.h"
#include "client/cli/commands.h"
#include "client/cli/interrupts.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

void AddAllCommands(Command& root) {
  AddBuildCommand(root);
  AddImagesCommand(root);
  AddInspectCommand(root);
  AddImportCommand(root);
  AddExportCommand(root);
  AddTagCommand(root);
  AddRemoveCommand(root);
  AddBuildsCommand(root);
  AddInfoCommand(root);
  AddVersionCommand(root);
}

void PrintError(std::string_view sentence) {
  WriteFully(STDERR_FILENO, fmt::format("{}\n", sentence)).IgnoreError();
}

int Main(int argc, const char* const* argv) {
  GlobalOptions options;
  CommandLine command_line("zlayer", "Builds container images with zlayerd.");
  command_line.root()
      .Option(
          {"--address", "ADDRESS", "Where the daemon listens: unix:///PATH (also $ZLAYER_ADDRESS)"},
          &options.address)
      .Option({"--namespace", "NAME", "Namespace of builds and images"}, &options.name_space);
  AddAllCommands(command_line.root());
  CommandLine::Parsed parsed = command_line.Parse(argc, argv);
  if (!parsed.action) {
    if (parsed.exit_code == 0) {
      Print(parsed.text);
    } else {
      PrintError(parsed.text);
    }
    return parsed.exit_code;
  }
  Interrupts interrupts;
  Session session(&options, interrupts.token());
  absl::Status status = parsed.action(session);
  bool interrupted = interrupts.token().stop_requested();
  if (!status.ok()) {
    PrintError(interrupted && absl::IsCancelled(status) ? "interrupted" : Message(status));
  }
  return ExitCode(status, interrupted);
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  // gRPC's own log lines are not sentences for users.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  return zlayer::Main(argc, argv);
}
