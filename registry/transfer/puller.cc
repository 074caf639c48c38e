#include "registry/transfer/puller.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/platform.h"
#include "registry/layer/single_flight.h"
#include "registry/transfer/candidates.h"

namespace zlayer {
namespace {

constexpr size_t kThreads = 8;
// What registries said of more tags than these is forgotten.
constexpr size_t kRemembered = 10'000;

// What registries said of tags, for a while. Thread-safe.
class Answers {
 public:
  Answers(const Clock* clock, const PullerOptions& options) : clock_(clock), options_(options) {}

  struct Answer {
    Digest digest;        // none where `status` is an error
    absl::Status status;  // that there is no such image, or that nobody answers
  };

  // What was asked for, by its name, and what else the answer depends on.
  using Key = std::pair<std::string, std::string>;

  std::optional<Answer> Find(const Key& key) {
    MutexLock lock(&mutex_);
    auto found = answers_.find(key);
    if (found == answers_.end() || clock_->NowNs() >= found->second.until_ns) {
      return std::nullopt;
    }
    return found->second.answer;
  }

  void Remember(const Key& key, Answer answer) {
    const std::chrono::nanoseconds kept = answer.status.ok() ? options_.fresh : options_.absent;
    MutexLock lock(&mutex_);
    if (answers_.size() >= kRemembered) {
      answers_.clear();
    }
    answers_[key] = {std::move(answer), clock_->NowNs() + kept.count()};
  }

  void Forget(const std::string& name) {
    MutexLock lock(&mutex_);
    auto first = answers_.lower_bound({name, ""});
    auto last = first;
    while (last != answers_.end() && last->first.first == name) {
      ++last;
    }
    answers_.erase(first, last);
  }

 private:
  struct Kept {
    Answer answer;
    int64_t until_ns = 0;
  };

  const Clock* const clock_;
  const PullerOptions options_;
  Mutex mutex_;
  std::map<Key, Kept> answers_ ABSL_GUARDED_BY(mutex_);
};

class RegistryPuller : public Puller {
 public:
  RegistryPuller(ImageStore* images, Repositories* repositories, RegistryClient* client,
                 const Clock* clock, const PullerOptions& options)
      : images_(images), repositories_(repositories), client_(client), answers_(clock, options) {}

  absl::StatusOr<PulledImage> Resolve(const PullRequest& request, const ProgressSink& progress,
                                      std::stop_token stop) override;
  absl::StatusOr<PulledManifest> Pull(const PullRequest& request, const ProgressSink& progress,
                                      std::stop_token stop) override;
  absl::StatusOr<RepositoryManifest> Inspect(const PullRequest& request,
                                             std::stop_token stop) override;
  BlobFetcher Fetcher(CredentialsOf credentials, ProgressSink progress) override;
  void Forget(const Reference& pushed) override { answers_.Forget(pushed.Normalized()); }

 private:
  // One image of one registry.
  struct Wanted {
    const PullRequest& request;
    const Reference& reference;
    const ProgressSink& progress;
    const std::stop_token& stop;
    int depth = 0;             // of indexes around what is stored
    bool has_another = false;  // which counts where nobody answers

    std::string repository() const { return RepositoryOf(reference); }
    Answers::Key key() const {
      return {reference.Normalized(),
              fmt::format("{} {} {}", request.name_space, Login(),
                          request.all_platforms ? "all" : FormatPlatform(request.platform))};
    }
    // Whoever is logged in otherwise gets answers of their own.
    std::string Login() const {
      const RegistryCredentials who =
          request.credentials ? request.credentials(reference.registry, reference.repository)
                              : RegistryCredentials();
      return who.empty() ? "-"
                         : Digest::Of(who.username + '\0' + who.password + '\0' + who.token).Hex();
    }
    RemoteRepository remote() const {
      return {reference.registry, reference.repository, request.credentials};
    }
  };

  absl::StatusOr<StoredImage> Here(const PullRequest& request, const Reference& reference);
  absl::StatusOr<PulledImage> ResolveHere(const PullRequest& request,
                                          const std::vector<Reference>& candidates);
  absl::StatusOr<PulledImage> ResolveThere(const PullRequest& request,
                                           const std::vector<Reference>& candidates,
                                           bool has_another, const ProgressSink& progress,
                                           std::stop_token stop);
  bool MayBeElsewhere(const Wanted& wanted, const absl::Status& status);
  bool Counts(const Wanted& wanted, const Answers::Answer& known);
  absl::StatusOr<Digest> Update(const Wanted& wanted);
  absl::Status CheckPlatform(const Wanted& wanted, const Digest& pulled);
  absl::StatusOr<Digest> Ask(const Wanted& wanted);
  absl::StatusOr<Digest> Fetch(const Wanted& wanted);
  absl::Status Store(const Wanted& wanted, const RemoteManifest& manifest);
  absl::Status Name(const Wanted& wanted, const Digest& manifest);
  absl::StatusOr<std::vector<StoredImage>> ImagesOf(const PullRequest& request,
                                                    const RepositoryManifest& manifest);
  absl::Status StoreChildren(const Wanted& wanted, const AnyManifest& index);
  absl::Status StoreBlob(const Wanted& wanted, const Descriptor& blob, const char* what);

