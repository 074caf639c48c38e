// What every command has: where the daemon is, whether to stop, and where text goes.
#ifndef ZLAYER_CLIENT_CLI_SESSION_H_
#define ZLAYER_CLIENT_CLI_SESSION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "client/lib/connection.h"

namespace zlayer {

// The options that every command takes.
struct GlobalOptions {
  std::string address;
  std::string name_space;
};

class Session {
 public:
  // `options` must outlive the session.
  Session(const GlobalOptions* options, std::stop_token stop)
      : options_(*options), stop_(std::move(stop)) {}

  // The connection, made when it is first asked for. A usage error where the address is wrong.
  absl::StatusOr<Connection*> connection();
  const std::string& name_space() const { return options_.name_space; }
  const std::stop_token& stop() const { return stop_; }

 private:
  const GlobalOptions& options_;
  const std::stop_token stop_;
  std::unique_ptr<Connection> connection_;
};

// `flag` where it is not empty, else the environment's ZLAYER_NAMESPACE (null: not set), else the
// daemon's own choice.
std::string ChooseNamespace(std::string_view flag, const char* environment);

// A mistake in how the program was called: exit code 2.
absl::Status UsageError(std::string_view message);

// What the program ends with: 0, 1 (refused or failed), 2 (usage), 3 (no daemon), 130.
int ExitCode(const absl::Status& status, bool interrupted);

// Writes to stdout at once. Where stdout is gone the process ends, as with SIGPIPE.
void Print(std::string_view text);

// Writes a sentence to stderr, as a line.
void PrintError(std::string_view sentence);

// Rows with equally wide columns, two spaces between them, nothing behind the last.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_SESSION_H_
