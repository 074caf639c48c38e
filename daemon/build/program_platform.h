// What a program runs on, by its first bytes.
#ifndef ZLAYER_DAEMON_BUILD_PROGRAM_PLATFORM_H_
#define ZLAYER_DAEMON_BUILD_PROGRAM_PLATFORM_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// More of a program need not be read.
inline constexpr size_t kProgramHead = 4096;

// ELF is Linux, PE Windows and Mach-O darwin, the architecture in OCI's names: empty for one that
// has none, and for a Mach-O of several. nullopt: it is no program, or too little of one.
std::optional<v1::Platform> PlatformOfProgram(std::string_view head);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_PROGRAM_PLATFORM_H_
