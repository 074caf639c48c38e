// What a step with `run` takes.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RUN_STEP_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RUN_STEP_H_

#include <map>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/yaml/key_table.h"

namespace zlayer {

const KeyTable<RunInstruction>& RunKeys();

// The keys of each kind of mount: "cache", "bind", "tmpfs", "secret", "ssh".
std::map<std::string, std::vector<std::string>> MountKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_RUN_STEP_H_
