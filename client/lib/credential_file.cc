#include "client/lib/credential_file.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/base64.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kMaxSize = size_t{1} << 20;
constexpr std::string_view kDocker = "docker.io";
constexpr std::string_view kDockerServer = "https://index.docker.io/v1/";

std::string_view WithoutPrefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// "user:password" in base64. Docker drops NUL bytes behind the password.
absl::Status SetFromAuth(std::string_view auth, v1::RegistryCredential* credential) {
  const std::optional<std::string> text = DecodeBase64(auth);
  const size_t colon = text.has_value() ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) {
    return InvalidArgument("\"auth\" is not user:password in base64");
  }
  std::string_view password = std::string_view(*text).substr(colon + 1);
  while (password.ends_with('\0')) {
    password.remove_suffix(1);
  }
  if (text->find('\0') < colon || password.find('\0') != std::string_view::npos) {
    return InvalidArgument("\"auth\" holds a NUL byte");
  }
  credential->set_username(text->substr(0, colon));
  credential->set_password(std::string(password));
  return absl::OkStatus();
}

absl::StatusOr<v1::RegistryCredential> CredentialOf(const nlohmann::ordered_json& entry) {
  if (!entry.is_object()) {
    return InvalidArgument("is not an object");
  }
  const auto member = [&entry](const char* name) {
    const auto found = entry.find(name);
    return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  v1::RegistryCredential credential;
  credential.set_token(member("identitytoken"));
  if (const std::string auth = member("auth"); !auth.empty()) {
    RETURN_IF_ERROR(SetFromAuth(auth, &credential));
  } else {
    credential.set_username(member("username"));
    credential.set_password(member("password"));
  }
  return credential;
}

bool IsEmpty(const v1::RegistryCredential& credential) {
  return credential.username().empty() && credential.password().empty() &&
         credential.token().empty();
}

}  // namespace

std::string ServerName(const std::string& registry) {
  return registry == kDocker ? std::string(kDockerServer) : registry;
}

std::string MeaningOfKey(std::string_view key) {
  const std::string_view bare = WithoutPrefix(WithoutPrefix(key, "https://"), "http://");
  const bool has_scheme = bare.size() < key.size();
  std::string_view host = bare.substr(0, bare.find('/'));
  std::string_view path = WithoutPrefix(bare.substr(host.size()), "/");
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  if (host == "index.docker.io" || host == "registry-1.docker.io") {
    host = kDocker;
  }
  // Docker's keys name the API, podman's the first parts of a repository.
  if (path.empty() || has_scheme || path == "v1" || path == "v2") {
    return std::string(host);
  }
  return fmt::format("{}/{}", host, path);
}

absl::StatusOr<CredentialFile> CredentialFile::Read(const std::string& path) {
  auto text = ReadFile(path, kMaxSize);
  if (absl::IsNotFound(text.status())) {
    return CredentialFile(path, Json::object());
  }
  RETURN_IF_ERROR(Annotate(text.status(), "reading credentials"));
  const bool is_blank = text->find_first_not_of(" \t\r\n") == std::string::npos;
  CredentialFile file(path, is_blank ? Json::object() : Json::parse(*text, nullptr, false));
  RETURN_IF_ERROR(file.Check());
  return file;
}

absl::Status CredentialFile::Check() const {
  if (!content_.is_object()) {
    return InvalidArgument(
        fmt::format("{} is not a JSON object: correct it, or move it away", path_));
  }
  for (const char* name : {"auths", "credHelpers"}) {
    const Json* const member = Member(name);
    if (member != nullptr && !member->is_object()) {
      return InvalidArgument(fmt::format("{}: \"{}\" is not an object", path_, name));
    }
  }
  return absl::OkStatus();
}

const nlohmann::ordered_json* CredentialFile::Member(const char* name) const {
  const auto found = content_.find(name);
  return found == content_.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<std::string> CredentialFile::HelperOf(const std::string& registry) const {
  const Json* name = Member("credsStore");
  if (const Json* const helpers = Member("credHelpers"); helpers != nullptr) {
    for (const auto& [key, helper] : helpers->items()) {
      if (MeaningOfKey(key) == registry) {
        name = &helper;
        break;
      }
    }
  }
  if (name == nullptr) {
    return "";
  }
  if (!name->is_string()) {
    return InvalidArgument(
        fmt::format("{}: the credential helper of {} is not a string", path_, registry));
  }
  return name->get<std::string>();
}

absl::StatusOr<std::optional<v1::RegistryCredential>> CredentialFile::Find(
    const std::string& registry, const std::string& repository) const {
  const Json* const auths = Member("auths");
  const std::string target = fmt::format("{}/{}/", registry, repository);
  std::optional<v1::RegistryCredential> best;
  size_t best_length = 0;
  if (auths == nullptr) {
    return best;
  }
  for (const auto& [key, entry] : auths->items()) {
    const std::string meaning = MeaningOfKey(key);
    if (meaning.size() <= best_length || !target.starts_with(meaning + "/")) {
      continue;
    }
    auto credential = CredentialOf(entry);
    if (!credential.ok()) {
      return Annotate(credential.status(),
                      fmt::format("{}: the entry of {} in \"auths\"", path_, registry));
    }
    // Docker leaves empty entries for what a helper keeps.
    if (!IsEmpty(*credential)) {
      best = *std::move(credential);
      best_length = meaning.size();
    }
  }
  return best;
}

void CredentialFile::Set(const v1::RegistryCredential& credential) {
  Remove(credential.registry());
  Json entry = {
      {"auth", EncodeBase64(fmt::format("{}:{}", credential.username(), credential.password()))}};
  if (!credential.token().empty()) {
    entry["identitytoken"] = credential.token();
  }
  if (Member("auths") == nullptr) {
    content_["auths"] = Json::object();
  }
  content_["auths"][ServerName(credential.registry())] = std::move(entry);
}

bool CredentialFile::Remove(const std::string& registry) {
  if (Member("auths") == nullptr) {
    return false;
  }
  Json kept = Json::object();
  Json& auths = content_["auths"];
  for (const auto& [key, entry] : auths.items()) {
    if (MeaningOfKey(key) != registry) {
      kept[key] = entry;
    }
  }
  const bool removed = kept.size() < auths.size();
  auths = std::move(kept);
  return removed;
}

absl::Status CredentialFile::Write() const {
  // A link to it stays one.
  std::error_code error;
  const std::filesystem::path target = std::filesystem::weakly_canonical(path_, error);
  const std::string path = error ? path_ : target.string();
  RETURN_IF_ERROR(MakeDirectories(std::filesystem::path(path).parent_path().string(), 0700));
  return WriteFileAtomically(
      path, content_.dump(1, '\t', false, Json::error_handler_t::replace) + "\n", 0600);
}

}  // namespace zlayer
