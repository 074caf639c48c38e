// Repositories in memory, of one name space, for tests and for trying the server by hand.
#ifndef ZLAYER_REGISTRY_SERVER_TESTING_MEMORY_REPOSITORIES_H_
#define ZLAYER_REGISTRY_SERVER_TESTING_MEMORY_REPOSITORIES_H_

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "registry/image/repositories.h"

namespace zlayer {

// The order of tags: case does not count, except between those that are the same but for it.
struct LexicalOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    return std::tuple(ToLower(a), a) < std::tuple(ToLower(b), b);
  }
};

class MemoryRepositories : public Repositories {
 public:
  // A blob that is bytes alone is read as if it was made on the way; one that is a file is one.
  Digest AddBlob(std::string bytes) {
    const Digest digest = Digest::Of(bytes);
    MutexLock lock(&mutex_);
    blobs_[digest] = {.bytes = std::make_shared<const std::string>(std::move(bytes))};
    return digest;
  }
  void AddFile(const Digest& digest, ContentFile file) {
    MutexLock lock(&mutex_);
    blobs_[digest] = {.file = std::move(file)};
  }
  // What reading and writing blobs return from now on.
  void FailBlobs(absl::Status error) {
    MutexLock lock(&mutex_);
    error_ = std::move(error);
  }
  size_t live_uploads() const { return live_uploads_; }

  absl::StatusOr<RepositoryManifest> GetManifest(std::string_view, const std::string& repository,
                                                 const std::string& reference) override {
    MutexLock lock(&mutex_);
    const Repository& from = repositories_[repository];
    const auto digest = Resolve(from, reference);
    if (!digest || !from.manifests.contains(*digest)) {
      return NotFound("there is no such manifest");
    }
    return from.manifests.at(*digest);
  }

  absl::StatusOr<Digest> PutManifest(std::string_view, const ManifestPut& put) override {
    const auto document = nlohmann::json::parse(put.bytes, nullptr, false);
    if (!document.is_object() || document.value("schemaVersion", 0) != 2) {
      return InvalidArgument("it is no manifest");
    }
    MutexLock lock(&mutex_);
    Repository& to = repositories_[put.repository];
    for (const Digest& digest : Named(document)) {
      if (!put.sparse && !blobs_.contains(digest) && !to.manifests.contains(digest)) {
        return FailedPrecondition("it names " + digest.ToString() + ", which is not there");
      }
    }
    const Digest digest = Digest::Of(put.bytes);
    to.manifests[digest] = {.digest = digest, .media_type = put.media_type, .bytes = put.bytes};
    if (!put.tag.empty()) {
      to.tags[put.tag] = digest;
    }
    return digest;
  }

