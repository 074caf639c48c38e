#include "registry/transfer/pusher.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <utility>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/client/urls.h"
#include "registry/image/image_json.h"
#include "registry/image/reference.h"
#include "registry/layer/archive.h"
#include "registry/layer/single_flight.h"
#include "registry/transfer/candidates.h"
#include "registry/transfer/layer_forms.h"

namespace zlayer {
namespace {

// Layers of an image under way at once; the registry client limits how many are transferred.
constexpr size_t kThreads = 8;
// Manifests of an index under way at once. Those of an index within one go one by one: what nests
// may not multiply.
constexpr size_t kManifests = 4;

// Registries that one image is sent to at once.
constexpr size_t kRegistries = 4;
// Between two reports on a blob.
constexpr int64_t kProgressNs = 250'000'000;

size_t ManifestsAtOnce(int depth) { return depth == 0 ? kManifests : 1; }

// Tells of the same blob on its way to several registries as of several items.
ProgressSink NamingTheRegistry(const std::string& registry, const ProgressSink& progress) {
  return [&registry, &progress](TransferUpdate update) {
    update.item += " to " + registry;
    Report(progress, update);
  };
}

// One destination of one push, or one copy.
struct Target {
  RemoteRepository where;
  std::string name;  // "localhost:5000/team/app"
  // Repositories of the registry that may have a blob of this digest.
  std::function<absl::StatusOr<std::vector<std::string>>(const Digest& blob)> mount_from;
  const ProgressSink& progress;
  std::atomic<uint64_t> sent = 0;
  // The manifests of an index may share what they refer to.
  SingleFlight<bool> blobs;
  SingleFlight<ImageLayer, std::pair<Digest, std::string>> layers;  // by media type, too

  Target(RemoteRepository w, std::string n, const ProgressSink& p)
      : where(std::move(w)), name(std::move(n)), progress(p) {}

  // Sends a blob, or waits for who sends it already.
  absl::Status Once(const Digest& blob, std::stop_token stop,
                    const std::function<absl::Status()>& send) {
    return blobs
        .Do(blob, std::move(stop),
            [&]() -> absl::StatusOr<bool> {
              RETURN_IF_ERROR(send());
              return true;
            })
        .status();
  }

  void Sent(const std::string& item, uint64_t size) {
    sent += size;
    Report(progress, {item, TransferUpdate::State::kDone, size, size});
  }
};

// Reports how far a blob is; `total` is 0 while unknown. What it refers to must outlive it.
std::function<void(uint64_t done)> Teller(const Target& target, const std::string& item,
                                          uint64_t total) {
  return [&target, &item, total, told_ns = MonotonicNs()](uint64_t done) mutable {
    if (MonotonicNs() - told_ns > kProgressNs) {
      told_ns = MonotonicNs();
      Report(target.progress, {item, TransferUpdate::State::kRunning, done, total});
    }
  };
}

class RegistryPusher : public Pusher {
 public:
  RegistryPusher(const ImageParts& parts, ImageStore* images, Repositories* repositories,
                 RegistryClient* client, Puller* puller)
      : parts_(parts),
        forms_(parts),
        images_(images),
        repositories_(repositories),
        client_(client),
        puller_(puller) {}

  absl::StatusOr<PushResult> Push(const PushRequest& request, const ProgressSink& progress,
                                  std::stop_token stop) override;
  absl::StatusOr<PushResult> Copy(const CopyRequest& request, const ProgressSink& progress,
                                  std::stop_token stop) override;

 private:
  // What was sent for a manifest that is here.
  struct Sent {
    RepositoryManifest manifest;
    std::vector<Digest> layers;  // ids, where it is an image
  };

