#include "registry/image/image_lookup.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/image/image_rows.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

constexpr size_t kMinDigestPrefix = 12;
// So many names are looked at for one page, whether they match or not (some 50 ms).
constexpr size_t kNamesPerPage = 20'000;
constexpr std::string_view kDigestPrefix = "sha256:";

bool IsDigestPrefix(std::string_view text) {
  return text.size() >= kMinDigestPrefix && text.size() <= 2 * Digest::kSize &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::StatusOr<Resolved> ResolveDigest(Connection& connection, std::string_view name_space,
                                       std::string_view hex, std::string_view reference) {
  ASSIGN_OR_RETURN(std::vector<FoundImage> found, FindByDigest(connection, name_space, hex));
  if (found.empty()) {
    return NoSuchImage(reference);
  }
  // A whole digest is exact; of several manifests of one configuration the newest is meant.
  for (const FoundImage& image : found) {
    if (image.config != found[0].config && hex.size() < 2 * Digest::kSize) {
      return InvalidArgument(fmt::format(
          "\"{}\" is the beginning of more than one image's digest: give more digits", reference));
    }
  }
  return Resolved{found[0].manifest, ""};
}

// Whether the pattern, which is not malformed, means the name (normalized).
bool Matches(std::string_view pattern, const std::string& name) {
  if (pattern.empty()) {
    return true;
  }
  absl::StatusOr<Reference> reference = Reference::Parse(name);
  if (!reference.ok()) {
    return false;
  }
  for (const std::string& full : {reference->Familiar(), name}) {
    std::string_view untagged = full;
    untagged.remove_suffix(reference->tag.size() + 1);
    if (GlobMatch(pattern, full).value_or(false) || GlobMatch(pattern, untagged).value_or(false)) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::Status NoSuchImage(std::string_view reference) {
  return NotFound(
      fmt::format("image \"{}\" is not in the local store; bring it there with \"zlayer pull\" or "
                  "\"zlayer import\"",
                  ToUtf8(reference)));
}

absl::StatusOr<Resolved> Resolve(Connection& connection, std::string_view name_space,
                                 std::string_view text) {
  if (text.starts_with(kDigestPrefix) && IsDigestPrefix(text.substr(kDigestPrefix.size()))) {
    return ResolveDigest(connection, name_space, text.substr(kDigestPrefix.size()), text);
  }
  if (text.size() == 2 * Digest::kSize && IsDigestPrefix(text)) {
    return ResolveDigest(connection, name_space, text, text);
  }
  ASSIGN_OR_RETURN(Reference reference, Reference::Parse(text));
  if (!reference.digest.empty()) {
    return ResolveDigest(connection, name_space,
                         std::string_view(reference.digest).substr(kDigestPrefix.size()), text);
  }
  std::string name = reference.Normalized();
  ASSIGN_OR_RETURN(std::optional<Digest> manifest, FindByName(connection, name_space, name));
  if (manifest.has_value()) {
    return Resolved{*manifest, std::move(name)};
  }
  if (IsDigestPrefix(text)) {
    return ResolveDigest(connection, name_space, text, text);
  }
  return NoSuchImage(text);
}

absl::StatusOr<std::vector<ImagePosition>> FindPage(Connection& connection,
                                                    std::string_view name_space,
                                                    const ImageQuery& query,
                                                    std::optional<ImagePosition>* next) {
  std::vector<ImagePosition> places;
  ImagePosition last = query.after;
  size_t seen = 0;
  RETURN_IF_ERROR(ForEachName(connection, name_space, query.after, [&](const ImagePosition& place) {
    if (query.nameless && !place.name.empty()) {
      return false;
    }
    if (places.size() == query.limit || ++seen > kNamesPerPage) {
      *next = last;
      return false;
    }
    last = place;
    if (Matches(query.pattern, place.name)) {
      places.push_back(place);
    }
    return true;
  }));
  return places;
}

}  // namespace zlayer
