// Text from strangers made safe for a terminal, and measured as terminals show it.
#ifndef ZLAYER_CLIENT_PROGRESS_SCREEN_TEXT_H_
#define ZLAYER_CLIENT_PROGRESS_SCREEN_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace zlayer {

enum class CharacterKind {
  kControl,
  // Formats (also those that turn the writing direction), line separators, variation selectors.
  kNeverShown,
  // Stands upon the character before it: no column.
  kCombining,
  kNarrow,  // one column
  kWide,    // two columns
};

// Of a Unicode code point.
CharacterKind KindOf(uint32_t code_point);

// `text` as one line of UTF-8 that only puts characters from left to right: without escape
// sequences, control characters and what is never shown; a tab is spaces up to the next multiple of
// 8, a newline or a line separator one space; bytes that are not UTF-8 become U+FFFD; a character
// keeps at most 4 combining ones. Where a terminal and this code disagree about a character's width
// the line is off by a column, nothing else.
std::string Printable(std::string_view text);

// Columns that a printable text takes.
size_t ColumnsOf(std::string_view text);

// As much of the beginning of a printable text as fits into `columns`, the last one "…" where
// something is missing.
std::string CutTo(std::string_view text, size_t columns);

// The same with ASCII alone: marks of this program become the nearest character ("✓" is "+"), each
// column of anything else '?'.
std::string ToAscii(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_SCREEN_TEXT_H_
