// The commands of zlayer, a file each.
#ifndef ZLAYER_CLIENT_CLI_COMMANDS_H_
#define ZLAYER_CLIENT_CLI_COMMANDS_H_

#include <string>
#include <vector>

#include "client/cli/command.h"

namespace zlayer {

void AddBuildCommand(Command& root);
void AddPlanCommand(Command& root);
void AddCheckCommand(Command& root);
void AddDockerfileCommand(Command& root);
// `runtimes` and `init`.
void AddRuntimeCommands(Command& root);
void AddImagesCommand(Command& root);
void AddInspectCommand(Command& root);
void AddImportCommand(Command& root);
void AddExportCommand(Command& root);
void AddTagCommand(Command& root);
void AddUntagCommand(Command& root);
void AddRemoveCommand(Command& root);
// `login` and `logout`.
void AddLoginCommands(Command& root);
// `pull`, `push` and `copy`.
void AddTransferCommands(Command& root);
void AddManifestCommands(Command& root);
void AddBuildsCommand(Command& root);
void AddExplainCommand(Command& root);
void AddTraceCommand(Command& root);
void AddInfoCommand(Command& root);
void AddDfCommand(Command& root);
void AddCacheCommand(Command& root);
void AddVersionCommand(Command& root);

// `completion`, and what is hidden: `__complete` and `__manual`. `program` must be the whole
// command line once an action runs.
void AddCompletionCommands(Command& root, const CommandSpec& program);

// The parts of `zlayer builds` that follow a build.
void AddLogsCommand(Command& builds);
void AddWatchCommand(Command& builds);

// The argument ID... of a command that does something to builds (build_ids.h).
void AddBuildIds(Command& command, std::vector<std::string>* ids, bool required = true);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMMANDS_H_
