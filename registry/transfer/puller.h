// Brings images of other registries here.
//
// A pull fetches manifests and configuration; layers come when something needs them, or when they
// are asked for. What several want at once is asked for once, and what a registry said of a tag
// counts for a while.
#ifndef ZLAYER_REGISTRY_TRANSFER_PULLER_H_
#define ZLAYER_REGISTRY_TRANSFER_PULLER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "registry/client/registry_client.h"
#include "registry/image/image_store.h"
#include "registry/image/reference.h"
#include "registry/image/repositories.h"
#include "registry/transfer/progress.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// When a registry is asked.
enum class PullPolicy {
  kMissing,  // where the image is not here
  kNewer,    // at most once in `PullerOptions.fresh`; if it does not answer, what is here counts
  kAlways,
  kNever,
};

struct PullRequest {
  std::string name_space;
  std::string reference;  // as a user wrote it
  v1::Platform platform;  // the host's where empty
  bool all_platforms = false;
  PullPolicy policy = PullPolicy::kMissing;
  // What short names mean, after an image of the name that is here and before docker.io. Where it
  // refuses a login, docker.io is not asked.
  std::string default_registry;
  CredentialsOf credentials;  // may be empty
};

struct PulledImage {
  StoredImage image;
  std::string reference;  // the name that it has here, normalized
  // Why this is the image: the registry did not answer, and the policy lets what is here count; the
  // default registry refused who has no login for it, and another one has the name.
  std::string warning;
};

struct PulledManifest {
  RepositoryManifest manifest;
  std::string reference;            // the name that it has here, normalized
  std::vector<StoredImage> images;  // that came with their layers; none of an artifact
};

// Thread-safe.
class Puller {
 public:
  virtual ~Puller() = default;

  // The image that the reference means. kNotFound says where it was looked for; of an index that
  // has nothing for the platform, which platforms there are. Other errors are those of the
  // registry.
  virtual absl::StatusOr<PulledImage> Resolve(const PullRequest& request,
                                              const ProgressSink& progress,
                                              std::stop_token stop) = 0;
  // The same with what the reference means in the registry alone: an index, an artifact, or an
  // image, for the platform or all of an index. All blobs are here before it gets the name: what
  // had it keeps it where the pull ends early.
  virtual absl::StatusOr<PulledManifest> Pull(const PullRequest& request,
                                              const ProgressSink& progress,
                                              std::stop_token stop) = 0;
  // A manifest as the registry has it; nothing is kept.
  virtual absl::StatusOr<RepositoryManifest> Inspect(const PullRequest& request,
                                                     std::stop_token stop) = 0;
  // For ImageStore::EnsureLayers and EnsureBlobs: fetches from where the image was pulled. Must not
  // outlive the puller.
  virtual BlobFetcher Fetcher(CredentialsOf credentials, ProgressSink progress) = 0;
  // The registry has another manifest by this name now: what it said before counts no more.
  virtual void Forget(const Reference& pushed) = 0;
};

// Whether a registry says in one of its ways that it has no such image for who asks.
bool MeansAbsent(const absl::Status& status);

struct PullerOptions {
  // So long a registry's answer about a tag counts, for those with the same login; and that there
  // is none, or, where an image is here, that the registry does not answer.
  std::chrono::nanoseconds fresh = std::chrono::seconds(60);
  std::chrono::nanoseconds absent = std::chrono::seconds(10);
};

// The arguments must outlive the puller.
std::unique_ptr<Puller> MakePuller(ImageStore* images, Repositories* repositories,
                                   RegistryClient* client, const Clock* clock,
                                   const PullerOptions& options);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_PULLER_H_