  ImageStore* const images_;
  Repositories* const repositories_;
  RegistryClient* const client_;
  Answers answers_;
  SingleFlight<Digest, Answers::Key> flights_;  // by Wanted::key
};

absl::StatusOr<StoredImage> RegistryPuller::Here(const PullRequest& request,
                                                 const Reference& reference) {
  return images_->Get(request.name_space, reference.Normalized(), request.platform);
}

absl::StatusOr<PulledImage> RegistryPuller::ResolveHere(const PullRequest& request,
                                                        const std::vector<Reference>& candidates) {
  // An image of the plain name, which is the last candidate, wins over one of the default registry.
  absl::Status status;
  for (auto candidate = candidates.rbegin(); candidate != candidates.rend(); ++candidate) {
    absl::StatusOr<StoredImage> image = Here(request, *candidate);
    if (image.ok()) {
      return PulledImage{*std::move(image), candidate->Normalized(), ""};
    }
    status = image.status();
    if (!absl::IsNotFound(status)) {
      break;
    }
  }
  return status;
}

absl::StatusOr<PulledImage> RegistryPuller::ResolveThere(const PullRequest& request,
                                                         const std::vector<Reference>& candidates,
                                                         bool has_another,
                                                         const ProgressSink& progress,
                                                         std::stop_token stop) {
  absl::Status first;
  for (const Reference& candidate : candidates) {
    const Wanted wanted{request, candidate, progress, stop, 0, has_another};
    absl::StatusOr<Digest> digest = Update(wanted);
    if (digest.ok()) {
      RETURN_IF_ERROR(Name(wanted, *digest));
      ASSIGN_OR_RETURN(StoredImage image,
                       images_->Get(request.name_space, digest->ToString(), request.platform));
      PulledImage pulled{std::move(image), candidate.Normalized(), ""};
      if (!first.ok() && !absl::IsNotFound(first)) {
        pulled.warning = fmt::format("image {} is taken from {}: {}", ToUtf8(request.reference),
                                     candidate.registry, Message(first));
      }
      return pulled;
    }
    first.Update(digest.status());
    if (!MayBeElsewhere(wanted, digest.status())) {
      break;
    }
  }
  return first;
}

// Many registries refuse strangers what they do not have. Whom one knows and refuses, though, means
// what is there, and must not get somebody else's image of the name.
bool RegistryPuller::MayBeElsewhere(const Wanted& wanted, const absl::Status& status) {
  return MeansAbsent(status) && (absl::IsNotFound(status) || !client_->HasLogin(wanted.remote()));
}

absl::StatusOr<PulledImage> RegistryPuller::Resolve(const PullRequest& request,
                                                    const ProgressSink& progress,
                                                    std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::vector<Reference> candidates,
                   Candidates(request.reference, request.default_registry));
  absl::StatusOr<PulledImage> here = absl::NotFoundError("");
  if (request.policy != PullPolicy::kAlways) {
    here = ResolveHere(request, candidates);
    if (absl::IsNotFound(here.status())) {
      // What is no name of an image may begin its digest, which no registry is asked for.
      absl::StatusOr<StoredImage> image =
          images_->Get(request.name_space, request.reference, request.platform);
      if (image.ok()) {
        return PulledImage{*std::move(image), candidates.back().Normalized(), ""};
      }
      here = image.status();
    }
    const bool enough = request.policy != PullPolicy::kNewer || !candidates[0].digest.empty();
    if ((here.ok() && enough) || request.policy == PullPolicy::kNever ||
        (!here.ok() && !absl::IsNotFound(here.status()))) {
      return here;
    }
  }
  // What is here under one of the names is the one that may have become newer.
  std::vector<Reference> asked = candidates;
  if (here.ok()) {
    std::erase_if(asked, [&](const Reference& r) { return r.Normalized() != here->reference; });
  }
  absl::StatusOr<PulledImage> there =
      ResolveThere(request, asked, here.ok(), progress, std::move(stop));
  if (!there.ok() && here.ok() && !absl::IsCancelled(there.status())) {
    here->warning = fmt::format("image {} is used as it is here: {}", ToUtf8(request.reference),
                                Message(there.status()));
    return here;
  }
  if (!there.ok() && !absl::IsCancelled(there.status())) {
    const std::string image = fmt::format("image {}", ToUtf8(request.reference));
    return Annotate(there.status(), request.policy == PullPolicy::kAlways
                                        ? image + " cannot be pulled"
                                        : image + " is not in the local store");
  }
  return there;
}

// Whether what a registry said a while ago is still of use.
bool RegistryPuller::Counts(const Wanted& wanted, const Answers::Answer& known) {
  if (!known.status.ok()) {
    return MeansAbsent(known.status) || wanted.has_another;
  }
  return images_->Get(wanted.request.name_space, known.digest.ToString(), wanted.request.platform)
      .ok();
}

// The manifest that the reference means in the registry, which is here afterwards, without a name.
absl::StatusOr<Digest> RegistryPuller::Update(const Wanted& wanted) {
  const Answers::Key key = wanted.key();
  return flights_.Do(key, wanted.stop, [&]() -> absl::StatusOr<Digest> {
    const std::optional<Answers::Answer> known =
        wanted.request.policy == PullPolicy::kAlways ? std::nullopt : answers_.Find(key);
    if (known && Counts(wanted, *known)) {
      return known->status.ok() ? absl::StatusOr<Digest>(known->digest) : known->status;
    }
    absl::StatusOr<Digest> digest = Ask(wanted);
    if (digest.ok()) {
      answers_.Remember(key, {*digest, absl::OkStatus()});
    } else if (MeansAbsent(digest.status()) || absl::IsUnavailable(digest.status())) {
      answers_.Remember(key, {Digest(), digest.status()});
    }
    return digest;
  });
}

// One HEAD where the image is here, else its manifests.
absl::StatusOr<Digest> RegistryPuller::Ask(const Wanted& wanted) {
  absl::StatusOr<RepositoryManifest> here = repositories_->GetManifest(
      wanted.request.name_space, wanted.repository(), TagOrDigest(wanted.reference));
  if (here.ok() && !wanted.request.all_platforms) {
    ASSIGN_OR_RETURN(
        const std::optional<RemoteDescriptor> there,
        client_->HeadManifest(wanted.remote(), TagOrDigest(wanted.reference), wanted.stop));
    if (!there.has_value()) {
      return NotFound(fmt::format("there is no image {}", wanted.reference.Familiar()));
    }
    if (there->digest == here->digest &&
        images_->Get(wanted.request.name_space, here->digest.ToString(), wanted.request.platform)
            .ok()) {
      return here->digest;
    }
  }
  return Fetch(wanted);
}

absl::StatusOr<Digest> RegistryPuller::Fetch(const Wanted& wanted) {
  const std::string item = fmt::format("manifest {}", wanted.reference.Normalized());
  Report(wanted.progress, {.item = item});
  ASSIGN_OR_RETURN(
      const RemoteManifest manifest,
      client_->GetManifest(wanted.remote(), TagOrDigest(wanted.reference), wanted.stop));
  RETURN_IF_ERROR(Store(wanted, manifest));
  const uint64_t size = manifest.bytes.size();
  Report(wanted.progress, {item, TransferUpdate::State::kDone, size, size});
  return manifest.digest;
}

// The reference means it here, too.
absl::Status RegistryPuller::Name(const Wanted& wanted, const Digest& manifest) {
  if (!wanted.reference.digest.empty()) {
    return absl::OkStatus();
  }
  const std::string& name_space = wanted.request.name_space;
  const absl::StatusOr<RepositoryManifest> here =
      repositories_->GetManifest(name_space, wanted.repository(), wanted.reference.tag);
  return here.ok() && here->digest == manifest
             ? absl::OkStatus()
             : images_->Tag(name_space, manifest.ToString(), wanted.reference.Normalized())
                   .status();
}

absl::Status RegistryPuller::Store(const Wanted& wanted, const RemoteManifest& manifest) {
  absl::StatusOr<AnyManifest> document = ParseAnyManifest(manifest.media_type, manifest.bytes);
  if (!document.ok()) {
    return Annotate(document.status(), fmt::format("manifest {} of {}", manifest.digest.ToString(),
                                                   wanted.repository()));
  }
  if (document->kind == ManifestKind::kIndex) {
    RETURN_IF_ERROR(CheckIndexDepth(wanted.depth));
    RETURN_IF_ERROR(StoreChildren(wanted, *document));
  } else {
    RETURN_IF_ERROR(StoreBlob(wanted, document->config, "configuration"));
  }
  if (document->kind == ManifestKind::kArtifact) {
    for (const Descriptor& blob : document->layers) {
      RETURN_IF_ERROR(StoreBlob(wanted, blob, "blob"));
    }
  }
  return repositories_
      ->PutManifest(wanted.request.name_space, {.repository = wanted.repository(),
                                                .tag = "",
                                                .media_type = manifest.media_type,
                                                .bytes = manifest.bytes,
                                                .sparse = true,
                                                .layers = {}})
      .status();
}

// The image for the platform, or all of them.
absl::Status RegistryPuller::StoreChildren(const Wanted& wanted, const AnyManifest& index) {
  const v1::Platform platform =
      wanted.request.platform.os().empty() ? HostPlatform() : wanted.request.platform;
  std::vector<v1::Platform> platforms;
  for (const Descriptor& child : index.manifests) {
    platforms.push_back(child.platform);
  }
  const std::optional<size_t> meant = ChoosePlatform(platforms, platform);
  std::vector<const Descriptor*> chosen;
  for (size_t i = 0; i < index.manifests.size(); ++i) {
    if (wanted.request.all_platforms || i == meant) {
      chosen.push_back(&index.manifests[i]);
    }
  }
  if (chosen.empty() && !wanted.request.all_platforms) {
    return NotFound(fmt::format("image {} has nothing for {}, only for {}",
                                wanted.reference.Familiar(), FormatPlatform(platform),
                                FormatPlatforms(platforms)));
  }
  return ForEachInParallel(chosen.size(), kThreads, wanted.stop,
                           [&](size_t i, std::stop_token stop) -> absl::Status {
                             const Wanted part{wanted.request, wanted.reference, wanted.progress,
                                               stop, wanted.depth + 1};
                             const std::string digest = chosen[i]->digest.ToString();
                             ASSIGN_OR_RETURN(const RemoteManifest manifest,
                                              client_->GetManifest(wanted.remote(), digest, stop));
                             return Store(part, manifest);
                           });
}

absl::Status RegistryPuller::StoreBlob(const Wanted& wanted, const Descriptor& blob,
                                       const char* what) {
  if (repositories_->OpenBlob(wanted.request.name_space, blob.digest).ok()) {
    return absl::OkStatus();
  }
  if (std::string_view(what) == "configuration" && blob.size > kMaxConfigBytes) {
    return InvalidArgument(
        fmt::format("the configuration {} of {} has {} bytes, at most {} are "
                    "allowed",
                    blob.digest.ToString(), wanted.repository(), blob.size, kMaxConfigBytes));
  }
  const std::string item = fmt::format("{} {}", what, blob.digest.ToString());
  std::unique_ptr<BlobUpload> upload;
  const auto begin = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(upload, repositories_->NewBlob(wanted.request.name_space));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(begin());
  const BlobSink sink{
      .append = [&](std::string_view data) { return upload->Append(data); },
      .restart = begin,
      .progress =
          [&](uint64_t done, uint64_t total) {
            Report(wanted.progress, {item, TransferUpdate::State::kRunning, done, total});
          }};
  RETURN_IF_ERROR(client_->GetBlob(wanted.remote(), {blob.digest, blob.media_type, blob.size}, sink,
                                   wanted.stop));
  RETURN_IF_ERROR(upload->Commit(blob.digest));
  Report(wanted.progress, {item, TransferUpdate::State::kDone, blob.size, blob.size});
  return absl::OkStatus();
}

absl::StatusOr<PulledManifest> RegistryPuller::Pull(const PullRequest& request,
                                                    const ProgressSink& progress,
                                                    std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::vector<Reference> candidates,
                   Candidates(request.reference, request.default_registry));
  absl::Status first;
  for (const Reference& candidate : candidates) {
    const Wanted wanted{request, candidate, progress, stop};
    const absl::StatusOr<Digest> digest = Update(wanted);
    if (digest.ok()) {
      RETURN_IF_ERROR(CheckPlatform(wanted, *digest));
      PulledManifest pulled{.manifest = {}, .reference = candidate.Normalized(), .images = {}};
      ASSIGN_OR_RETURN(pulled.manifest,
                       repositories_->GetManifest(request.name_space, RepositoryOf(candidate),
                                                  digest->ToString()));
      ASSIGN_OR_RETURN(pulled.images, ImagesOf(request, pulled.manifest));
      const BlobFetcher fetch = Fetcher(request.credentials, progress);
      for (const StoredImage& image : pulled.images) {
        RETURN_IF_ERROR(images_->EnsureBlobs(image, fetch, stop));
      }
      RETURN_IF_ERROR(Name(wanted, *digest));
      return pulled;
    }
    first.Update(digest.status());
    if (!MayBeElsewhere(wanted, digest.status())) {
      break;
    }
  }
  return first;
}

