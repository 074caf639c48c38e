// Registries in memory, for tests of what pulls and pushes.
#ifndef ZLAYER_REGISTRY_TRANSFER_TESTING_MEMORY_REGISTRY_H_
#define ZLAYER_REGISTRY_TRANSFER_TESTING_MEMORY_REGISTRY_H_

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "registry/client/registry_client.h"

namespace zlayer {

// Every registry that is asked exists. Thread-safe.
class MemoryRegistry : public RegistryClient {
 public:
  struct Repository {
    std::map<std::string, RemoteManifest> manifests;  // by tag and by digest
    std::map<Digest, std::string> blobs;
  };

  // By "registry/repository". Not to be touched while calls run.
  std::map<std::string, Repository> repositories;
  // What every call returns instead.
  absl::Status down;
  // What credentials a repository wants; "" for none.
  std::map<std::string, std::string> passwords;
  bool can_mount = true;
  // Called before a blob is taken, on the thread that brings it.
  std::function<void()> before_put = [] {};

  // An image without layers.
  void AddImage(const std::string& name, const std::string& tag) {
    const std::string config =
        R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})";
    const std::string bytes = fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}",)"
        R"("size":{}}},"layers":[]}})",
        kManifestType, kConfigType, Digest::Of(config).ToString(), config.size());
    Repository& repository = repositories[name];
    repository.blobs[Digest::Of(config)] = config;
    repository.manifests[tag] = {Digest::Of(bytes), std::string(kManifestType), bytes};
  }

  // What was asked, one a line: "HEAD manifest registry/repository:tag".
  std::vector<std::string> Calls() {
    MutexLock lock(&mutex_);
    return calls_;
  }
  size_t Count(std::string_view begin) {
    size_t count = 0;
    for (const std::string& call : Calls()) {
      count += call.starts_with(begin) ? 1 : 0;
    }
    return count;
  }
  void Forget() {
    MutexLock lock(&mutex_);
    calls_.clear();
  }

  absl::StatusOr<RemoteManifest> GetManifest(const RemoteRepository& where,
                                             const std::string& reference,
                                             std::stop_token) override {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Begin("GET manifest", where, reference));
    Repository& repository = repositories[Name(where)];
    auto found = repository.manifests.find(reference);
    return found == repository.manifests.end()
               ? NotFound(fmt::format("{} has no manifest {}", Name(where), reference))
               : absl::StatusOr<RemoteManifest>(found->second);
  }
  absl::StatusOr<std::optional<RemoteDescriptor>> HeadManifest(const RemoteRepository& where,
                                                               const std::string& reference,
                                                               std::stop_token) override {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Begin("HEAD manifest", where, reference));
    Repository& repository = repositories[Name(where)];
    auto found = repository.manifests.find(reference);
    if (found == repository.manifests.end()) {
      return std::optional<RemoteDescriptor>();
    }
    return std::optional<RemoteDescriptor>(RemoteDescriptor{
        found->second.digest, found->second.media_type, found->second.bytes.size()});
  }
  absl::Status PutManifest(const RemoteRepository& where, const std::string& reference,
                           std::string_view media_type, std::string_view bytes,
                           std::stop_token) override {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Begin("PUT manifest", where, reference));
    const RemoteManifest manifest{Digest::Of(bytes), std::string(media_type), std::string(bytes)};
    repositories[Name(where)].manifests[reference] = manifest;
    repositories[Name(where)].manifests[manifest.digest.ToString()] = manifest;
    return absl::OkStatus();
  }
  absl::Status GetBlob(const RemoteRepository& where, const RemoteDescriptor& blob,
                       const BlobSink& sink, std::stop_token) override {
    std::string bytes;
    {
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(Begin("GET blob", where, blob.digest.ToString()));
      const auto& blobs = repositories[Name(where)].blobs;
      auto found = blobs.find(blob.digest);
      if (found == blobs.end()) {
        return NotFound(fmt::format("{} has no blob {}", Name(where), blob.digest.ToString()));
      }
      bytes = found->second;
    }
    RETURN_IF_ERROR(sink.append(bytes));
    return Digest::Of(bytes) == blob.digest ? absl::OkStatus() : DataLoss("it sent other bytes");
  }
  absl::StatusOr<std::optional<BlobFound>> FindBlob(const RemoteRepository& where,
                                                    const Digest& digest,
                                                    const std::vector<std::string>& mount_from,
                                                    std::stop_token) override {
    MutexLock lock(&mutex_);
    return Find(where, digest, mount_from);
  }
  absl::Status PutBlob(const RemoteRepository& where, const BlobSource& blob,
                       std::stop_token) override {
    before_put();
    {
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(Begin("PUT blob", where, blob.digest.ToString()));
    }
    std::string bytes;
    RETURN_IF_ERROR(blob.read(0, [&](std::string_view piece) {
      bytes += piece;
      return absl::OkStatus();
    }));
    if (Digest::Of(bytes) != blob.digest || bytes.size() != blob.size) {
      return InvalidArgument("the digest is not that of what was sent");
    }
    MutexLock lock(&mutex_);
    repositories[Name(where)].blobs[blob.digest] = std::move(bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<RemoteDescriptor> PutStream(const RemoteRepository& where, const BlobStream& blob,
                                             std::stop_token stop) override {
    before_put();
    std::string bytes;
    const auto append = [&](std::string_view piece) {
      bytes += piece;
      return absl::OkStatus();
    };
    ASSIGN_OR_RETURN(const RemoteDescriptor made, blob.make(append, std::move(stop)));
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Begin("PUT blob", where, made.digest.ToString()));
    if (Digest::Of(bytes) != made.digest || bytes.size() != made.size) {
      return InvalidArgument("the digest is not that of what was sent");
    }
    repositories[Name(where)].blobs[made.digest] = std::move(bytes);
    return made;
  }
  bool HasLogin(const RemoteRepository& where) override {
    return where.credentials && !where.credentials(where.registry, where.repository).empty();
  }
  absl::Status CheckCredentials(const RemoteRepository& where, std::stop_token) override {
    MutexLock lock(&mutex_);
    return Begin("check", where, "");
  }

 private:
  static constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
  static constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";

  static std::string Name(const RemoteRepository& where) {
    return where.registry + "/" + where.repository;
  }

  absl::StatusOr<std::optional<BlobFound>> Find(const RemoteRepository& where, const Digest& digest,
                                                const std::vector<std::string>& mount_from)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    RETURN_IF_ERROR(Begin("HEAD blob", where, digest.ToString()));
    std::map<Digest, std::string>& blobs = repositories[Name(where)].blobs;
    if (blobs.contains(digest)) {
      return BlobFound::kPresent;
    }
    for (const std::string& from : mount_from) {
      RETURN_IF_ERROR(Begin("MOUNT blob", where, fmt::format("{} {}", digest.ToString(), from)));
      const auto& others = repositories[where.registry + "/" + from].blobs;
      if (auto found = others.find(digest); can_mount && found != others.end()) {
        blobs[digest] = found->second;
        return BlobFound::kMounted;
      }
    }
    return std::nullopt;
  }

  absl::Status Begin(const char* what, const RemoteRepository& where, const std::string& reference)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    calls_.push_back(fmt::format("{} {}:{}", what, Name(where), reference));
    RETURN_IF_ERROR(down);
    const std::string& wanted = passwords[Name(where)];
    if (!wanted.empty() &&
        (!where.credentials ||
         where.credentials(where.registry, where.repository).password != wanted)) {
      return absl::UnauthenticatedError(fmt::format("{} wants credentials", Name(where)));
    }
    return absl::OkStatus();
  }

  Mutex mutex_;
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_TESTING_MEMORY_REGISTRY_H_
