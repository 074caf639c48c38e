// The commands of pipelines.
#ifndef ZLAYER_CLIENT_CLI_PIPELINE_COMMANDS_H_
#define ZLAYER_CLIENT_CLI_PIPELINE_COMMANDS_H_

#include "client/cli/command.h"

namespace zlayer {

void AddPipelineCommand(Command& root);
void AddPipelinesCommand(Command& root);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_PIPELINE_COMMANDS_H_
