// Small pieces for processes that are forked and not executed. All of them need root.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_PROCESS_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_PROCESS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// Forks a child that is pid 1 of a new pid namespace: when it goes, everything in there goes.
// Returns 0 in the child, the child's pid in the caller's namespace else. Needs /proc.
absl::StatusOr<pid_t> ForkIntoPidNamespace();

// Closes every descriptor above 2 but `keep`.
void CloseAllBut(std::vector<int> keep);

// Makes a file that is not there yet.
absl::Status WriteNewFile(const std::string& path, std::string_view content);

// Default dispositions, nothing blocked.
void ResetSignals();

// waitpid without options that goes on after a signal; returns the status.
int WaitFor(pid_t pid);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_PROCESS_H_
