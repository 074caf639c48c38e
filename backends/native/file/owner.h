// Users and groups by name, looked up in the /etc/passwd and /etc/group of a filesystem.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_OWNER_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_OWNER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/file/filesystem.h"

namespace zlayer {

struct Owner {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// `--chown`: "user", "user:group", ":group", each a name or number. A number without a group is its
// own group, a name brings its group along. kNotFound names what the filesystem does not know.
absl::StatusOr<Owner> ResolveOwner(const Filesystem& filesystem, std::string_view text);

// `--chown` without a filesystem to look names up in: numbers only. kFailedPrecondition names what
// is none.
absl::StatusOr<Owner> ParseNumericOwner(std::string_view text);

// Who a process runs as.
struct ProcessUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  std::string home;
};

// USER, by Docker's rules: a name or number, of which /etc/passwd tells group and home; with an
// explicit group there are no additional ones. Empty is root.
absl::StatusOr<ProcessUser> ResolveUser(const Filesystem& filesystem, std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_OWNER_H_
