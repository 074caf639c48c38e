// Requests about a build file of which nothing is run: `zlayer plan`, `zlayer check`.
#ifndef ZLAYER_CLIENT_CLI_FILE_REQUEST_H_
#define ZLAYER_CLIENT_CLI_FILE_REQUEST_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "client/cli/build_file.h"
#include "client/cli/command.h"
#include "client/cli/session.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct FileRequest {
  v1::BuildSpec spec;
  std::optional<BuildFile> file;  // as it was found here; nullopt where it lies in a tar on stdin
};

// What the flags ask for. The build file that was read here needs no context, unless builds are
// nested in it, and of the others only the names count; one that lies in a tar on stdin is sent
// with it. Logins that are stored for the registries of its images go along.
absl::StatusOr<FileRequest> MakeFileRequest(Session& session, const BuildFlags& flags);

// Says on stderr which template was found to fit the context, and why.
void SayRuntime(const std::optional<BuildFile>& file);

// What `zlayer build --call` asks of a build file instead of a build.
struct FileCall {
  std::string method = "check";  // check, outline, targets
  bool json = false;
};

// "outline,format=json". A usage error where it is none; nullopt for "build", which is a build.
absl::StatusOr<std::optional<FileCall>> ParseFileCall(const std::string& text);

// Asks the daemon and prints the answer. kFailedPrecondition: the file has an error or, of "check",
// findings, which have been printed (then without a message).
absl::Status CallFile(Session& session, const BuildFlags& flags, const FileCall& call);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_FILE_REQUEST_H_
