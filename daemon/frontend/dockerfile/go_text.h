// Rules of Go's standard library that the Dockerfile language has inherited from BuildKit.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GO_TEXT_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GO_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// White space of Unicode, as unicode.IsSpace.
bool IsGoSpace(uint32_t code_point);

// What may stand in a variable's name beside digits and '_', as unicode.IsLetter: exact for ASCII;
// above it, everything but the blocks of punctuation, symbols and private use.
bool IsGoLetter(uint32_t code_point);

// Without IsGoSpace at the start, or at both ends.
std::string_view TrimGoSpaceLeft(std::string_view text);
std::string_view TrimGoSpace(std::string_view text);

// Without a byte order mark at the start, as editors of Windows write it.
std::string_view WithoutByteOrderMark(std::string_view text);

// In double quotes with escapes, as strconv.Quote and %q: what does not print becomes \n, \x01,
// \u200b; bytes that are not UTF-8 become \xff.
std::string GoQuote(std::string_view text);

// A character as strconv.QuoteRune: 'a', '\x00', '\''. What is no code point is U+FFFD.
std::string GoQuoteRune(uint32_t code_point);

// A list as %q writes it: ["a" "b"].
std::string GoQuoteList(const std::vector<std::string>& words);

// The shortest path that means the same without looking at a disk, as path.Clean: no "." and empty
// components, no ".." behind a name, no final "/"; "." for an empty path.
std::string GoCleanPath(std::string_view path);

// As strconv.ParseBool: "1", "t", "true", "True", "TRUE" and their like; nullopt for anything else.
std::optional<bool> ParseGoBool(std::string_view text);

// The fields of one line of comma-separated values, as encoding/csv: a field in double quotes may
// hold commas, and quotes doubled. nullopt where a quote stands elsewhere or is not closed.
std::optional<std::vector<std::string>> SplitCsv(std::string_view line);

// Nanoseconds of a duration as time.ParseDuration reads it: "1h30m", "1.5s", "-2ms", "0". nullopt:
// it is not one, or does not fit 64 bits.
std::optional<int64_t> ParseGoDuration(std::string_view text);

// A duration as time.Duration prints: "1m30s", "1.5s", "0s".
std::string FormatGoDuration(int64_t nanoseconds);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GO_TEXT_H_
