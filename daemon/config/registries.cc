#include "daemon/config/registries.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>
#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/client/urls.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr size_t kMaxPasswordFile = size_t{64} << 10;

absl::Status CheckReadable(const Config::Registry& registry, const char* key,
                           const std::string& path) {
  return path.empty() || access(path.c_str(), R_OK) == 0
             ? absl::OkStatus()
             : Annotate(ErrnoError(path), fmt::format("registries: {} of {}", key, registry.name));
}

absl::StatusOr<RegistrySettings> SettingsOf(const Config::Registry& registry) {
  RegistrySettings settings;
  settings.registry = registry.name;
  const absl::StatusOr<Reference> name = Reference::Parse(fmt::format("{}/name", registry.name));
  if (!name.ok() || name->registry != registry.name) {
    return InvalidArgument(
        fmt::format("registries: \"{}\" is no registry's name", ToUtf8(registry.name)));
  }
  for (const std::string_view mirror : Split(registry.mirrors, ' ')) {
    if (mirror.empty()) {
      continue;
    }
    settings.mirrors.emplace_back(mirror);
    RETURN_IF_ERROR(Annotate(OriginOf(settings.mirrors.back()).status(),
                             fmt::format("registries: mirrors of {}", registry.name)));
  }
  RETURN_IF_ERROR(CheckReadable(registry, "ca_file", registry.ca_file));
  RETURN_IF_ERROR(CheckReadable(registry, "client_cert", registry.client_cert));
  RETURN_IF_ERROR(CheckReadable(registry, "client_key", registry.client_key));
  settings.insecure = registry.insecure;
  settings.blocked = registry.blocked;
  settings.ca_file = registry.ca_file;
  settings.client_cert = registry.client_cert;
  settings.client_key = registry.client_key;
  settings.max_transfers = registry.max_transfers;
  settings.credentials.username = registry.username;
  if (!registry.password_file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(registry.password_file, kMaxPasswordFile));
    settings.credentials.password = text.substr(0, text.find_first_of("\r\n"));
  }
  return settings;
}

}  // namespace

absl::StatusOr<RegistryClientOptions> RegistryOptionsOf(const Config& config) {
  RegistryClientOptions options;
  std::set<std::string> names;
  for (const Config::Registry& registry : config.registries) {
    ASSIGN_OR_RETURN(options.registries.emplace_back(), SettingsOf(registry));
    if (!names.insert(registry.name).second) {
      return InvalidArgument(fmt::format("registries: \"{}\" is there twice", registry.name));
    }
  }
  return options;
}

}  // namespace zlayer
