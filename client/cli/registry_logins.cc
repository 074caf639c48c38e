#include "client/cli/registry_logins.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/lib/credentials.h"

namespace zlayer {
namespace {

constexpr std::string_view kDockerHub = "docker.io";

struct Place {
  std::string registry;
  std::string repository;
};

// By the rules of distribution/reference; what is wrong with a name the daemon says.
Place PlaceOf(std::string_view reference) {
  const size_t slash = reference.find('/');
  const std::string_view first = reference.substr(0, slash);
  const bool names_registry =
      slash != std::string_view::npos &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  std::string_view repository = names_registry ? reference.substr(slash + 1) : reference;
  repository = repository.substr(0, repository.find_first_of("@:"));
  Place place{std::string(names_registry ? first : kDockerHub), std::string(repository)};
  if (!names_registry && slash == std::string_view::npos) {
    place.repository = "library/" + place.repository;
  }
  return place;
}

// "node:${VERSION}" is in the repository node, whatever the version.
std::string_view WithoutVariableTag(std::string_view word) {
  const size_t variable = word.find('$');
  const size_t colon = word.substr(0, variable).rfind(':');
  const bool is_tag = variable != std::string_view::npos && colon != std::string_view::npos &&
                      word.find('/', colon) == std::string_view::npos;
  return is_tag ? word.substr(0, colon) : word;
}

void AddIfLiteral(std::string_view word, std::vector<std::string>* images) {
  while (!word.empty() && (word.back() == '\r' || word.back() == '"')) {
    word.remove_suffix(1);
  }
  word = WithoutVariableTag(word);
  if (!word.empty() && word.find_first_of("$\"'\\") == std::string_view::npos) {
    images->emplace_back(word);
  }
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x >= 'a' && x <= 'z' ? x - 'a' + 'A' : x) == y;
         });
}

// One for the registry where its repositories have the same, else one for each that has any.
absl::Status AddLogin(const std::vector<std::string>& files, const std::string& registry,
                      const std::set<std::string>& repositories, const std::stop_token& stop,
                      google::protobuf::RepeatedPtrField<v1::RegistryCredential>* credentials) {
  ASSIGN_OR_RETURN(auto found, FindCredentials(files, registry, repositories, stop));
  std::set<std::string> different;
  for (const auto& [repository, login] : found) {
    different.insert(login.credential.SerializeAsString());
  }
  if (different.size() == 1 && found.size() == repositories.size()) {
    *credentials->Add() = std::move(found.begin()->second.credential);
    return absl::OkStatus();
  }
  for (auto& [repository, login] : found) {
    login.credential.set_registry(registry + "/" + repository);
    *credentials->Add() = std::move(login.credential);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> ImagesIn(std::string_view dockerfile) {
  std::vector<std::string> images;
  for (const std::string_view line : Split(dockerfile, '\n')) {
    bool is_from = false;
    bool taken = false;
    for (const std::string_view word : Split(line, ' ')) {
      if (word.empty()) {
        continue;
      }
      if (!taken && EqualsIgnoringCase(word, "FROM")) {
        is_from = true;
      } else if (is_from && !taken && !word.starts_with("--")) {
        AddIfLiteral(word, &images);
        is_from = false;
      } else if (const size_t from = word.find("from="); from != std::string_view::npos) {
        const std::string_view value = word.substr(from + 5);
        AddIfLiteral(value.substr(0, value.find(',')), &images);
      }
      taken = taken || !is_from;
    }
  }
  return images;
}

absl::Status AddLogins(const std::vector<std::string>& references, std::stop_token stop,
                       google::protobuf::RepeatedPtrField<v1::RegistryCredential>* credentials) {
  const absl::StatusOr<std::vector<std::string>> files = CredentialFiles();
  if (absl::IsFailedPrecondition(files.status())) {
    return absl::OkStatus();  // nowhere to keep any
  }
  RETURN_IF_ERROR(files.status());
  std::map<std::string, std::set<std::string>> registries;  // and their repositories
  for (const std::string& reference : references) {
    Place place = PlaceOf(reference);
    registries[std::move(place.registry)].insert(std::move(place.repository));
  }
  for (const auto& [registry, repositories] : registries) {
    RETURN_IF_ERROR(AddLogin(*files, registry, repositories, stop, credentials));
  }
  return absl::OkStatus();
}

}  // namespace zlayer
