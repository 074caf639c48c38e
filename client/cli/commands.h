// The commands of zlayer, a file each.
#ifndef ZLAYER_CLIENT_CLI_COMMANDS_H_
#define ZLAYER_CLIENT_CLI_COMMANDS_H_

#include "client/cli/command.h"

namespace zlayer {

void AddBuildCommand(Command& root);
void AddImagesCommand(Command& root);
void AddInspectCommand(Command& root);
void AddImportCommand(Command& root);
void AddExportCommand(Command& root);
void AddTagCommand(Command& root);
void AddRemoveCommand(Command& root);
void AddBuildsCommand(Command& root);
void AddInfoCommand(Command& root);
void AddVersionCommand(Command& root);

// The parts of `zlayer builds` that follow a build.
void AddLogsCommand(Command& builds);
void AddWatchCommand(Command& builds);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMMANDS_H_
