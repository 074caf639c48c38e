// The checks of the instructions of stages, made while they are converted.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_STAGE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_STAGE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/findings.h"
#include "daemon/frontend/dockerfile/ignore.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"

namespace zlayer {

class StageChecks {
 public:
  // `ignore` may be null; all outlive the object. What a Dockerfile says in a way that is not
  // recommended is looked for in Dockerfiles alone.
  StageChecks(const IgnoreFile* ignore, bool is_dockerfile, Findings* findings)
      : ignore_(ignore), is_dockerfile_(is_dockerfile), findings_(findings) {}

  // The instructions that follow are of `stage`, which begins with what `base`, if it is another
  // stage, ends with. Where the base's configuration is not known, what depends on it is not
  // checked.
  void Begin(size_t stage, std::optional<size_t> base, bool base_is_known);

  // Before an instruction is converted.
  void Check(const Instruction& instruction, const StageState& state);
  // A base image is for another platform.
  void CheckPlatform(const Instruction& from, std::string_view image, const v1::Platform& wanted,
                     const v1::Platform& actual);

  // What parts of the instruction came to: variables that a word used and nothing sets, a name that
  // ARG or ENV sets, WORKDIR's path, a port of EXPOSE, a path of the build context.
  void CheckUnset(const Instruction& instruction, const std::vector<std::string>& unset,
                  const StageState& state);
  void CheckSecret(const Instruction& instruction, std::string_view name);
  void CheckWorkdir(const Instruction& instruction, std::string_view path);
  void CheckPort(const Instruction& instruction, std::string_view port);
  void CheckSource(const Instruction& instruction, std::string_view path);
  // --chown in a stage for Windows, whose accounts are in no file.
  void WarnOfOwner(const Instruction& instruction);

 private:
  void CheckCommand(const Instruction& instruction, const CommandLine& command,
                    const StageState& state);
  void CheckLegacy(const Instruction& instruction, bool legacy);
  // Only the last one of these instructions counts.
  void CheckOnce(const Instruction& instruction);
  void Report(CheckRule rule, std::string_view message, const Instruction& instruction) {
    findings_->Report(rule, message, instruction.source);
  }

  const IgnoreFile* const ignore_;
  const bool is_dockerfile_;
  Findings* const findings_;
  size_t stage_ = 0;
  std::set<size_t> unknown_;       // stages whose base is not known
  std::set<size_t> with_workdir_;  // stages with a WORKDIR of their own, or of a base's
  std::map<std::string, v1::SourceRange> seen_;  // CMD, ENTRYPOINT, HEALTHCHECK of this stage
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_STAGE_H_
