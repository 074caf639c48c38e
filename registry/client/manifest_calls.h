// One attempt each at the calls about manifests and tags.
#ifndef ZLAYER_REGISTRY_CLIENT_MANIFEST_CALLS_H_
#define ZLAYER_REGISTRY_CLIENT_MANIFEST_CALLS_H_

#include <absl/status/status.h>

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"
#include "registry/client/registry_host.h"

namespace zlayer {

// A repository at a host, and who asks.
struct Route {
  RegistryHost* host = nullptr;
  std::string repository;  // with the prefix of a mirror
  RegistryCredentials credentials;

  // A request for what is at `path` below the repository ("tags/list"). `actions`: "pull" or
  // "pull,push".
  HostRequest Request(std::string_view method, std::string_view path,
                      std::string_view actions) const;
};

// At most so many bytes of one are read.
inline constexpr size_t kMaxManifest = size_t{4} << 20;

// kDataLoss: the registry says that what it has got another digest than this; it may say nothing.
absl::Status CheckSaidDigest(const TransportReply& reply, const Digest& digest);

Outcome GetManifest(const Route& route, const std::string& reference, RemoteManifest* manifest,
                    std::stop_token stop);

// Nothing where the registry has none.
Outcome HeadManifest(const Route& route, const std::string& reference,
                     std::optional<RemoteDescriptor>* descriptor, std::stop_token stop);

struct ManifestToPut {
  const std::string& reference;
  std::string_view media_type;
  std::string_view bytes;
};
// `lists_referrers`: the registry says that it keeps by itself what refers to the manifest's
// subject.
Outcome PutManifest(const Route& route, const ManifestToPut& manifest, bool* lists_referrers,
                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_MANIFEST_CALLS_H_
