// One compiled pattern of a path, with the rules of moby/patternmatcher, which .dockerignore,
// `--exclude` and `--parents` have: `*` and `?` match within a component, `**` any number of
// components, `[a-z]` is a class, `\` escapes.
#ifndef ZLAYER_BASE_PATH_PATTERN_H_
#define ZLAYER_BASE_PATH_PATTERN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zlayer {

class PathPattern {
 public:
  // `text` is clean and has passed CheckGlob.
  explicit PathPattern(std::string_view text);

  // Whether the pattern matches `path` or a directory above it. Takes time in proportion to the
  // product of the two lengths at most, and no memory that grows with the path.
  bool MatchesOrParent(std::string_view path) const;

  // Whether it may match something strictly below `directory`.
  bool MayMatchBelow(std::string_view directory) const;

 private:
  enum class Kind : uint8_t {
    kLiteral,      // one character
    kOne,          // one character but '/'
    kClass,        // one character of (or not of) ranges
    kStar,         // any run without '/'
    kAnything,     // any run
    kDirectories,  // nothing, or any run that ends with '/'
  };
  struct Token {
    Kind kind;
    uint32_t literal = 0;
    bool negated = false;
    std::vector<std::pair<uint32_t, uint32_t>> ranges;
  };
  class Run;

  void AddDoubleStar(std::string_view rest);
  std::string_view AddClass(std::string_view rest);
  static bool Takes(const Token& token, uint32_t character);

  std::string literal_;        // the whole pattern where it has no wildcard
  std::vector<Token> tokens_;  // else this
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_PATH_PATTERN_H_
