// Makes images for several platforms of images for one.
#ifndef ZLAYER_REGISTRY_TRANSFER_MAKE_INDEX_H_
#define ZLAYER_REGISTRY_TRANSFER_MAKE_INDEX_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "registry/image/image_store.h"
#include "registry/image/repositories.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct IndexPart {
  std::string
      reference;  // an image; of an index, all that are in it, with all that it says of them
  v1::Platform platform;  // empty: what its configuration says
  std::map<std::string, std::string> annotations;
};

struct IndexRequest {
  std::string name_space;
  std::string reference;  // its name
  std::vector<IndexPart> parts;
  // Adds to the index of that name, in which images of the same platform are replaced; all else
  // that it says stays.
  bool append = false;
  std::map<std::string, std::string> annotations;
};

// Stores and names an OCI index, and returns its manifest's digest. kNotFound: an image is not
// here, or there is no index to add to; kInvalidArgument: two parts are for one platform.
absl::StatusOr<Digest> MakeIndex(ImageStore* images, Repositories* repositories,
                                 const IndexRequest& request);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TRANSFER_MAKE_INDEX_H_
