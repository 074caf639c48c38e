// Which image stands in for a base that only exists for Linux where the image is to be for Windows.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_BASE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_BASE_H_

#include <optional>
#include <string>
#include <string_view>

namespace zlayer {

inline constexpr std::string_view kDefaultLtsc = "ltsc2022";

// "ltsc" and a year: a line of Windows Server.
bool IsLtsc(std::string_view text);

// The image that `FROM image` means on Windows, of a line: distributions of Linux mean the base
// ("debian:12" is "ghcr.io/.../base:windows-ltsc2022"), toolchains their build for Windows
// ("golang:1.22-alpine" is "ghcr.io/.../golang:1.22-windows-ltsc2022"). The last component of the
// name decides. nullopt: the image is used as it is written, as is one that is pinned by a digest.
std::optional<std::string> WindowsBase(std::string_view image, std::string_view ltsc);

// Whether the name, without tag and digest, is one of nanoserver's, in any case.
bool IsNanoserver(std::string_view image);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WINDOWS_BASE_H_
