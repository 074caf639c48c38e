// Image references: "debian", "debian:bookworm", "localhost:5000/a/b@sha256:..." and the normalized
// form that the store uses ("docker.io/library/debian:latest"), by the rules of
// distribution/reference.
#ifndef ZLAYER_REGISTRY_IMAGE_REFERENCE_H_
#define ZLAYER_REGISTRY_IMAGE_REFERENCE_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace zlayer {

struct Reference {
  std::string registry;    // "docker.io"
  std::string repository;  // "library/debian"
  std::string tag;     // "latest" where neither tag nor digest was given; empty with a digest alone
  std::string digest;  // "sha256:..." or empty

  // kInvalidArgument says what is wrong: upper case in the repository, a bad tag, ...
  static absl::StatusOr<Reference> Parse(std::string_view text);

  // "docker.io/library/debian:latest", "registry/repository@sha256:...".
  std::string Normalized() const;
  // As users write it: "debian:latest".
  std::string Familiar() const;
};

// Whether a name says which registry it is of, or means Docker Hub's: "localhost/a", "a.example/b".
bool NamesRegistry(std::string_view reference);

// Whether the text can be a part of a repository, between slashes: runs of lower-case letters and
// digits with one '.', one or two '_', or any number of '-' between.
bool IsPathComponent(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_REFERENCE_H_