  absl::StatusOr<PushResult> PushTo(const PushRequest& request, const Reference& destination,
                                    const RepositoryManifest& manifest,
                                    const ProgressSink& progress, std::stop_token stop);
  // `depth`: of the indexes around what is sent.
  absl::StatusOr<Sent> Send(const PushRequest& request, Target& target,
                            const RepositoryManifest& manifest, int depth, std::stop_token stop);
  absl::StatusOr<Sent> SendIndex(const PushRequest& request, Target& target,
                                 const RepositoryManifest& manifest, const AnyManifest& document,
                                 int depth, std::stop_token stop);
  absl::StatusOr<Descriptor> SendPart(const PushRequest& request, Target& target,
                                      const Descriptor& part, int depth, std::stop_token stop);
  absl::StatusOr<Sent> SendImage(const PushRequest& request, Target& target,
                                 const RepositoryManifest& manifest, std::stop_token stop);
  absl::Status SendStored(const PushRequest& request, Target& target, const Descriptor& blob,
                          std::stop_token stop);
  absl::StatusOr<ImageLayer> SendLayer(const PushRequest& request, Target& target,
                                       const StoredImage& image, const ImageLayer& layer,
                                       std::stop_token stop);
  absl::StatusOr<ImageLayer> SendCompressed(Target& target, const ImageLayer& layer,
                                            const CompressorOptions& options, std::stop_token stop);
  absl::StatusOr<bool> Finds(Target& target, const std::string& item, const RemoteDescriptor& blob,
                             std::stop_token stop);
  absl::Status SendBlob(Target& target, const std::string& item, const BlobSource& blob,
                        std::stop_token stop);
  absl::Status PutManifest(Target& target, const std::string& reference,
                           const RepositoryManifest& manifest, std::stop_token stop);
  absl::Status Keep(const PushRequest& request, const Reference& destination, const Sent& sent);

  absl::Status CopyManifest(const RemoteRepository& from, Target& target,
                            const RemoteManifest& manifest, int depth, std::stop_token stop);
  absl::StatusOr<ContentFile> FetchToFile(const RemoteRepository& from, const Descriptor& blob,
                                          std::stop_token stop);
  absl::Status CopyBlob(const RemoteRepository& from, Target& target, const Descriptor& blob,
                        std::stop_token stop);

