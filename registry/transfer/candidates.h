// Which images a reference may mean.
#ifndef ZLAYER_REGISTRY_TRANSFER_CANDIDATES_H_
#define ZLAYER_REGISTRY_TRANSFER_CANDIDATES_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "registry/image/reference.h"

namespace zlayer {

// In the order in which they are looked for, here and in registries: a short name ("app",
// "team/app:v1") means the default registry's image, where there is one, and then Docker Hub's. A
// name with a registry means itself. kInvalidArgument: it is no reference, or that is no registry.
absl::StatusOr<std::vector<Reference>> Candidates(std::string_view reference,
                                                  std::string_view default_registry);

// "docker.io/library/debian".
std::string RepositoryOf(const Reference& reference);
// Its tag, or its digest.
std::string TagOrDigest(const Reference& reference);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_CANDIDATES_H_
