// Where registries are reached, and what may be reached from there.
#ifndef ZLAYER_REGISTRY_CLIENT_URLS_H_
#define ZLAYER_REGISTRY_CLIENT_URLS_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace zlayer {

// A registry or a mirror.
struct Endpoint {
  std::string registry;  // its name, as in Reference: "docker.io", "localhost:5000"
  std::string host;      // what is connected to: "registry-1.docker.io"
  std::string scheme;    // "http" or "https"; empty: https, and perhaps http
  std::string prefix;    // of its repositories: "" or "mirrored/"

  bool operator==(const Endpoint&) const = default;
};

// kInvalidArgument where the name is not that of a host with or without a port.
absl::StatusOr<Endpoint> RegistryEndpoint(std::string_view registry);

// Of "https://host:port/prefix", "http://host" or "host": a path stands in front of the names of
// repositories, as pull-through caches have it ("/v2/prefix/library/debian/...").
absl::StatusOr<Endpoint> MirrorEndpoint(std::string_view url);

// Of "host" or "host:port": localhost, 127.0.0.0/8, [::1].
bool IsLoopback(std::string_view host);

// "https://host:port" of an http or https URL, with the port that it has by default;
// kInvalidArgument where it is neither, or has a user in it.
absl::StatusOr<std::string> OriginOf(const std::string& url);

// "host:port" of an origin.
std::string_view HostOf(std::string_view origin);

// What `location` means in an answer of `url`. kInvalidArgument as above; kFailedPrecondition where
// it leads from https to http, and `insecure` does not allow that.
absl::StatusOr<std::string> ResolveUrl(const std::string& url, std::string_view location,
                                       bool insecure);

// Percent-encoded, for a value in a query or a form.
std::string EscapeQuery(std::string_view value);

// `url` with one more parameter in its query.
std::string WithParameter(std::string_view url, std::string_view name, std::string_view value);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_URLS_H_
