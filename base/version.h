// The version of the daemon and its client.
#ifndef ZLAYER_BASE_VERSION_H_
#define ZLAYER_BASE_VERSION_H_

#include <string_view>

namespace zlayer {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace zlayer

#endif  // ZLAYER_BASE_VERSION_H_
