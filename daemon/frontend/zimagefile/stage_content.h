// The keys that a stage and the file itself both have: what is done, and what the image is.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_CONTENT_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_CONTENT_H_

#include <array>
#include <cstddef>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/yaml/key_table.h"

namespace zlayer {

struct StageContent {
  // In the order in which their instructions stand in the stage.
  enum Part : size_t {
    kEnv,
    kWorkdir,
    kSteps,
    kLabels,
    kExpose,
    kUser,
    kVolumes,
    kHealthcheck,
    kStopsignal,
    kEntrypoint,
    kCmd,
    kParts,
  };

  std::vector<Instruction> args;  // the body of each is an ArgInstruction of one argument
  std::array<std::vector<Instruction>, kParts> parts;

  // All parts in order, without the arguments.
  std::vector<Instruction> Instructions() const;
};

const KeyTable<StageContent>& StageContentKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_CONTENT_H_
