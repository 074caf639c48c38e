// .dockerignore: which files of a context stay behind.
//
// One pattern a line, relative to the context's root. Blank lines and lines that begin with '#' are
// skipped, patterns are cleaned ("./a/" is "a"), a leading '/' is dropped. `*` and `?` match within
// a component, `**` matches any number of components, `[a-z]` is a class, `\` escapes (see
// PathPattern). A pattern that matches a directory holds for all that is in it. A pattern with '!'
// in front keeps what earlier ones ignore; the last one that matches decides (see PathPatterns).
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_IGNORE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_IGNORE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/path_patterns.h"

namespace zlayer {

// Constant after construction; thread-safe. The default one ignores nothing.
class IgnoreRules {
 public:
  struct Match {
    bool ignored = false;
    int line = 0;  // of the pattern that decided, from 1; 0 where none matched
  };

  IgnoreRules() = default;

  // kInvalidArgument with "`name`:LINE: " in front: a pattern is malformed or longer than 4096
  // bytes, "!" stands alone, or the text has more than 1 MiB or 10,000 patterns.
  static absl::StatusOr<IgnoreRules> Parse(std::string_view text, std::string_view name);

  // What holds for a path relative to the context's root and clean: no "." or "..", no '/' at
  // either end. Need not exist. The root itself ("" or ".") is never ignored.
  Match Matches(std::string_view path) const;

  // Whether something below `directory`, which is ignored, may be kept by a later pattern with '!':
  // a walk must look into it then. May err towards true.
  bool MayContainKept(std::string_view directory) const;

  // The line that leaves out all that a source of COPY can mean, which may have wildcards, or be
  // the root; 0 where something is kept, or may be.
  int LineThatIgnores(std::string_view source) const;

  bool empty() const { return lines_.empty(); }

 private:
  absl::Status AddLine(std::string_view line, int number);

  PathPatterns patterns_;
  std::vector<int> lines_;             // of patterns_
  std::optional<size_t> ignores_all_;  // the last of patterns_ that is "*" or "**"
};

struct IgnoreFile {
  std::string name;  // for messages: "docker/app.Dockerfile.dockerignore"
  IgnoreRules rules;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_IGNORE_H_
