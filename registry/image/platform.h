// Platforms of images.
#ifndef ZLAYER_REGISTRY_IMAGE_PLATFORM_H_
#define ZLAYER_REGISTRY_IMAGE_PLATFORM_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What this machine runs: linux/amd64, linux/arm64, linux/arm/v7, ... in OCI's names.
v1::Platform HostPlatform();

// Whether an image for `image` runs where `wanted` is wanted: a variant runs what is for itself and
// for those before it (arm/v7 what is for v6, amd64/v3 what is for v2). Without one arm means v7,
// arm64 v8 and amd64 v1.
bool PlatformMatches(const v1::Platform& image, const v1::Platform& wanted);

// The same for what an index says of an image, which may be nothing: then it may be for any.
bool MayBeFor(const v1::Platform& in_index, const v1::Platform& wanted);

// Which of an index's images is meant where `wanted` is wanted: that of the highest variant that
// runs there, else one that may be for any; the first of several.
std::optional<size_t> ChoosePlatform(const std::vector<v1::Platform>& in_index,
                                     const v1::Platform& wanted);

// "linux/amd64", "linux/arm/v7".
std::string FormatPlatform(const v1::Platform& platform);
// All that an index says, sorted, each once, without what is no platform (BuildKit's provenance is
// for "unknown"); "nothing" where there is none.
std::string FormatPlatforms(const std::vector<v1::Platform>& in_index);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_PLATFORM_H_
