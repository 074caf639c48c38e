// A file with credentials: docker's config.json, or podman's auth.json, which is a part of it.
#ifndef ZLAYER_CLIENT_LIB_CREDENTIAL_FILE_H_
#define ZLAYER_CLIENT_LIB_CREDENTIAL_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "proto/zlayer/v1/build.pb.h"

namespace zlayer {

// What docker calls a registry: "https://index.docker.io/v1/" for docker.io, else its name.
std::string ServerName(const std::string& registry);

// The registry, or the registry with the first parts of a repository, that a key of `auths` means.
std::string MeaningOfKey(std::string_view key);

class CredentialFile {
 public:
  // Empty where there is no file. Errors name it.
  static absl::StatusOr<CredentialFile> Read(const std::string& path);

  const std::string& path() const { return path_; }

  // The NAME of docker-credential-NAME for a registry; empty: none.
  absl::StatusOr<std::string> HelperOf(const std::string& registry) const;

  // What `auths` has for a repository of a registry, without the registry.
  absl::StatusOr<std::optional<v1::RegistryCredential>> Find(const std::string& registry,
                                                             const std::string& repository) const;

  void Set(const v1::RegistryCredential& credential);
  // Takes the entries of the whole registry away. False where there were none.
  bool Remove(const std::string& registry);

  // Keeps everything else that was in the file, which only its owner can read then.
  absl::Status Write() const;

 private:
  using Json = nlohmann::ordered_json;

  CredentialFile(std::string path, Json content)
      : path_(std::move(path)), content_(std::move(content)) {}

  absl::Status Check() const;
  const Json* Member(const char* name) const;

  std::string path_;
  Json content_;  // an object, whose auths and credHelpers are objects or absent
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CREDENTIAL_FILE_H_