  absl::Status DeleteManifest(std::string_view, const std::string& repository,
                              const std::string& reference) override {
    MutexLock lock(&mutex_);
    Repository& from = repositories_[repository];
    const auto digest = Resolve(from, reference);
    if (!digest || !from.manifests.contains(*digest)) {
      return NotFound("there is no such manifest");
    }
    if (from.tags.erase(reference) == 0) {
      from.manifests.erase(*digest);
      std::erase_if(from.tags, [&](const auto& tag) { return tag.second == *digest; });
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ListTags(std::string_view, const std::string& repository,
                                                    const std::string& after,
                                                    size_t limit) override {
    MutexLock lock(&mutex_);
    const Repository& of = repositories_[repository];
    if (of.manifests.empty()) {
      return NotFound("there is no such repository");
    }
    return Page(of.tags, after, limit, [](const auto&) { return true; });
  }

  absl::StatusOr<std::vector<std::string>> ListRepositories(std::string_view,
                                                            const std::string& after,
                                                            size_t limit) override {
    MutexLock lock(&mutex_);
    return Page(repositories_, after, limit,
                [](const Repository& each) { return !each.manifests.empty(); });
  }

  absl::StatusOr<std::vector<Referrer>> ListReferrers(std::string_view,
                                                      const std::string& repository,
                                                      const Digest& subject) override {
    MutexLock lock(&mutex_);
    std::vector<Referrer> referrers;
    for (const auto& [digest, manifest] : repositories_[repository].manifests) {
      const auto document = nlohmann::json::parse(manifest.bytes);
      if (!document.contains("subject") ||
          document["subject"].value("digest", "") != subject.ToString()) {
        continue;
      }
      std::string type = document.value("artifactType", "");
      if (type.empty() && document.contains("config")) {
        type = document["config"].value("mediaType", "");
      }
      referrers.push_back(
          {.digest = digest,
           .media_type = manifest.media_type,
           .size = manifest.bytes.size(),
           .artifact_type = std::move(type),
           .annotations = document.value("annotations", std::map<std::string, std::string>())});
    }
    return referrers;
  }

  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(std::string_view,
                                                       const Digest& digest) override {
    MutexLock lock(&mutex_);
    if (!blobs_.contains(digest)) {
      return NotFound("there is no such blob");
    }
    return std::make_unique<Reader>(blobs_.at(digest), error_);
  }

  absl::StatusOr<std::unique_ptr<BlobUpload>> NewBlob(std::string_view) override {
    return std::make_unique<Upload>(this);
  }

  absl::Status DropStaleRows() override { return absl::OkStatus(); }

  absl::Status DeleteBlob(std::string_view, const Digest& digest) override {
    MutexLock lock(&mutex_);
    if (!blobs_.contains(digest)) {
      return NotFound("there is no such blob");
    }
    for (const auto& [name, repository] : repositories_) {
      for (const auto& [id, manifest] : repository.manifests) {
        const auto named = Named(nlohmann::json::parse(manifest.bytes));
        if (std::find(named.begin(), named.end(), digest) != named.end()) {
          return FailedPrecondition("a manifest names it");
        }
      }
    }
    blobs_.erase(digest);
    return absl::OkStatus();
  }

 private:
  struct Repository {
    std::map<Digest, RepositoryManifest> manifests;
    std::map<std::string, Digest, LexicalOrder> tags;
  };
  struct Blob {
    std::shared_ptr<const std::string> bytes;
    ContentFile file;
  };

  class Reader : public BlobReader {
   public:
    Reader(Blob blob, absl::Status error) : blob_(std::move(blob)), error_(std::move(error)) {}
    uint64_t size() const override { return blob_.bytes ? blob_.bytes->size() : blob_.file.size; }
    const ContentFile* file() const override { return blob_.bytes ? nullptr : &blob_.file; }
    absl::Status Read(uint64_t offset, uint64_t length,
                      const std::function<absl::Status(std::string_view)>& sink,
                      std::stop_token) override {
      return error_.ok() ? sink(std::string_view(*blob_.bytes).substr(offset, length)) : error_;
    }

   private:
    const Blob blob_;
    const absl::Status error_;
  };

  class Upload : public BlobUpload {
   public:
    explicit Upload(MemoryRepositories* owner) : owner_(owner) { ++owner_->live_uploads_; }
    ~Upload() override { --owner_->live_uploads_; }
    absl::Status Append(std::string_view data) override {
      {
        MutexLock lock(&owner_->mutex_);
        if (!owner_->error_.ok()) {
          return owner_->error_;
        }
      }
      bytes_ += data;
      return absl::OkStatus();
    }
    uint64_t size() const override { return bytes_.size(); }
    absl::Status Commit(const Digest& expected) override {
      const Digest found = Digest::Of(bytes_);
      if (found != expected) {
        return InvalidArgument("the blob has the digest " + found.ToString() + ", not " +
                               expected.ToString());
      }
      owner_->AddBlob(std::move(bytes_));
      return absl::OkStatus();
    }

   private:
    MemoryRepositories* const owner_;
    std::string bytes_;
  };

  static std::optional<Digest> Resolve(const Repository& from, const std::string& reference) {
    if (const auto digest = Digest::Parse(reference); digest.ok()) {
      return *digest;
    }
    const auto tag = from.tags.find(reference);
    return tag == from.tags.end() ? std::nullopt : std::optional(tag->second);
  }

  // Configuration, layers and manifests; not the subject.
  static std::vector<Digest> Named(const nlohmann::json& document) {
    std::vector<Digest> named;
    const auto add = [&](const nlohmann::json& descriptor) {
      if (const auto digest = Digest::Parse(descriptor.value("digest", "")); digest.ok()) {
        named.push_back(*digest);
      }
    };
    if (document.contains("config")) {
      add(document["config"]);
    }
    for (const char* list : {"layers", "manifests"}) {
      for (const auto& descriptor : document.value(list, nlohmann::json::array())) {
        add(descriptor);
      }
    }
    return named;
  }

  template <typename Map, typename Wanted>
  static std::vector<std::string> Page(const Map& map, const std::string& after, size_t limit,
                                       Wanted wanted) {
    std::vector<std::string> names;
    for (auto at = map.upper_bound(after); at != map.end() && names.size() < limit; ++at) {
      if (wanted(at->second)) {
        names.push_back(at->first);
      }
    }
    return names;
  }

  std::atomic<size_t> live_uploads_ = 0;
  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, Blob> blobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Repository> repositories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_TESTING_MEMORY_REPOSITORIES_H_