// The one for the platform, or all of an index.
absl::StatusOr<std::vector<StoredImage>> RegistryPuller::ImagesOf(
    const PullRequest& request, const RepositoryManifest& manifest) {
  std::vector<Digest> wanted = {manifest.digest};
  ASSIGN_OR_RETURN(const AnyManifest document,
                   ParseAnyManifest(manifest.media_type, manifest.bytes));
  if (request.all_platforms && document.kind == ManifestKind::kIndex) {
    wanted.clear();
    for (const Descriptor& part : document.manifests) {
      wanted.push_back(part.digest);
    }
  }
  std::vector<StoredImage> images;
  for (const Digest& digest : wanted) {
    absl::StatusOr<StoredImage> image =
        images_->Get(request.name_space, digest.ToString(), request.platform);
    if (image.ok()) {
      images.push_back(*std::move(image));
    } else if (!absl::IsFailedPrecondition(image.status())) {
      return image.status();  // an artifact is here whole
    }
  }
  return images;
}

// An index has been looked through; an image may be for another platform than was asked for.
absl::Status RegistryPuller::CheckPlatform(const Wanted& wanted, const Digest& pulled) {
  const v1::Platform& asked = wanted.request.platform;
  if (asked.os().empty() || wanted.request.all_platforms) {
    return absl::OkStatus();
  }
  const absl::StatusOr<StoredImage> image =
      images_->Get(wanted.request.name_space, pulled.ToString(), asked);
  if (!image.ok() || PlatformMatches(image->platform, asked)) {
    return absl::OkStatus();  // an artifact is for none
  }
  return NotFound(fmt::format("image {} has nothing for {}, only for {}",
                              wanted.reference.Familiar(), FormatPlatform(asked),
                              FormatPlatform(image->platform)));
}

