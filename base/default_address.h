// Where a daemon listens, and a client looks for it, unless told otherwise.
#ifndef ZLAYER_BASE_DEFAULT_ADDRESS_H_
#define ZLAYER_BASE_DEFAULT_ADDRESS_H_

#include <sys/types.h>

#include <string>

namespace zlayer {

// "unix:///run/zlayer/zlayerd.sock" as root, else "unix://$XDG_RUNTIME_DIR/zlayer/zlayerd.sock",
// and "unix:///tmp/zlayer-<uid>/zlayerd.sock" where that is not set.
std::string DefaultAddress();

// The same for `uid`, with `runtime_dir` as XDG_RUNTIME_DIR: null, empty and relative ones count as
// not set.
std::string DefaultAddressFor(uid_t uid, const char* runtime_dir);

}  // namespace zlayer

#endif  // ZLAYER_BASE_DEFAULT_ADDRESS_H_
