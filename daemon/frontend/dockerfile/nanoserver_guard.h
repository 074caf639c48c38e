// What a RUN on nanoserver cannot call: the package managers that the image does not have.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NANOSERVER_GUARD_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NANOSERVER_GUARD_H_

#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// "choco" or "winget" where a command of the text, in cmd's or PowerShell's language, calls it,
// else empty. Commands are what stands between ends of lines, & | ; && || and brackets, but not
// within quotes; cmd /c and powershell -Command are looked into.
std::string PackageManagerIn(std::string_view script);

// The same for a command that no shell reads.
std::string PackageManagerIn(const std::vector<std::string>& argv);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NANOSERVER_GUARD_H_
