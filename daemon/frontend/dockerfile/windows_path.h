// Paths of Windows, which instructions write with a drive and backslashes and the graph has as all
// others: "/app/x" is C:\app\x. As in BuildKit there is only the system's drive.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_PATH_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_PATH_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace zlayer {

inline constexpr std::string_view kWindows = "windows";

// What PATH is where an image for Windows sets none.
inline constexpr std::string_view kDefaultWindowsPath = R"(c:\Windows\System32;c:\Windows)";

// With '/', without the drive, nothing else changed: "C:\app\" and "\app/" are "/app/", "C:app" and
// "app" are relative. kInvalidArgument: it is on another drive or host, or a drive alone.
absl::StatusOr<std::string> SlashPath(std::string_view path);

// How a configuration has an absolute path of the graph: "/app" is "C:\app".
std::string DrivePath(std::string_view path);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_PATH_H_