  const ImageParts parts_;
  LayerForms forms_;
  ImageStore* const images_;
  Repositories* const repositories_;
  RegistryClient* const client_;
  Puller* const puller_;
};

absl::StatusOr<Reference> ParseDestination(const std::string& text) {
  ASSIGN_OR_RETURN(Reference reference, Reference::Parse(text));
  if (!reference.digest.empty()) {
    return InvalidArgument(fmt::format(
        "\"{}\" has a digest: an image is pushed under a name, or by digest without one",
        ToUtf8(text)));
  }
  return reference;
}

absl::StatusOr<PushResult> RegistryPusher::Push(const PushRequest& request,
                                                const ProgressSink& progress,
                                                std::stop_token stop) {
  const Uses::Work work = parts_.uses->Begin();
  RETURN_IF_ERROR(CheckPushForm(request.form));
  std::vector<Reference> destinations;
  for (const std::string& name : request.destinations.empty()
                                     ? std::vector<std::string>{request.reference}
                                     : request.destinations) {
    ASSIGN_OR_RETURN(destinations.emplace_back(), ParseDestination(name));
  }
  ASSIGN_OR_RETURN(const RepositoryManifest manifest,
                   images_->GetManifest(request.name_space, request.reference));
  // At one registry, one after another: a later destination takes what an earlier one was sent.
  std::map<std::string, std::vector<size_t>> by_registry;
  for (size_t i = 0; i < destinations.size(); ++i) {
    by_registry[destinations[i].registry].push_back(i);
  }
  std::vector<std::vector<size_t>> registries;
  for (auto& [registry, indexes] : by_registry) {
    registries.push_back(std::move(indexes));
  }
  std::vector<PushResult> pushed(destinations.size());
  const auto send = [&](size_t registry, std::stop_token stopped) -> absl::Status {
    for (size_t i : registries[registry]) {
      const Reference& to = destinations[i];
      absl::StatusOr<PushResult> sent = PushTo(
          request, to, manifest,
          registries.size() == 1 ? progress : NamingTheRegistry(to.registry, progress), stopped);
      if (!sent.ok()) {
        return Annotate(sent.status(), fmt::format("pushing {}", to.Familiar()));
      }
      pushed[i] = *std::move(sent);
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachInParallel(registries.size(), kRegistries, std::move(stop), send));
  PushResult result{.manifest = pushed[0].manifest, .config = pushed[0].config};
  for (PushResult& one : pushed) {
    result.references.push_back(std::move(one.references[0]));
    result.bytes_sent += one.bytes_sent;
  }
  return result;
}

absl::StatusOr<PushResult> RegistryPusher::PushTo(const PushRequest& request,
                                                  const Reference& destination,
                                                  const RepositoryManifest& manifest,
                                                  const ProgressSink& progress,
                                                  std::stop_token stop) {
  Target target({destination.registry, destination.repository, request.credentials},
                RepositoryOf(destination), progress);
  target.mount_from = [&](const Digest& blob) {
    return RepositoriesWith(*parts_.database, request.name_space, target.where, blob);
  };
  ASSIGN_OR_RETURN(const Sent sent, Send(request, target, manifest, 0, stop));
  const Digest digest = sent.manifest.digest;
  RETURN_IF_ERROR(PutManifest(target, request.by_digest ? digest.ToString() : destination.tag,
                              sent.manifest, std::move(stop)));
  RETURN_IF_ERROR(Keep(request, destination, sent));
  PushResult result;
  result.manifest = digest;
  ASSIGN_OR_RETURN(const AnyManifest document,
                   ParseAnyManifest(sent.manifest.media_type, sent.manifest.bytes));
  result.config = document.config.digest;
  result.references.push_back(request.by_digest
                                  ? fmt::format("{}@{}", target.name, digest.ToString())
                                  : destination.Normalized());
  result.bytes_sent = target.sent;
  return result;
}

// Everything but the manifest itself.
absl::StatusOr<RegistryPusher::Sent> RegistryPusher::Send(const PushRequest& request,
                                                          Target& target,
                                                          const RepositoryManifest& manifest,
                                                          int depth, std::stop_token stop) {
  ASSIGN_OR_RETURN(const AnyManifest document,
                   ParseAnyManifest(manifest.media_type, manifest.bytes));
  if (document.kind == ManifestKind::kIndex) {
    return SendIndex(request, target, manifest, document, depth, std::move(stop));
  }
  RETURN_IF_ERROR(SendStored(request, target, document.config, stop));
  if (document.kind == ManifestKind::kImage) {
    return SendImage(request, target, manifest, std::move(stop));
  }
  for (const Descriptor& blob : document.layers) {
    RETURN_IF_ERROR(SendStored(request, target, blob, stop));
  }
  return Sent{manifest, {}};
}

absl::StatusOr<RegistryPusher::Sent> RegistryPusher::SendIndex(const PushRequest& request,
                                                               Target& target,
                                                               const RepositoryManifest& manifest,
                                                               const AnyManifest& document,
                                                               int depth, std::stop_token stop) {
  RETURN_IF_ERROR(CheckIndexDepth(depth));
  std::vector<Descriptor> parts = document.manifests;
  const auto send = [&](size_t i, std::stop_token stopped) -> absl::Status {
    ASSIGN_OR_RETURN(parts[i], SendPart(request, target, parts[i], depth + 1, std::move(stopped)));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachInParallel(parts.size(), ManifestsAtOnce(depth), std::move(stop), send));
  if (std::equal(parts.begin(), parts.end(), document.manifests.begin(),
                 [](const Descriptor& a, const Descriptor& b) { return a.digest == b.digest; })) {
    return Sent{manifest, {}};
  }
  Sent sent;
  sent.manifest.media_type = kIndexMediaType;
  KeepEntries(manifest.bytes, &parts);
  sent.manifest.bytes = WriteIndex(parts, document.annotations, manifest.bytes);
  sent.manifest.digest = Digest::Of(sent.manifest.bytes);
  return sent;
}

// A manifest of an index, with the manifest itself; as the index then names it.
absl::StatusOr<Descriptor> RegistryPusher::SendPart(const PushRequest& request, Target& target,
                                                    const Descriptor& part, int depth,
                                                    std::stop_token stop) {
  absl::StatusOr<RepositoryManifest> manifest =
      images_->GetManifest(request.name_space, part.digest.ToString());
  if (absl::IsNotFound(manifest.status())) {
    return NotFound(
        fmt::format("{} of the index is not here; bring it with \"zlayer pull "
                    "--all-platforms\", or send the index with \"zlayer copy\"",
                    part.digest.ToString()));
  }
  RETURN_IF_ERROR(manifest.status());
  ASSIGN_OR_RETURN(const Sent sent, Send(request, target, *manifest, depth, stop));
  RETURN_IF_ERROR(
      PutManifest(target, sent.manifest.digest.ToString(), sent.manifest, std::move(stop)));
  Descriptor named = part;
  named.media_type = sent.manifest.media_type;
  named.digest = sent.manifest.digest;
  named.size = sent.manifest.bytes.size();
  return named;
}

absl::StatusOr<RegistryPusher::Sent> RegistryPusher::SendImage(const PushRequest& request,
                                                               Target& target,
                                                               const RepositoryManifest& manifest,
                                                               std::stop_token stop) {
  ASSIGN_OR_RETURN(const StoredImage image,
                   images_->Get(request.name_space, manifest.digest.ToString()));
  std::vector<ImageLayer> layers(image.layers.size());
  RETURN_IF_ERROR(ForEachInParallel(
      layers.size(), kThreads, std::move(stop),
      [&](size_t i, std::stop_token stopped) -> absl::Status {
        const ImageLayer& layer = image.layers[i];
        ASSIGN_OR_RETURN(layers[i],
                         target.layers.Do({layer.digest, layer.media_type}, stopped, [&] {
                           return SendLayer(request, target, image, layer, stopped);
                         }));
        return absl::OkStatus();
      }));
  Sent sent{manifest, {}};
  bool changed = false;
  for (size_t i = 0; i < layers.size(); ++i) {
    changed = changed || layers[i].digest != image.layers[i].digest;
    sent.layers.push_back(image.layers[i].layer);
  }
  if (changed) {
    // Docker's manifests have no name for zstd that every reader knows.
    const bool docker = manifest.media_type == kDockerManifestMediaType &&
                        std::none_of(layers.begin(), layers.end(), [](const ImageLayer& layer) {
                          return CompressionOf(layer.media_type) == Compression::kZstd;
                        });
    sent.manifest.media_type = docker ? kDockerManifestMediaType : kManifestMediaType;
    sent.manifest.bytes =
        WithLayers(docker ? ImageFormat::kDocker : ImageFormat::kOci, manifest.bytes, layers);
    sent.manifest.digest = Digest::Of(sent.manifest.bytes);
  }
  return sent;
}

// A blob that is here as it is.
absl::Status RegistryPusher::SendStored(const PushRequest& request, Target& target,
                                        const Descriptor& blob, std::stop_token stop) {
  return target.Once(blob.digest, stop, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::shared_ptr<BlobReader> reader,
                     repositories_->OpenBlob(request.name_space, blob.digest));
    const std::string item = fmt::format("blob {}", blob.digest.ToString());
    ASSIGN_OR_RETURN(const bool there,
                     Finds(target, item, {blob.digest, blob.media_type, reader->size()}, stop));
    if (there) {
      return absl::OkStatus();
    }
    const BlobSource source{
        blob.digest, reader->size(),
        [&](uint64_t offset, const std::function<absl::Status(std::string_view)>& sink) {
          return reader->Read(offset, reader->size() - offset, sink, stop);
        }};
    return SendBlob(target, item, source, stop);
  });
}

// The layer in the form in which the registry has it now.
absl::StatusOr<ImageLayer> RegistryPusher::SendLayer(const PushRequest& request, Target& target,
                                                     const StoredImage& image,
                                                     const ImageLayer& layer,
                                                     std::stop_token stop) {
  if (IsForeignLayer(layer.media_type)) {
    return layer;
  }
  const PushForm& form = request.form;
  const bool plain = IsLoopback(target.where.registry) && !form.level.has_value();
  const Compression wanted =
      form.compression.value_or(plain ? Compression::kNone : Compression::kGzip);
  const std::optional<Compression> is = CompressionOf(layer.media_type);
  const bool keeps = !is.has_value() || is == wanted || (*is != Compression::kNone && !form.force);
  const BlobFetcher fetch = puller_->Fetcher(request.credentials, target.progress);
  if (!keeps) {
    // To compress it, its bytes must be here; and who has not had them could not be given the
    // compressed ones by what another namespace remembers of them.
    RETURN_IF_ERROR(images_->EnsureBlob(image, layer, fetch, stop));
    return SendCompressed(target, layer, {wanted, form.level, 0}, std::move(stop));
  }
  const std::string item = fmt::format("layer {}", layer.digest.ToString());
  ASSIGN_OR_RETURN(const bool there,
                   Finds(target, item, {layer.digest, layer.media_type, layer.size}, stop));
  if (there) {
    return layer;
  }
  RETURN_IF_ERROR(images_->EnsureBlob(image, layer, fetch, stop));
  ASSIGN_OR_RETURN(const BlobSource source, forms_.Open(layer, stop));
  RETURN_IF_ERROR(SendBlob(target, item, source, std::move(stop)));
  return layer;
}

absl::StatusOr<ImageLayer> RegistryPusher::SendCompressed(Target& target, const ImageLayer& layer,
                                                          const CompressorOptions& options,
                                                          std::stop_token stop) {
  ImageLayer form = layer;
  form.media_type = LayerMediaType(options.compression);
  ASSIGN_OR_RETURN(const std::optional<ImageLayer> known, forms_.Find(layer.diff_id, options));
  if (known.has_value()) {
    form.digest = known->digest;
    form.size = known->size;
    ASSIGN_OR_RETURN(const bool there,
                     Finds(target, fmt::format("layer {}", form.digest.ToString()),
                           {form.digest, form.media_type, form.size}, stop));
    if (there) {
      return form;
    }
  }
  const std::string item = fmt::format("layer {}", layer.diff_id.ToString());
  const BlobStream stream{.make =
                              [&](const auto& sink, std::stop_token stopped) {
                                return forms_.Compress(layer, options, sink, std::move(stopped));
                              },
                          .progress = Teller(target, item, 0)};
  ASSIGN_OR_RETURN(const RemoteDescriptor made,
                   client_->PutStream(target.where, stream, std::move(stop)));
  form.digest = made.digest;
  form.size = made.size;
  target.Sent(item, made.size);
  return form;
}

// Whether the blob is in the repository now: it was there, or the registry took it from another
// one.
absl::StatusOr<bool> RegistryPusher::Finds(Target& target, const std::string& item,
                                           const RemoteDescriptor& blob, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::vector<std::string> mount_from, target.mount_from(blob.digest));
  ASSIGN_OR_RETURN(const std::optional<BlobFound> found,
                   client_->FindBlob(target.where, blob.digest, mount_from, std::move(stop)));
  if (found.has_value()) {
    const bool mounted = *found == BlobFound::kMounted;
    Report(target.progress,
           {item, mounted ? TransferUpdate::State::kMounted : TransferUpdate::State::kPresent,
            blob.size, blob.size});
  }
  return found.has_value();
}

