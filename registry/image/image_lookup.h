// What references and patterns mean in the database. Each function runs inside a Database::Work.
#ifndef ZLAYER_REGISTRY_IMAGE_IMAGE_LOOKUP_H_
#define ZLAYER_REGISTRY_IMAGE_IMAGE_LOOKUP_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_store.h"
#include "registry/meta/database.h"

namespace zlayer {

// What a reference means.
struct Resolved {
  Digest manifest;
  std::string name;  // empty where it was a digest
};

// kNotFound: the namespace has no such image; kInvalidArgument: it is no reference, or the
// beginning of more than one image's digest.
absl::StatusOr<Resolved> Resolve(Connection& connection, std::string_view name_space,
                                 std::string_view reference);

// kNotFound, for people.
absl::Status NoSuchImage(std::string_view reference);

// The places of a list that the query is for; `next` is set unless they are the last. The pattern
// is not malformed.
absl::StatusOr<std::vector<ImagePosition>> FindPage(Connection& connection,
                                                    std::string_view name_space,
                                                    const ImageQuery& query,
                                                    std::optional<ImagePosition>* next);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_IMAGE_LOOKUP_H_
