#include "registry/transfer/candidates.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
absl::StatusOr<std::vector<Reference>> Candidates(std::string_view reference,
                                                  std::string_view default_registry) {
  ASSIGN_OR_RETURN(Reference plain, Reference::Parse(reference));
  std::vector<Reference> candidates;
  if (!default_registry.empty() && !NamesRegistry(reference)) {
    absl::StatusOr<Reference> there =
        Reference::Parse(fmt::format("{}/{}", default_registry, reference));
    if (!there.ok() || !NamesRegistry(fmt::format("{}/", default_registry))) {
      return InvalidArgument(
          fmt::format("the default registry \"{}\" is no registry's name: it is a "
                      "host, with a port or not, and may have a path",
                      ToUtf8(default_registry)));
    }
    candidates.push_back(*std::move(there));
  }
  candidates.push_back(std::move(plain));
  return candidates;
}

std::string RepositoryOf(const Reference& reference) {
  return fmt::format("{}/{}", reference.registry, reference.repository);
}

std::string TagOrDigest(const Reference& reference) {
  return reference.digest.empty() ? reference.tag : reference.digest;
}

}  // namespace zlayer