absl::Status RegistryPusher::SendBlob(Target& target, const std::string& item,
                                      const BlobSource& blob, std::stop_token stop) {
  BlobSource told = blob;
  told.read = [&](uint64_t offset, const std::function<absl::Status(std::string_view)>& sink) {
    return blob.read(offset, [&, done = offset, tell = Teller(target, item, blob.size)](
                                 std::string_view piece) mutable {
      RETURN_IF_ERROR(sink(piece));
      done += piece.size();
      tell(done);
      return absl::OkStatus();
    });
  };
  RETURN_IF_ERROR(client_->PutBlob(target.where, told, std::move(stop)));
  target.Sent(item, blob.size);
  return absl::OkStatus();
}

absl::Status RegistryPusher::PutManifest(Target& target, const std::string& reference,
                                         const RepositoryManifest& manifest, std::stop_token stop) {
  RETURN_IF_ERROR(client_->PutManifest(target.where, reference, manifest.media_type, manifest.bytes,
                                       std::move(stop)));
  if (reference.find(':') == std::string::npos) {
    puller_->Forget({target.where.registry, target.where.repository, reference, ""});
  }
  target.Sent(fmt::format("manifest {}", manifest.digest.ToString()), manifest.bytes.size());
  return absl::OkStatus();
}

// What is in the registry is known here, with the same layers, and where it is.
absl::Status RegistryPusher::Keep(const PushRequest& request, const Reference& destination,
                                  const Sent& sent) {
  return repositories_
      ->PutManifest(request.name_space, {.repository = RepositoryOf(destination),
                                         .tag = "",
                                         .media_type = sent.manifest.media_type,
                                         .bytes = sent.manifest.bytes,
                                         .sparse = true,
                                         .layers = sent.layers})
      .status();
}

