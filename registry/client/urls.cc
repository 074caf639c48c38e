#include "registry/client/urls.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/errors.h"
#include "base/libcurl.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::string_view kDockerHubHost = "registry-1.docker.io";
constexpr size_t kMaxUrl = 16384;
constexpr uint64_t kMaxPort = 65535;

struct Free {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, Free>;

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsOf(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return IsAlnum(c) || others.find(c) != std::string_view::npos;
  });
}

// Without the port.
std::string_view NameOf(std::string_view host) {
  if (host.starts_with('[')) {
    return host.substr(0, host.find(']') + 1);
  }
  return host.substr(0, host.find(':'));
}

bool IsHost(std::string_view host) {
  const std::string_view name = NameOf(host);
  const std::string_view port = host.substr(name.size());
  if (!port.empty()) {
    const std::optional<uint64_t> number = ParseUint(port.substr(1));
    if (port[0] != ':' || !number || *number == 0 || *number > kMaxPort) {
      return false;
    }
  }
  if (name.starts_with('[')) {
    return name.size() > 2 && IsOf(name.substr(1, name.size() - 2), ":.");
  }
  return !name.empty() && IsOf(name, ".-_");
}

bool IsPath(std::string_view path) {
  for (std::string_view part : Split(path, '/')) {
    if (part.empty() || part == "." || part == ".." || !IsOf(part, "._-")) {
      return false;
    }
  }
  return true;
}

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
    return {};
  }
  std::string copy(text);
  curl_free(text);
  return copy;
}

absl::Status NoUrl() { return InvalidArgument("the server names a URL that is not one of http"); }

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  RETURN_IF_ERROR(LoadCurl());
  Url url(curl_url());
  if (url == nullptr || text.size() > kMaxUrl ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return NoUrl();
  }
  return url;
}

absl::StatusOr<std::string> Origin(CURLU* url) {
  const std::string scheme = ToLower(Part(url, CURLUPART_SCHEME));
  const std::string host = ToLower(Part(url, CURLUPART_HOST));
  if ((scheme != "http" && scheme != "https") || host.empty() ||
      !Part(url, CURLUPART_USER).empty() || !Part(url, CURLUPART_PASSWORD).empty()) {
    return NoUrl();
  }
  return fmt::format("{}://{}:{}", scheme, host, Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

}  // namespace

absl::StatusOr<Endpoint> RegistryEndpoint(std::string_view registry) {
  if (!IsHost(registry)) {
    return InvalidArgument(fmt::format("{} is not the name of a registry", ToUtf8(registry)));
  }
  return Endpoint{.registry = std::string(registry),
                  .host = std::string(registry == kDockerHub ? kDockerHubHost : registry)};
}

absl::StatusOr<Endpoint> MirrorEndpoint(std::string_view url) {
  std::string_view rest = url;
  std::string scheme;
  if (const size_t mark = rest.find("://"); mark != std::string_view::npos) {
    scheme = ToLower(rest.substr(0, mark));
    rest.remove_prefix(mark + 3);
  }
  while (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view path = slash == rest.size() ? "" : rest.substr(slash + 1);
  absl::StatusOr<Endpoint> endpoint = RegistryEndpoint(rest.substr(0, slash));
  if (!endpoint.ok() || !(scheme.empty() || scheme == "http" || scheme == "https") ||
      !(path.empty() || IsPath(path))) {
    return InvalidArgument(
        fmt::format("{} is not the URL of a mirror, such as https://mirror.example", ToUtf8(url)));
  }
  endpoint->scheme = scheme;
  endpoint->prefix = path.empty() ? "" : fmt::format("{}/", path);
  return endpoint;
}

bool IsLoopback(std::string_view host) {
  const std::string name = ToLower(NameOf(host));
  if (name == "localhost" || name == "[::1]") {
    return true;
  }
  const std::vector<std::string_view> parts = Split(name, '.');
  return parts.size() == 4 && parts[0] == "127" &&
         std::all_of(parts.begin(), parts.end(),
                     [](std::string_view part) { return ParseUint(part).value_or(256) < 256; });
}

absl::StatusOr<std::string> OriginOf(const std::string& url) {
  ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  return Origin(parsed.get());
}

std::string_view HostOf(std::string_view origin) { return origin.substr(origin.find("://") + 3); }

absl::StatusOr<std::string> ResolveUrl(const std::string& url, std::string_view location,
                                       bool insecure) {
  ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  const bool safe = Part(parsed.get(), CURLUPART_SCHEME) == "https";
  if (location.empty() || location.size() > kMaxUrl ||
      curl_url_set(parsed.get(), CURLUPART_URL, std::string(location).c_str(), 0) != CURLUE_OK) {
    return NoUrl();
  }
  ASSIGN_OR_RETURN(const std::string origin, Origin(parsed.get()));
  if (safe && !insecure && origin.starts_with("http:")) {
    return FailedPrecondition(
        fmt::format("the server leads from https to http, at {}", HostOf(origin)));
  }
  return Part(parsed.get(), CURLUPART_URL);
}

std::string EscapeQuery(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (IsAlnum(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string WithParameter(std::string_view url, std::string_view name, std::string_view value) {
  const char separator = url.find('?') == std::string_view::npos ? '?' : '&';
  return fmt::format("{}{}{}={}", url, separator, name, EscapeQuery(value));
}

}  // namespace zlayer
