#include "registry/layer/beneath.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {

absl::StatusOr<UniqueFd> OpenBeneath(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  const char* name = path.empty() ? "." : path.c_str();
  long fd;
  do {
    fd = syscall(SYS_openat2, directory, name, &how, sizeof(how));
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd < 0) {
    return ErrnoError(fmt::format("opening '{}'", ToUtf8(path)));
  }
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace zlayer
