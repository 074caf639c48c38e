#include "base/glob.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// Takes one character of a class from the pattern; false where there is none that may stand there.
bool TakeClassCharacter(std::string_view* pattern, uint32_t* value) {
  if (pattern->empty() || pattern->front() == '-' || pattern->front() == ']') {
    return false;
  }
  if (pattern->front() == '\\') {
    pattern->remove_prefix(1);
    if (pattern->empty()) {
      return false;
    }
  }
  const CodePoint character = FirstCodePoint(*pattern);
  *value = character.value;
  pattern->remove_prefix(character.length);
  return !pattern->empty();
}

// Takes a class, behind its '['; `matched` is whether it contains `value`. False: malformed.
bool TakeClass(std::string_view* pattern, uint32_t value, bool* matched) {
  const bool negated = pattern->starts_with('^');
  if (negated) {
    pattern->remove_prefix(1);
  }
  bool found = false;
  for (int ranges = 0;; ++ranges) {
    if (ranges > 0 && pattern->starts_with(']')) {
      pattern->remove_prefix(1);
      *matched = found != negated;
      return true;
    }
    uint32_t low = 0;
    if (!TakeClassCharacter(pattern, &low)) {
      return false;
    }
    uint32_t high = low;
    if (pattern->front() == '-') {
      pattern->remove_prefix(1);
      if (!TakeClassCharacter(pattern, &high)) {
        return false;
      }
    }
    found = found || (low <= value && value <= high);
  }
}

// Takes one element other than '*' from the pattern and what it matches from the name. False: it
// does not match.
bool TakeElement(std::string_view* pattern, std::string_view* name) {
  const char first = pattern->front();
  if (name->empty()) {
    return false;
  }
  if (first == '[' || first == '?') {
    const CodePoint character = FirstCodePoint(*name);
    pattern->remove_prefix(1);
    name->remove_prefix(character.length);
    if (first == '?') {
      return character.value != '/';
    }
    bool matched = false;
    return TakeClass(pattern, character.value, &matched) && matched;
  }
  if (first == '\\') {
    pattern->remove_prefix(1);
  }
  const bool same = pattern->front() == name->front();
  pattern->remove_prefix(1);
  name->remove_prefix(1);
  return same;
}

}  // namespace

absl::Status CheckGlob(std::string_view pattern) {
  const std::string_view whole = pattern;
  const auto bad = [whole](std::string_view why) {
    return InvalidArgument("the pattern \"" + ToUtf8(whole) +
                           "\" is malformed: " + std::string(why));
  };
  while (!pattern.empty()) {
    const char first = pattern.front();
    pattern.remove_prefix(1);
    bool matched = false;
    if (first == '[' && !TakeClass(&pattern, 0, &matched)) {
      return bad("a class that '[' opens is empty or not closed");
    }
    if (first == '\\') {
      if (pattern.empty()) {
        return bad("nothing follows the last '\\'");
      }
      pattern.remove_prefix(1);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> GlobMatch(std::string_view pattern, std::string_view name) {
  if (absl::Status status = CheckGlob(pattern); !status.ok()) {
    return status;
  }
  // What to try again from: the pattern behind the last '*' and the name that it did not take yet.
  std::string_view star_pattern;
  std::string_view star_name;
  bool star = false;
  while (true) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      star_pattern = pattern;
      star_name = name;
      star = true;
      continue;
    }
    if (pattern.empty() ? name.empty() : TakeElement(&pattern, &name)) {
      if (pattern.empty() && name.empty()) {
        return true;
      }
      continue;
    }
    if (!star || star_name.empty() || star_name.front() == '/') {
      return false;
    }
    star_name.remove_prefix(1);
    pattern = star_pattern;
    name = star_name;
  }
}

bool HasGlob(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
      return true;
    }
  }
  return false;
}

}  // namespace zlayer
