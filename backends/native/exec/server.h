// The executor process: takes orders from the daemon, forks a process for each run, answers.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_SERVER_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_SERVER_H_

#include <string>

#include "backends/native/exec/runtime.h"

namespace zlayer {

struct ServerOptions {
  std::string trees;      // without symlinks
  std::string workspace;  // see Workspace
  Runtime runtime;
};

// What the server says first where it is ready; else the sentence that says why not.
inline constexpr char kServerReady[] = "ready";

// To be called by pid 1 of a new pid namespace that was forked from a single-threaded process.
// Serves until the other end of `socket` closes or SIGTERM comes (also as parent-death signal);
// then it ends all runs, removes their scratch directories and exits.
[[noreturn]] void ServeRuns(int socket, const ServerOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_SERVER_H_
