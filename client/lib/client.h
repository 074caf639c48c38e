// The library for programs that build images with zlayerd: connect, send a directory, build, watch.
// client/lib/example.cc is a whole program. What else is in this directory serves the command line
// and may change with it.
#ifndef ZLAYER_CLIENT_LIB_CLIENT_H_
#define ZLAYER_CLIENT_LIB_CLIENT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"

namespace zlayer {

class Connection;

struct ClientOptions {
  // "unix:///PATH". Empty: $ZLAYER_ADDRESS, else where a daemon of this user listens by default.
  std::string address;
  // Namespace of contexts and builds. Empty: "default".
  std::string name_space;
};

// One daemon. Thread-safe; each call blocks its thread until it has ended or `stop` is requested
// (kCancelled). Errors are sentences for people; kUnavailable means that no daemon answers.
class Client {
 public:
  // Gets each event once, in order, on the caller's thread.
  using EventHandler = std::function<void(const v1::BuildEvent&)>;

  // Nothing is sent yet. kInvalidArgument: the address is no unix socket's.
  static absl::StatusOr<std::unique_ptr<Client>> Open(const ClientOptions& options = {});
  ~Client();

  // Sends the files below `path` that `.dockerignore` in it keeps and the daemon does not have, and
  // names what arrived as the build context of `spec`. Set the spec's source before: where it holds
  // the build file (`dockerfile_inline`, `zimagefile_inline`, `graph`), only the files that this
  // selects travel. A context that no build uses within an hour is dropped.
  absl::Status SendDirectory(const std::string& path, v1::BuildSpec* spec,
                             std::stop_token stop = {});

  // Queues a build and returns its id. From then on it needs this program no more. An empty
  // namespace of the request is that of the client, here and below.
  absl::StatusOr<std::string> Submit(v1::SubmitBuildRequest request, std::stop_token stop = {});

  // Submits and watches, over restarts of the daemon too. Why there is no image, where the build
  // failed (kFailedPrecondition) or was canceled (kCancelled). `stop` ends the watching only:
  // Cancel ends builds.
  absl::StatusOr<v1::BuildComplete> Build(v1::SubmitBuildRequest request,
                                          const EventHandler& handler, std::stop_token stop = {});

  // The same for a build that exists, with the events after a sequence number; 0: all.
  absl::StatusOr<v1::BuildComplete> Watch(const std::string& build_id, uint64_t after_sequence,
                                          const EventHandler& handler, std::stop_token stop = {});

  // kNotFound: no such build. Canceling one that has ended changes nothing.
  absl::StatusOr<v1::BuildStatus> Get(const std::string& build_id, std::stop_token stop = {});
  absl::StatusOr<v1::BuildStatus> Cancel(const std::string& build_id, std::stop_token stop = {});

 private:
  Client(std::unique_ptr<Connection> connection, std::string name_space);

  const std::unique_ptr<Connection> connection_;
  const std::string name_space_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CLIENT_H_
