#include "base/default_address.h"

#include <unistd.h>

#include <cstdlib>

namespace zlayer {

std::string DefaultAddressFor(uid_t uid, const char* runtime_dir) {
  if (uid == 0) {
    return "unix:///run/zlayer/zlayerd.sock";
  }
  if (runtime_dir != nullptr && runtime_dir[0] == '/') {
    return std::string("unix://") + runtime_dir + "/zlayer/zlayerd.sock";
  }
  return "unix:///tmp/zlayer-" + std::to_string(uid) + "/zlayerd.sock";
}

std::string DefaultAddress() { return DefaultAddressFor(geteuid(), getenv("XDG_RUNTIME_DIR")); }

}  // namespace zlayer
