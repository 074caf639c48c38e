// Small values of Dockerfiles: platforms, ports, signals, sizes.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_VALUES_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_VALUES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// In BuildKit's names: "x86_64" is "amd64", and a variant that is the architecture itself (arm64's
// v8) is dropped. What ARG TARGETPLATFORM and its like say.
v1::Platform CanonicalPlatform(v1::Platform platform);

// "linux/arm64/v8", "amd64" (an architecture, of `host`'s system) or "linux" (a system, with
// `host`'s architecture), with the usual other names ("x86_64") made canonical. kInvalidArgument:
// it is none.
absl::StatusOr<v1::Platform> ParsePlatform(std::string_view text, const v1::Platform& host);

// What EXPOSE means: "80" is {"80/tcp"}, "8000-8002/udp" three ports; a host's address and port in
// front ("127.0.0.1:8080:80") are dropped. kInvalidArgument: malformed.
absl::StatusOr<std::vector<std::string>> ParsePorts(std::string_view text);

// Bytes of a size as --mount takes it: "1024", "64k", "1.5g", "2MiB" (k is 1024). nullopt: it is
// none, or does not fit 63 bits.
std::optional<uint64_t> ParseByteSize(std::string_view text);

// Whether STOPSIGNAL may be this: "SIGTERM", "term", "15", "SIGRTMIN+3".
bool IsSignal(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_VALUES_H_
