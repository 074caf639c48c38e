#include "registry/transfer/make_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_json.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"
#include "registry/transfer/candidates.h"

namespace zlayer {
namespace {

constexpr size_t kMost = 1000;

// What the part adds to an index.
absl::StatusOr<std::vector<Descriptor>> Describe(ImageStore* images, const std::string& name_space,
                                                 const IndexPart& part) {
  ASSIGN_OR_RETURN(const RepositoryManifest manifest,
                   images->GetManifest(name_space, part.reference));
  ASSIGN_OR_RETURN(AnyManifest document, ParseAnyManifest(manifest.media_type, manifest.bytes));
  std::vector<Descriptor> parts = std::move(document.manifests);
  if (document.kind != ManifestKind::kIndex) {
    Descriptor& only = parts.emplace_back();
    only.media_type = manifest.media_type;
    only.digest = manifest.digest;
    only.size = manifest.bytes.size();
    if (document.kind == ManifestKind::kImage) {
      ASSIGN_OR_RETURN(const StoredImage image,
                       images->Get(name_space, manifest.digest.ToString()));
      only.platform = image.platform;
    }
    if (!part.platform.os().empty()) {
      only.platform = part.platform;
    }
  } else if (!part.platform.os().empty()) {
    return InvalidArgument(fmt::format("\"{}\" is an index: its images have platforms of their own",
                                       ToUtf8(part.reference)));
  } else {
    KeepEntries(manifest.bytes, &parts);
  }
  for (Descriptor& described : parts) {
    for (const auto& [key, value] : part.annotations) {
      described.annotations[key] = value;
    }
  }
  return parts;
}

bool SamePlatform(const Descriptor& a, const Descriptor& b) {
  return !a.platform.os().empty() && FormatPlatform(a.platform) == FormatPlatform(b.platform) &&
         a.platform.os_version() == b.platform.os_version() && a.platform.os() != "unknown";
}

absl::Status CheckPlatforms(const std::vector<Descriptor>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (SamePlatform(parts[i], parts[j])) {
        return InvalidArgument(fmt::format("two of the images are for {}: {} and {}",
                                           FormatPlatform(parts[i].platform),
                                           parts[j].digest.ToString(), parts[i].digest.ToString()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Digest> MakeIndex(ImageStore* images, Repositories* repositories,
                                 const IndexRequest& request) {
  ASSIGN_OR_RETURN(const Reference name, Reference::Parse(request.reference));
  if (!name.digest.empty()) {
    return InvalidArgument(
        fmt::format("\"{}\" has a digest: an index is given a name", ToUtf8(request.reference)));
  }
  std::vector<Descriptor> added;
  for (const IndexPart& part : request.parts) {
    ASSIGN_OR_RETURN(std::vector<Descriptor> described, Describe(images, request.name_space, part));
    added.insert(added.end(), described.begin(), described.end());
  }
  RETURN_IF_ERROR(CheckPlatforms(added));
  std::vector<Descriptor> parts;
  std::map<std::string, std::string> annotations = request.annotations;
  RepositoryManifest old;
  if (request.append) {
    ASSIGN_OR_RETURN(old, images->GetManifest(request.name_space, request.reference));
    ASSIGN_OR_RETURN(AnyManifest document, ParseAnyManifest(old.media_type, old.bytes));
    if (document.kind != ManifestKind::kIndex) {
      return InvalidArgument(
          fmt::format("\"{}\" is no index: make one with \"zlayer manifest "
                      "create\"",
                      ToUtf8(request.reference)));
    }
    parts = std::move(document.manifests);
    KeepEntries(old.bytes, &parts);
    annotations.insert(document.annotations.begin(), document.annotations.end());
    std::erase_if(parts, [&](const Descriptor& present) {
      return std::any_of(added.begin(), added.end(), [&](const Descriptor& part) {
        return part.digest == present.digest || SamePlatform(part, present);
      });
    });
  }
  parts.insert(parts.end(), added.begin(), added.end());
  if (parts.size() > kMost) {
    return InvalidArgument(fmt::format("an index has at most {} images", kMost));
  }
  return repositories->PutManifest(request.name_space,
                                   {.repository = RepositoryOf(name),
                                    .tag = name.tag,
                                    .media_type = std::string(kIndexMediaType),
                                    .bytes = WriteIndex(parts, annotations, old.bytes),
                                    .sparse = true,
                                    .layers = {}});
}

}  // namespace zlayer
