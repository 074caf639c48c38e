// The checks of FROM: of what its base and --platform come to.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_BASES_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_BASES_H_

#include "daemon/frontend/dockerfile/findings.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"

namespace zlayer {

// Of all stages. `arguments` are those before the first FROM, with the build's values; `defaults`
// the same without what the request sets.
void CheckBases(const DockerfileInstructions& file, char escape, const Variables& arguments,
                const Variables& defaults, Findings* findings);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_BASES_H_