absl::StatusOr<PushResult> RegistryPusher::Copy(const CopyRequest& request,
                                                const ProgressSink& progress,
                                                std::stop_token stop) {
  ASSIGN_OR_RETURN(const Reference source, Reference::Parse(request.source));
  ASSIGN_OR_RETURN(const Reference destination, ParseDestination(request.destination));
  const RemoteRepository from{source.registry, source.repository, request.credentials};
  Target target({destination.registry, destination.repository, request.credentials},
                RepositoryOf(destination), progress);
  target.mount_from = [&](const Digest&) {
    const bool same = from.registry == target.where.registry;
    return same ? std::vector<std::string>{from.repository} : std::vector<std::string>();
  };
  ASSIGN_OR_RETURN(const RemoteManifest manifest,
                   client_->GetManifest(from, TagOrDigest(source), stop));
  RETURN_IF_ERROR(CopyManifest(from, target, manifest, 0, stop));
  RETURN_IF_ERROR(PutManifest(target, destination.tag,
                              {manifest.digest, manifest.media_type, manifest.bytes}, stop));
  ASSIGN_OR_RETURN(const AnyManifest document,
                   ParseAnyManifest(manifest.media_type, manifest.bytes));
  return PushResult{
      manifest.digest, document.config.digest, {destination.Normalized()}, target.sent};
}

