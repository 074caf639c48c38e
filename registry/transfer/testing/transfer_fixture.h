// A store and registries in memory, between which images go.
#ifndef ZLAYER_REGISTRY_TRANSFER_TESTING_TRANSFER_FIXTURE_H_
#define ZLAYER_REGISTRY_TRANSFER_TESTING_TRANSFER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "registry/image/image_json.h"
#include "registry/image/testing/archives.h"
#include "registry/image/testing/image_store_fixture.h"
#include "registry/transfer/puller.h"
#include "registry/transfer/pusher.h"
#include "registry/transfer/testing/memory_registry.h"

namespace zlayer {

class SetClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = 1'700'000'000'000'000'000;
};

class TransferFixture : public ImageStoreFixture {
 protected:
  void SetUp() override {
    ImageStoreFixture::SetUp();
    puller_ = MakePuller(images_.get(), repositories_.get(), &registry_, &pull_clock_, {});
    pusher_ = MakePusher(parts(), images_.get(), repositories_.get(), &registry_, puller_.get());
  }

  // An image in a registry; returns its manifest's digest.
  Digest AddRemote(const std::string& name, const std::string& tag,
                   const std::vector<std::string>& tars, const std::string& architecture = "") {
    OciLayout layout;
    const Digest manifest = layout.AddImage(tars, /*compressed=*/true, architecture);
    MemoryRegistry::Repository& repository = registry_.repositories[name];
    for (const auto& [hex, bytes] : layout.blobs) {
      repository.blobs[Digest::Of(bytes)] = bytes;
    }
    const RemoteManifest remote{manifest, std::string(kManifestMediaType),
                                layout.blobs.at(manifest.Hex())};
    repository.manifests[manifest.ToString()] = remote;
    if (!tag.empty()) {
      repository.manifests[tag] = remote;
    }
    return manifest;
  }

  static v1::Platform LinuxOn(const std::string& architecture) {
    v1::Platform platform;
    platform.set_os("linux");
    platform.set_architecture(architecture);
    return platform;
  }

  // An index of images for these architectures, each of a layer of its own on the `shared` ones.
  Digest AddRemoteIndex(const std::string& name, const std::string& tag,
                        const std::vector<std::string>& architectures,
                        const std::vector<std::string>& shared = {}) {
    std::vector<Descriptor> parts;
    for (const std::string& architecture : architectures) {
      Descriptor& part = parts.emplace_back();
      part.media_type = kManifestMediaType;
      std::vector<std::string> layers = shared;
      layers.push_back(MakeTar({{architecture, "x"}}));
      part.digest = AddRemote(name, "", layers, architecture);
      part.size = SizeOf(name, part.digest);
      part.platform = LinuxOn(architecture);
    }
    const std::string bytes = WriteIndex(parts, {});
    const RemoteManifest remote{Digest::Of(bytes), std::string(kIndexMediaType), bytes};
    registry_.repositories[name].manifests[tag] = remote;
    registry_.repositories[name].manifests[remote.digest.ToString()] = remote;
    return remote.digest;
  }

  // Of a manifest that a registry has.
  uint64_t SizeOf(const std::string& name, const Digest& manifest) {
    return registry_.repositories[name].manifests[manifest.ToString()].bytes.size();
  }

  absl::StatusOr<PulledImage> Resolve(const std::string& reference,
                                      PullPolicy policy = PullPolicy::kMissing,
                                      const std::string& default_registry = "",
                                      const v1::Platform& platform = {}) {
    PullRequest request;
    request.name_space = "n";
    request.reference = reference;
    request.platform = platform;
    request.policy = policy;
    request.default_registry = default_registry;
    request.credentials = credentials_;
    return puller_->Resolve(request, {}, {});
  }

  absl::StatusOr<PushResult> Push(const std::string& reference, const std::string& destination,
                                  PushForm form = {}) {
    return pusher_->Push({"n", reference, {destination}, form, false, credentials_}, {}, {});
  }

  ManifestDocument ManifestAt(const std::string& name, const std::string& reference) {
    absl::StatusOr<ManifestDocument> document =
        ParseManifest(registry_.repositories[name].manifests[reference].bytes);
    EXPECT_OK(document);
    return document.value_or(ManifestDocument());
  }

  SetClock pull_clock_;
  MemoryRegistry registry_;
  CredentialsOf credentials_;
  std::unique_ptr<Puller> puller_;
  std::unique_ptr<Pusher> pusher_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_TESTING_TRANSFER_FIXTURE_H_
