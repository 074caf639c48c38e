// RUN --mount=... and --device=...: lists of comma-separated keys, with the names, other names and
// defaults that BuildKit gives them.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_MOUNT_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_MOUNT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// A mount as written. Variables may stand in every value but that of `from`, so what it means is
// known only where they have values.
struct RunMountText {
  std::string text;  // "type=cache,target=$DIR"
  std::string from;  // stage, context or image; empty for none
};

struct RunMount {
  v1::Mount::Type type = v1::Mount::BIND;
  std::string from;    // of BIND (empty for the build context) and CACHE
  std::string source;  // as written
  std::string target;  // as written: may be relative or empty
  bool read_only = true;
  std::string id;
  v1::Mount::Sharing sharing = v1::Mount::SHARED;
  uint64_t size_bytes = 0;                 // of TMPFS; 0 for no limit
  std::optional<uint32_t> mode, uid, gid;  // of CACHE, SECRET and SSH
  bool required = false;                   // of SECRET and SSH
  std::optional<std::string> environment;  // of SECRET: the name of a variable
};

struct RunDevice {
  std::string name;
  bool required = false;
};

// Expands the variables of a word.
using WordExpander = std::function<absl::StatusOr<std::string>(std::string_view word)>;

// What can be checked without variables. kInvalidArgument: the list is malformed, or `from` has a
// variable.
absl::StatusOr<RunMountText> SplitRunMount(std::string_view text);

// kInvalidArgument: a key is unknown, or not of this type of mount, or has a bad value; or what
// `expand` said.
absl::StatusOr<RunMount> ParseRunMount(const RunMountText& text, const WordExpander& expand);

// "vendor.com/class=name,required". kInvalidArgument: malformed.
absl::StatusOr<RunDevice> ParseRunDevice(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_RUN_MOUNT_H_
