// The patterns of ${name#p}, ${name%p} and ${name/p/w}: `*` is any run of characters, `?` is any
// one character, `\` before `*`, `?` or `\` takes away its meaning. A line break matches neither.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORD_PATTERN_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORD_PATTERN_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace zlayer {

enum class TrimSide { kPrefix, kSuffix };
enum class TrimLength { kShortest, kLongest };

// Both: kInvalidArgument where the pattern is malformed, or where matching it would take more
// than four million steps.

// `value` without what matches `pattern` at one end; as it is where nothing does.
absl::StatusOr<std::string> TrimPattern(std::string_view value, std::string_view pattern,
                                        TrimSide side, TrimLength length);

// `value` with the first, or each, leftmost longest match replaced. Where each is, "$0" in the
// replacement stands for the match, "$$" for a dollar, and "$" with another name for nothing, for
// BuildKit has it filled in as a regular expression's. kInvalidArgument, too: the result is longer
// than 1 MiB.
absl::StatusOr<std::string> ReplacePattern(std::string_view value, std::string_view pattern,
                                           std::string_view replacement, bool all);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORD_PATTERN_H_