// Everything but the manifest itself.
absl::Status RegistryPusher::CopyManifest(const RemoteRepository& from, Target& target,
                                          const RemoteManifest& manifest, int depth,
                                          std::stop_token stop) {
  RETURN_IF_ERROR(CheckIndexDepth(depth));
  ASSIGN_OR_RETURN(const AnyManifest document,
                   ParseAnyManifest(manifest.media_type, manifest.bytes));
  const auto copy = [&](size_t i, std::stop_token stopped) -> absl::Status {
    const std::string digest = document.manifests[i].digest.ToString();
    ASSIGN_OR_RETURN(const RemoteManifest part, client_->GetManifest(from, digest, stopped));
    RETURN_IF_ERROR(CopyManifest(from, target, part, depth + 1, stopped));
    return PutManifest(target, part.digest.ToString(), {part.digest, part.media_type, part.bytes},
                       std::move(stopped));
  };
  RETURN_IF_ERROR(ForEachInParallel(document.manifests.size(), ManifestsAtOnce(depth), stop, copy));
  std::vector<Descriptor> blobs = document.layers;
  std::erase_if(blobs, [](const Descriptor& blob) { return IsForeignLayer(blob.media_type); });
  if (document.kind != ManifestKind::kIndex) {
    blobs.push_back(document.config);
  }
  return ForEachInParallel(blobs.size(), kThreads, std::move(stop),
                           [&](size_t i, std::stop_token stopped) {
                             return CopyBlob(from, target, blobs[i], std::move(stopped));
                           });
}

absl::StatusOr<ContentFile> RegistryPusher::FetchToFile(const RemoteRepository& from,
                                                        const Descriptor& blob,
                                                        std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenUnnamedFile(parts_.tmp_directory));
  uint64_t size = 0;
  const BlobSink sink{.append =
                          [&](std::string_view piece) {
                            const uint64_t at = size;
                            size += piece.size();
                            return PwriteFully(fd.get(), piece, at);
                          },
                      .restart =
                          [&] {
                            size = 0;
                            return absl::OkStatus();
                          },
                      .progress = {}};
  RETURN_IF_ERROR(
      client_->GetBlob(from, {blob.digest, blob.media_type, blob.size}, sink, std::move(stop)));
  return ContentFile{std::make_shared<const UniqueFd>(std::move(fd)), 0, size};
}

absl::Status RegistryPusher::CopyBlob(const RemoteRepository& from, Target& target,
                                      const Descriptor& blob, std::stop_token stop) {
  return target.Once(blob.digest, stop, [&]() -> absl::Status {
    const std::string item = fmt::format("blob {}", blob.digest.ToString());
    ASSIGN_OR_RETURN(const bool there,
                     Finds(target, item, {blob.digest, blob.media_type, blob.size}, stop));
    if (there) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const ContentFile file, FetchToFile(from, blob, stop));
    return SendBlob(target, item, SourceOf(blob.digest, file), stop);
  });
}

}  // namespace

absl::Status CheckPushForm(const PushForm& form) {
  return CheckLevel(
      {.compression = form.compression.value_or(Compression::kGzip), .level = form.level});
}

std::unique_ptr<Pusher> MakePusher(const ImageParts& parts, ImageStore* images,
                                   Repositories* repositories, RegistryClient* client,
                                   Puller* puller) {
  return std::make_unique<RegistryPusher>(parts, images, repositories, client, puller);
}

}  // namespace zlayer
