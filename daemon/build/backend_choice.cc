#include "daemon/build/backend_choice.h"

#include <fmt/format.h>

#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

struct Name {
  std::string_view text;
  BackendKind kind;
};

constexpr Name kNames[] = {
    {"native", BackendKind::kNative},
    {"buildah-cli", BackendKind::kBuildahCli},
    {"buildah", BackendKind::kBuildahCli},
    {"cli", BackendKind::kBuildahCli},
    {"buildah-sidecar", BackendKind::kBuildahSidecar},
    {"sidecar", BackendKind::kBuildahSidecar},
    {"buildd", BackendKind::kBuildahSidecar},
    {"sandbox", BackendKind::kSandbox},
    {"macos-sandbox", BackendKind::kSandbox},
    {"hcs", BackendKind::kHcs},
    {"windows-hcs", BackendKind::kHcs},
};

std::string_view NameOf(BackendKind kind) {
  for (const Name& name : kNames) {
    if (name.kind == kind) {
      return name.text;
    }
  }
  return "";
}

std::string_view OrLinux(std::string_view system) { return system.empty() ? "linux" : system; }

absl::Status Unavailable(std::string_view subject, std::string message) {
  v1::ErrorDetail detail;
  detail.set_reason("BACKEND_UNAVAILABLE");
  detail.set_subject(std::string(subject));
  return WithDetail(FailedPrecondition(std::move(message)), detail);
}

// Why a backend cannot make an image for `target` on `host`; empty where it can. The native one
// makes layers on Linux, for any system that images of layers are for; what cannot be run there is
// the graph's matter.
std::string Hindrance(BackendKind kind, std::string_view host, std::string_view target) {
  switch (kind) {
    case BackendKind::kNative:
      if (host != "linux") {
        return fmt::format("it runs on Linux, and this host is {}", host);
      }
      return target == "darwin" ? "it makes no images for macOS" : "";
    case BackendKind::kBuildahCli:
    case BackendKind::kBuildahSidecar:
      return "this version does not drive Buildah; the native backend runs the same builds";
    case BackendKind::kSandbox:
      return host == "darwin" ? "this version has no sandbox of macOS"
                              : fmt::format("it needs macOS, and this host is {}", host);
    case BackendKind::kHcs:
      return host == "windows" ? "this version has no backend for Windows' compute service"
                               : fmt::format("it needs Windows, and this host is {}", host);
  }
  return "it is unknown";
}

}  // namespace

absl::StatusOr<BackendKind> ParseBackendKind(std::string_view text) {
  const std::string wanted = ToLower(Trim(text));
  for (const Name& name : kNames) {
    if (name.text == wanted) {
      return name.kind;
    }
  }
  return InvalidArgument(
      fmt::format("\"{}\" is not a backend: native, buildah-cli, buildah-sidecar, sandbox and hcs "
                  "are",
                  ToUtf8(text.substr(0, 100))));
}

absl::StatusOr<BackendKind> SelectBackend(const BackendWish& wish) {
  BackendKind kind = BackendKind::kNative;
  if (!Trim(wish.request).empty()) {
    ASSIGN_OR_RETURN(kind, ParseBackendKind(wish.request));
  } else if (!Trim(wish.environment).empty()) {
    const absl::StatusOr<BackendKind> named = ParseBackendKind(wish.environment);
    if (!named.ok()) {
      return Annotate(named.status(), "ZLAYER_BACKEND in the daemon's environment");
    }
    kind = *named;
  }
  const std::string hindrance = Hindrance(kind, OrLinux(wish.host), OrLinux(wish.target));
  if (!hindrance.empty()) {
    return Unavailable(NameOf(kind), fmt::format("the backend {} cannot make an image for {} here: "
                                                 "{}",
                                                 NameOf(kind), OrLinux(wish.target), hindrance));
  }
  return kind;
}

}  // namespace zlayer
