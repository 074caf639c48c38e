// The life of a program that runs without privileges, inside the process that the executor forked
// for it.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_PROCESS_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_PROCESS_H_

#include <string>

#include "backends/native/exec/run_process.h"

namespace zlayer {

// To be called by pid 1 of a pid namespace. `files.plan` holds an exec.Program; `directory` is one
// of the machine's that a tmpfs may cover. As RunInOwnProcess otherwise: report, exit, SIGKILL.
[[noreturn]] void RunProgramInOwnProcess(const std::string& directory, const RunFiles& files);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_PROGRAM_PROCESS_H_
