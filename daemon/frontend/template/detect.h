// Which runtime template fits a project, by the files in its root. Pure, so that the daemon can
// look at a stored context and the client at a directory.
#ifndef ZLAYER_DAEMON_FRONTEND_TEMPLATE_DETECT_H_
#define ZLAYER_DAEMON_FRONTEND_TEMPLATE_DETECT_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/frontend/template/template.h"

namespace zlayer {

// The files of a project. What they hold is hostile.
class ProjectFiles {
 public:
  // Larger files are not looked into.
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  virtual ~ProjectFiles() = default;

  // The names of what is in the root, directories left out, in any order.
  virtual absl::StatusOr<std::vector<std::string>> Names() = 0;

  // The text of a file, by its path relative to the root. An error of any kind where it cannot be
  // read or has more than kMaxBytes: then only its name counts.
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;
};

struct DetectedRuntime {
  const RuntimeTemplate* runtime = nullptr;  // not null
  std::string reason;                        // "package.json, and .nvmrc asks for Node 22"
};

// The first kind that fits, in a fixed order (detect.cc). Where a project asks for a version, the
// newest template in that range; where none is in it, the nearest; where nothing is said, the
// newest. kFailedPrecondition (NO_RUNTIME_FITS) says what was looked for; kUnimplemented as
// TemplateToBuild.
absl::StatusOr<DetectedRuntime> DetectRuntime(ProjectFiles& files);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_TEMPLATE_DETECT_H_
