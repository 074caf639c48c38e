// Which lines of releases ("22", "3.13") a project can do with, as package.json, pyproject.toml and
// the files of version managers write it.
#ifndef ZLAYER_DAEMON_FRONTEND_TEMPLATE_VERSION_RANGE_H_
#define ZLAYER_DAEMON_FRONTEND_TEMPLATE_VERSION_RANGE_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace zlayer {

// A version's numbers, the first ones of it: {22}, {3, 13}.
using VersionNumbers = std::vector<uint64_t>;

// Alternatives of conditions that hold together. A line stands for its newest release, so that
// ">=22.5" and "22.1.0" contain the line 22, and "<22.1" does not.
class VersionRange {
 public:
  // npm's and Python's writing: "22", "v22.11.0", "22.x", "^22.1", "~3.12", "~=3.12.1", "==3.13.*",
  // ">=20 <23", ">=3.12,<4", "20 - 24", "20 || 22", "*". Nullopt: it is not one, or names no
  // version ("lts/jod").
  static std::optional<VersionRange> Parse(std::string_view text);

  bool Contains(const VersionNumbers& line) const;

  // The first version that it names; empty for "*".
  VersionNumbers First() const;

 private:
  struct Condition {
    std::string_view op;  // one of a fixed set
    VersionNumbers version;
  };
  using Conditions = std::vector<Condition>;

  static std::optional<Conditions> ParseConditions(std::string_view text);
  static bool Holds(const Condition& condition, const VersionNumbers& line);

  std::vector<Conditions> alternatives_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_TEMPLATE_VERSION_RANGE_H_
