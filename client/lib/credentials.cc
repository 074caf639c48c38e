#include "client/lib/credentials.h"

#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "client/lib/credential_file.h"
#include "client/lib/credential_helper.h"

namespace zlayer {
namespace {

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The helper that a file names for a registry.
absl::StatusOr<std::optional<CredentialHelper>> HelperFor(const CredentialFile& file,
                                                          const std::string& registry) {
  ASSIGN_OR_RETURN(const std::string name, file.HelperOf(registry));
  if (name.empty()) {
    return std::nullopt;
  }
  auto helper = CredentialHelper::Make(name);
  if (!helper.ok()) {
    return Annotate(helper.status(), file.path());
  }
  return *std::move(helper);
}

// What the helper has that a file names for a registry, whatever the repository.
absl::StatusOr<std::optional<FoundCredential>> FromHelper(const CredentialFile& file,
                                                          const std::string& registry,
                                                          std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::optional<CredentialHelper> helper, HelperFor(file, registry));
  if (!helper.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(std::optional<v1::RegistryCredential> credential,
                   helper->Get(ServerName(registry), std::move(stop)));
  if (!credential.has_value()) {
    return std::nullopt;
  }
  return FoundCredential{*std::move(credential), helper->program()};
}

absl::StatusOr<std::optional<FoundCredential>> FromFile(const CredentialFile& file,
                                                        const std::string& registry,
                                                        const std::string& repository) {
  ASSIGN_OR_RETURN(std::optional<v1::RegistryCredential> credential,
                   file.Find(registry, repository));
  if (!credential.has_value()) {
    return std::nullopt;
  }
  return FoundCredential{*std::move(credential), file.path()};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CredentialFiles() {
  const std::string home = Environment("HOME");
  const std::string docker = Environment("DOCKER_CONFIG");
  if (home.empty() && docker.empty()) {
    return FailedPrecondition(
        "neither DOCKER_CONFIG nor HOME is set, so nobody knows where credentials are kept");
  }
  std::vector<std::string> files = {(docker.empty() ? home + "/.docker" : docker) + "/config.json"};
  if (const std::string file = Environment("REGISTRY_AUTH_FILE"); !file.empty()) {
    files.push_back(file);
  }
  if (const std::string runtime = Environment("XDG_RUNTIME_DIR"); !runtime.empty()) {
    files.push_back(runtime + "/containers/auth.json");
  }
  if (!home.empty()) {
    files.push_back(home + "/.config/containers/auth.json");
  }
  return files;
}

absl::StatusOr<std::string> RegistryName(std::string_view text) {
  std::string registry = MeaningOfKey(text);
  for (const char c : registry) {
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
        c != '_' && c != '-' && c != ':' && c != '[' && c != ']') {
      return InvalidArgument(
          "a registry is a host, with a port where it needs one: registry.example:5000");
    }
  }
  if (registry.empty()) {
    return InvalidArgument("the name of the registry is empty");
  }
  return registry;
}

absl::StatusOr<std::optional<FoundCredential>> FindCredentials(
    const std::vector<std::string>& files, const std::string& registry,
    const std::string& repository, std::stop_token stop) {
  ASSIGN_OR_RETURN(auto found, FindCredentials(files, registry, std::set<std::string>{repository},
                                               std::move(stop)));
  return found.empty() ? std::nullopt : std::optional(std::move(found.begin()->second));
}

absl::StatusOr<std::map<std::string, FoundCredential>> FindCredentials(
    const std::vector<std::string>& files, const std::string& registry,
    std::set<std::string> repositories, std::stop_token stop) {
  std::map<std::string, FoundCredential> found;
  for (auto path = files.begin(); path != files.end() && !repositories.empty(); ++path) {
    ASSIGN_OR_RETURN(const CredentialFile file, CredentialFile::Read(*path));
    ASSIGN_OR_RETURN(const std::optional<FoundCredential> helped, FromHelper(file, registry, stop));
    for (auto repository = repositories.begin(); repository != repositories.end();) {
      std::optional<FoundCredential> credential = helped;
      if (!credential.has_value()) {
        ASSIGN_OR_RETURN(credential, FromFile(file, registry, *repository));
      }
      if (!credential.has_value()) {
        ++repository;
        continue;
      }
      credential->credential.set_registry(registry);
      found.emplace(*repository, *std::move(credential));
      repository = repositories.erase(repository);
    }
  }
  return found;
}

absl::StatusOr<StoredCredential> SaveCredentials(const std::vector<std::string>& files,
                                                 const v1::RegistryCredential& credential,
                                                 std::stop_token stop) {
  ASSIGN_OR_RETURN(CredentialFile file, CredentialFile::Read(files.front()));
  ASSIGN_OR_RETURN(const std::optional<CredentialHelper> helper,
                   HelperFor(file, credential.registry()));
  if (!helper.has_value()) {
    file.Set(credential);
    RETURN_IF_ERROR(file.Write());
    return StoredCredential{file.path(), /*encrypted=*/false};
  }
  RETURN_IF_ERROR(helper->Store(ServerName(credential.registry()), credential, std::move(stop)));
  if (file.Remove(credential.registry())) {
    RETURN_IF_ERROR(file.Write());
  }
  return StoredCredential{helper->program(), /*encrypted=*/true};
}

absl::StatusOr<bool> EraseCredentials(const std::vector<std::string>& files,
                                      const std::string& registry, std::stop_token stop) {
  ASSIGN_OR_RETURN(CredentialFile file, CredentialFile::Read(files.front()));
  ASSIGN_OR_RETURN(const std::optional<CredentialHelper> helper, HelperFor(file, registry));
  bool erased = false;
  if (helper.has_value()) {
    ASSIGN_OR_RETURN(erased, helper->Erase(ServerName(registry), std::move(stop)));
  }
  if (file.Remove(registry)) {
    RETURN_IF_ERROR(file.Write());
    erased = true;
  }
  return erased;
}

}  // namespace zlayer
