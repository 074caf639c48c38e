// Datagrams with file descriptors between the daemon and its executor process.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_WIRE_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_WIRE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace zlayer {

// The descriptors that travel with an order to start a run, in this order.
enum RunFd : size_t {
  kPlanFd,    // a memory file with an exec.Plan
  kStdoutFd,  // what the container's process writes to
  kStderrFd,
  kReportFd,  // a memory file that receives an exec.Report
  kAnswerFd,  // a pipe that receives an Answer once nothing of the run is left
  kRunFds,
};

struct Answer {
  int32_t wait_status = 0;  // of the run's own process, as waitpid gives it
};

struct Datagram {
  std::string data;
  std::vector<UniqueFd> fds;
  bool end = false;  // the other side is gone
};

// Of at most 16 KiB and kRunFds descriptors. kUnavailable where the other side is gone or does not
// read for ten seconds.
absl::Status SendDatagram(int socket, std::string_view data, const std::vector<int>& fds);

// Waits for one.
absl::StatusOr<Datagram> ReceiveDatagram(int socket);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_WIRE_H_
