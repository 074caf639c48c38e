// The registry that other tools pull from and push to: /v2/ over HTTP or HTTPS (distribution-spec
// 1.1, all of its endpoints, and Docker's _catalog), from the same store that builds use.
//
// "/v2/<name>/..." is the image that users call <name>: "app" is docker.io/library/app,
// "ghcr.io/x/y" is just that. Names with a port cannot be in a URL, and are not in the catalog. All
// repositories of a name space share its blobs: a blob is found under each of their names.
#ifndef ZLAYER_REGISTRY_SERVER_REGISTRY_SERVER_H_
#define ZLAYER_REGISTRY_SERVER_REGISTRY_SERVER_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/thread_pool.h"
#include "registry/image/repositories.h"
#include "registry/server/http_server.h"
#include "registry/server/upload_sessions.h"

namespace zlayer {

// Brings a blob here that the name space's images name and that another registry has. Blocks.
// kNotFound: no registry is known that has it, or it has it no more.
using BlobFetch = std::function<absl::Status(const std::string& name_space, const Digest& blob,
                                             std::stop_token stop)>;

struct RegistryServerOptions {
  HttpServerOptions http;
  std::string name_space;
  // Else whatever would change something is answered with 405 and UNSUPPORTED.
  bool writable = false;
  UploadLimits uploads;
  const Clock* clock = SystemClock();
  // For blobs that are asked for and not here; where it is empty they are unknown. It runs on
  // threads of its own, `fetches` of them: others wait in line.
  BlobFetch fetch;
  size_t fetches = 8;
};

class RegistryServer {
 public:
  // Serves from then on. Errors are those of HttpServer. `repositories` must outlive it.
  static absl::StatusOr<std::unique_ptr<RegistryServer>> Start(const RegistryServerOptions& options,
                                                               Repositories* repositories);

  // Ends as HttpServer does; uploads that were not finished are dropped.
  virtual ~RegistryServer() = default;
  virtual const std::vector<std::string>& addresses() const = 0;
};

// What its answers are made from. Nothing is owned.
struct RegistryContext {
  Repositories* repositories = nullptr;
  UploadSessions* uploads = nullptr;
  std::string name_space;
  BlobFetch fetch;                 // may be empty
  ThreadPool* fetchers = nullptr;  // where it runs
};

// The same without connections: what the server answers.
std::unique_ptr<HttpHandler> NewRegistryHandler(const RegistryContext& context, bool writable);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_REGISTRY_SERVER_H_
