#include "daemon/build/target_platform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "backends/graph/image_config.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/request_platform.h"
#include "daemon/frontend/dockerfile/values.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

// More places than a Dockerfile that anyone writes has.
constexpr size_t kMaxPlaces = 100;

absl::Status WithOption(absl::Status status, const char* reason, const char* option) {
  v1::ErrorDetail detail;
  detail.set_reason(reason);
  detail.set_subject(option);
  return WithDetail(std::move(status), detail);
}

absl::Status CheckSystem(const std::string& os, const char* option) {
  if (os == "linux" || os == "windows") {
    return absl::OkStatus();
  }
  if (os == "darwin") {
    return WithOption(
        Unimplemented(
            "images for darwin (macOS) cannot be built: only those for linux and windows"),
        "UNSUPPORTED_OPTION", option);
  }
  return WithOption(
      InvalidArgument(fmt::format("{}: \"{}\" is not a system that images can be built for; linux "
                                  "and windows are",
                                  option, ToUtf8(os))),
      "INVALID_OPTION", option);
}

// The path as on Linux, of either system: "C:\app\x" is "/app/x", also where it was taken for a
// relative one ("/srv/C:\app\x").
std::string Slashed(std::string_view path, std::string_view directory) {
  std::string slashed(path);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  for (size_t colon = slashed.rfind(':'); colon != std::string::npos && colon > 0;
       colon = slashed.rfind(':', colon - 1)) {
    const bool is_drive = std::isalpha(static_cast<unsigned char>(slashed[colon - 1])) &&
                          (colon == 1 || slashed[colon - 2] == '/');
    if (is_drive) {
      slashed.erase(0, colon + 1);
      break;
    }
  }
  return slashed.starts_with('/') ? slashed : fmt::format("{}/{}", directory, slashed);
}

// Where in the context a source has what lies at `path` of the image, if it brought that.
void AddPlaces(const v1::Copy& copy, const v1::Copy::Source& source, const std::string& path,
               std::vector<std::string>* places) {
  if (!source.from().has_context() || !source.from().context().empty() ||
      places->size() >= kMaxPlaces) {
    return;
  }
  const std::string destination = CleanPath(Slashed(copy.destination(), ""));
  const std::string from = CleanPath(Slashed(source.path(), ""));
  if (!IsAtOrBelow(path, destination)) {
    return;
  }
  const std::string below(PathBelow(path, destination));
  if (below.empty() || below == BaseName(from)) {
    places->push_back(from);  // a file
  } else if (HasGlob(source.path()) && below.find('/') == std::string::npos) {
    places->push_back(CleanPath(fmt::format("{}/../{}", from, below)));  // one of several
  }
  if (!below.empty()) {
    places->push_back(from.empty() ? below : fmt::format("{}/{}", from, below));  // a directory
  }
}

}  // namespace

TargetHints HintsOf(const v1::BuildSpec& spec) {
  TargetHints hints;
  hints.request_os = spec.target_os();
  if (const absl::StatusOr<std::vector<v1::Platform>> platforms = RequestPlatforms(spec);
      platforms.ok() && !platforms->empty()) {
    hints.request_platform = FormatPlatform(platforms->front());
  }
  return hints;
}

TargetHints HintsOf(const v1::BuildSpec& spec, const FileToBuild& file) {
  TargetHints hints = HintsOf(spec);
  hints.file_os = file.os;
  hints.file_platform = file.platform;
  hints.program = file.program;
  return hints;
}

bool NamesPlatform(const TargetHints& hints) {
  return !hints.request_platform.empty() || !hints.file_platform.empty();
}

bool NamesSystem(const TargetHints& hints) {
  return !hints.request_os.empty() || !hints.file_os.empty() || NamesPlatform(hints);
}

absl::StatusOr<v1::Platform> TargetPlatform(const TargetHints& hints, const v1::Platform& host) {
  v1::Platform requested;
  if (!hints.request_platform.empty()) {
    absl::StatusOr<v1::Platform> parsed = ParsePlatform(hints.request_platform, host);
    if (!parsed.ok()) {
      return WithOption(Annotate(parsed.status(), "platforms"), "INVALID_OPTION", "platforms");
    }
    requested = *std::move(parsed);
  }
  v1::Platform of_file;
  if (absl::StatusOr<v1::Platform> parsed = ParsePlatform(hints.file_platform, host); parsed.ok()) {
    of_file = *std::move(parsed);
  }
  const std::pair<std::string, const char*> systems[] = {
      {ToLower(hints.request_os), "target_os"}, {requested.os(), "platforms"},
      {ToLower(hints.file_os), "os"},           {of_file.os(), "platform"},
      {hints.program.os(), "target_os"},        {"linux", ""}};
  const auto& [os, option] =
      *std::find_if(std::begin(systems), std::end(systems),
                    [](const auto& system) { return !system.first.empty(); });
  RETURN_IF_ERROR(CheckSystem(os, option));
  v1::Platform platform = host;
  const v1::Platform* const hinted[] = {&requested, &of_file, &hints.program};
  for (const v1::Platform* from : hinted) {
    if (!from->architecture().empty()) {
      platform = *from;
      break;
    }
  }
  platform.set_os(os);
  return platform;
}

std::vector<std::string> FindProgram(const v1::Graph& graph) {
  std::vector<std::string> places;
  const v1::Stage& target = graph.stages(static_cast<int>(graph.targets(0)));
  if (!target.operations(0).has_scratch()) {
    return places;
  }
  v1::ImageConfig config;
  bool command_is_own = false;
  for (const v1::Operation& operation : target.operations()) {
    for (const v1::ConfigChange& change : operation.config()) {
      ApplyConfigChange(change, &config, &command_is_own);
    }
  }
  const v1::Words& command =
      config.entrypoint().words().empty() ? config.cmd() : config.entrypoint();
  if (command.words().empty()) {
    return places;
  }
  const std::string path = CleanPath(Slashed(command.words(0), Slashed(config.working_dir(), "")));
  // The last one that brings it counts.
  for (int i = target.operations_size(); i-- > 0;) {
    const v1::Copy& copy = target.operations(i).copy();
    for (int j = copy.sources_size(); j-- > 0;) {
      AddPlaces(copy, copy.sources(j), path, &places);
    }
  }
  return places;
}

}  // namespace zlayer
