// Runtime templates: build files for projects of known kinds, which a request, a ZImagefile or
// `zlayer init` takes by name. Pure: texts that are part of the program, no I/O. All of it lives as
// long as the program and is thread-safe.
#ifndef ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_H_
#define ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_H_

#include <absl/status/statusor.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// The name that means the template which fits the files of the context (detect.h).
inline constexpr std::string_view kDetectRuntime = "auto";

struct RuntimeTemplate {
  std::string_view name;
  std::vector<std::string_view> aliases;
  std::string_view description;                // one sentence, without final dot
  std::vector<std::string_view> detect_files;  // patterns of names that tell such a project
  std::string_view dockerfile;                 // empty: a name that is known, but not built yet
  std::string_view dockerignore;
  std::string_view os;  // what its images are for; empty: Linux
};

// All templates, sorted by name.
std::span<const RuntimeTemplate> AllTemplates();

// The template with that name or alias, in any case; null where there is none.
const RuntimeTemplate* FindTemplate(std::string_view name);

// The same for what is to be built. kInvalidArgument (UNKNOWN_RUNTIME) lists the names and suggests
// the nearest, kUnimplemented (UNSUPPORTED_RUNTIME) is for names that are not built yet; the
// subject of both is the name.
absl::StatusOr<const RuntimeTemplate*> TemplateToBuild(std::string_view name);

// Its Dockerfile, on another line of Windows Server than its own where `windows_ltsc` names one.
std::string DockerfileOf(const RuntimeTemplate& runtime, std::string_view windows_ltsc);

// What messages call its build file: "runtime:node22".
std::string BuildFileName(const RuntimeTemplate& runtime);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_TEMPLATE_TEMPLATE_H_
