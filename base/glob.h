// Patterns of file names with the rules of Go's filepath.Match, which COPY and ADD use.
//
//   *       any run of characters other than '/', the empty one too
//   ?       one character other than '/'
//   [a-z]   one character of a class; [^a-z] one that is not in it
//   \c      the character c
//
// A "character" is a code point of UTF-8, or one byte where the bytes are not UTF-8. A pattern must
// match the whole name. The time is at most the product of the two lengths.
#ifndef ZLAYER_BASE_GLOB_H_
#define ZLAYER_BASE_GLOB_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string_view>

namespace zlayer {

// Whether `pattern` matches all of `name`. kInvalidArgument: the pattern is malformed (see
// CheckGlob), whatever the name.
absl::StatusOr<bool> GlobMatch(std::string_view pattern, std::string_view name);

// kInvalidArgument, naming the pattern, where a class is not closed or empty, or a '\' ends it.
absl::Status CheckGlob(std::string_view pattern);

// Whether the text contains a '*', '?' or '[' that no '\' precedes. Text without is a plain path
// (in which a '\' still escapes).
bool HasGlob(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_BASE_GLOB_H_
