#include "backends/graph/file_mode.h"

#include "base/strings.h"

namespace zlayer {
namespace {

constexpr uint32_t kAllBits = 07777;

std::optional<uint32_t> ParseOctal(std::string_view text) {
  if (text.empty() || text.size() > 5) {
    return std::nullopt;
  }
  uint32_t mode = 0;
  for (char c : text) {
    if (c < '0' || c > '7') {
      return std::nullopt;
    }
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  return mode <= kAllBits ? std::optional<uint32_t>(mode) : std::nullopt;
}

// The bits that one of "ugo" owns.
uint32_t WhoMask(char who) {
  switch (who) {
    case 'u':
      return 04700;
    case 'g':
      return 02070;
    case 'o':
      return 01007;
    case 'a':
      return kAllBits;
    default:
      return 0;
  }
}

// The bits of one permission letter for everyone, to be cut down by WhoMask.
std::optional<uint32_t> PermissionBits(char letter, uint32_t mode, bool is_directory) {
  switch (letter) {
    case 'r':
      return 0444;
    case 'w':
      return 0222;
    case 'x':
      return 0111;
    case 'X':
      return is_directory || (mode & 0111) != 0 ? 0111 : 0;
    case 's':
      return 06000;
    case 't':
      return 01000;
    case 'u':
      return ((mode >> 6) & 7) * 0111;
    case 'g':
      return ((mode >> 3) & 7) * 0111;
    case 'o':
      return (mode & 7) * 0111;
    default:
      return std::nullopt;
  }
}

// One clause: [ugoa]*([-+=][rwxXstugo]*)+
std::optional<uint32_t> ApplyClause(std::string_view clause, uint32_t mode, bool is_directory) {
  size_t at = 0;
  uint32_t who = 0;
  for (; at < clause.size() && WhoMask(clause[at]) != 0; ++at) {
    who |= WhoMask(clause[at]);
  }
  if (who == 0) {
    who = kAllBits;
  }
  if (at == clause.size()) {
    return std::nullopt;
  }
  while (at < clause.size()) {
    const char action = clause[at++];
    if (action != '+' && action != '-' && action != '=') {
      return std::nullopt;
    }
    uint32_t bits = 0;
    for (; at < clause.size() && std::string_view("+-=").find(clause[at]) == std::string_view::npos;
         ++at) {
      const std::optional<uint32_t> more = PermissionBits(clause[at], mode, is_directory);
      if (!more.has_value()) {
        return std::nullopt;
      }
      bits |= *more;
    }
    bits &= who;
    if (action == '+') {
      mode |= bits;
    } else if (action == '-') {
      mode &= ~bits;
    } else {
      mode = (mode & ~who) | bits;
    }
  }
  return mode;
}

}  // namespace

std::optional<uint32_t> ChangeMode(std::string_view change, uint32_t old_mode, bool is_directory) {
  if (const std::optional<uint32_t> octal = ParseOctal(change); octal.has_value()) {
    return octal;
  }
  uint32_t mode = old_mode;
  for (std::string_view clause : Split(change, ',')) {
    const std::optional<uint32_t> changed = ApplyClause(clause, mode, is_directory);
    if (!changed.has_value()) {
      return std::nullopt;
    }
    mode = *changed;
  }
  return mode;
}

}  // namespace zlayer