absl::StatusOr<RepositoryManifest> RegistryPuller::Inspect(const PullRequest& request,
                                                           std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::vector<Reference> candidates,
                   Candidates(request.reference, request.default_registry));
  const ProgressSink unreported;
  absl::Status first;
  for (const Reference& candidate : candidates) {
    const Wanted wanted{request, candidate, unreported, stop};
    absl::StatusOr<RemoteManifest> manifest =
        client_->GetManifest(wanted.remote(), TagOrDigest(candidate), stop);
    if (manifest.ok()) {
      return RepositoryManifest{manifest->digest, std::move(manifest->media_type),
                                std::move(manifest->bytes)};
    }
    first.Update(manifest.status());
    if (!MayBeElsewhere(wanted, manifest.status())) {
      break;
    }
  }
  return first;
}

BlobFetcher RegistryPuller::Fetcher(CredentialsOf credentials, ProgressSink progress) {
  return [this, credentials = std::move(credentials), progress = std::move(progress)](
             const StoredImage& image, const ImageLayer& layer, const BlobReceiver& receiver,
             std::stop_token stop) -> absl::Status {
    if (image.source.empty()) {
      return NotFound(
          fmt::format("the layer {} of image {} is not in the local store, and no "
                      "registry is known that has it",
                      layer.digest.ToString(), image.manifest.ToString()));
    }
    const size_t slash = image.source.find('/');
    const RemoteRepository where{image.source.substr(0, slash), image.source.substr(slash + 1),
                                 credentials};
    const std::string item = fmt::format("layer {}", layer.digest.ToString());
    const BlobSink sink{.append = receiver.append,
                        .restart = receiver.restart,
                        .progress = [&](uint64_t done, uint64_t total) {
                          Report(progress, {item, TransferUpdate::State::kRunning, done, total});
                        }};
    RETURN_IF_ERROR(client_->GetBlob(where, {layer.digest, layer.media_type, layer.size}, sink,
                                     std::move(stop)));
    Report(progress, {item, TransferUpdate::State::kDone, layer.size, layer.size});
    return absl::OkStatus();
  };
}

}  // namespace

bool MeansAbsent(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsUnauthenticated(status) ||
         absl::IsPermissionDenied(status);
}

std::unique_ptr<Puller> MakePuller(ImageStore* images, Repositories* repositories,
                                   RegistryClient* client, const Clock* clock,
                                   const PullerOptions& options) {
  return std::make_unique<RegistryPuller>(images, repositories, client, clock, options);
}

}  // namespace zlayer
