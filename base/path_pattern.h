// One compiled pattern of a path, with the rules of moby/patternmatcher, which .dockerignore,
// `--exclude` and `--parents` have: `*` and `?` match within a component, `**` any number of
// components, `[a-z]` is a class, `\` takes away a meaning. That package makes a regular expression
// of Go of all but the simplest patterns, and some of it shows: `\d`, `\D`, `\s`, `\S`, `\w` and
// `\W` are classes, `\a`, `\f`, `\n`, `\r`, `\t` and `\v` control characters, a `^` is the start of
// the path, and a class that holds a `*` or `?` ends there.
#ifndef ZLAYER_BASE_PATH_PATTERN_H_
#define ZLAYER_BASE_PATH_PATTERN_H_

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zlayer {

// Constant after construction; thread-safe.
class PathPattern {
 public:
  // `text` is clean. kInvalidArgument, naming it: it is malformed (see CheckGlob), a range of a
  // class runs backwards, or it has another escape or a named class ("[:alpha:]") of regular
  // expressions.
  static absl::StatusOr<PathPattern> Parse(std::string_view text);

  // Whether the pattern matches `path` or a directory above it. Takes time in proportion to the
  // product of the two lengths at most, and no memory that grows with the path.
  bool MatchesOrParent(std::string_view path) const;

  // Calls `visit` with the number of each component, from 0, up to whose end the pattern matches
  // the path; no more once it returns false. As fast.
  void VisitMatches(std::string_view path, absl::FunctionRef<bool(size_t level)> visit) const;

  // Whether it may match something strictly below `directory`.
  bool MayMatchBelow(std::string_view directory) const;

 private:
  enum class Kind : uint8_t {
    kLiteral,      // one character
    kClass,        // one character of (or not of) ranges
    kStart,        // nothing, at the start of the path
    kRun,          // any number of characters of a class
    kAnything,     // any run
    kDirectories,  // nothing, or any run that ends with '/'
  };
  struct Token {
    Kind kind;
    uint32_t literal = 0;
    bool negated = false;
    std::vector<std::pair<uint32_t, uint32_t>> ranges;  // first and last
  };
  class Parser;
  class Run;

  static bool Takes(const Token& token, uint32_t character);

  std::string literal_;        // the whole pattern where it has no wildcard
  std::vector<Token> tokens_;  // else this
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_PATH_PATTERN_H_
