// The credentials of registries, where docker and podman keep them.
//
// Files, in the order in which they are asked; the first that has credentials wins:
//   $DOCKER_CONFIG/config.json, else ~/.docker/config.json      (docker's; new ones are stored
//   here) $REGISTRY_AUTH_FILE $XDG_RUNTIME_DIR/containers/auth.json (podman's)
//   ~/.config/containers/auth.json
// Within a file: the helper that `credHelpers` names for the registry, else that of `credsStore`,
// then `auths`. The key of an entry is a registry, with or without scheme and path of a version
// ("https://index.docker.io/v1/" is docker.io), or one with the first parts of a repository
// ("quay.io/team"); the longest that fits counts.
//
// No message holds a secret. A file that is missing is empty; one that cannot be read, is larger
// than 1 MiB, or is not what it should be is an error that names it.
#ifndef ZLAYER_CLIENT_LIB_CREDENTIALS_H_
#define ZLAYER_CLIENT_LIB_CREDENTIALS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "proto/zlayer/v1/build.pb.h"

namespace zlayer {

// In the order above, docker's first. kFailedPrecondition: neither DOCKER_CONFIG nor HOME is set.
absl::StatusOr<std::vector<std::string>> CredentialFiles();

// The registry as references have it: without scheme and final slashes, docker.io for all its
// names. kInvalidArgument where that is no host.
absl::StatusOr<std::string> RegistryName(std::string_view text);

struct FoundCredential {
  v1::RegistryCredential credential;
  std::string source;  // "/home/a/.docker/config.json", "docker-credential-pass"
};

// For a repository ("library/debian"; empty: for the registry itself). Nothing where none are kept.
absl::StatusOr<std::optional<FoundCredential>> FindCredentials(
    const std::vector<std::string>& files, const std::string& registry,
    const std::string& repository, std::stop_token stop);
// The same for several, by repository: files are read, and helpers asked, once.
absl::StatusOr<std::map<std::string, FoundCredential>> FindCredentials(
    const std::vector<std::string>& files, const std::string& registry,
    std::set<std::string> repositories, std::stop_token stop);

struct StoredCredential {
  std::string place;  // as FoundCredential.source
  bool encrypted = false;
};

// Stores with the helper that docker's file names for the registry, else in that file.
absl::StatusOr<StoredCredential> SaveCredentials(const std::vector<std::string>& files,
                                                 const v1::RegistryCredential& credential,
                                                 std::stop_token stop);

// Removes those of a registry from docker's file and its helper. False where there were none.
absl::StatusOr<bool> EraseCredentials(const std::vector<std::string>& files,
                                      const std::string& registry, std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CREDENTIALS_H_
