// YAML text to a tree of values with their places, within limits. yaml-cpp stands behind it, and
// its exceptions end here.
#ifndef ZLAYER_DAEMON_FRONTEND_YAML_YAML_TREE_H_
#define ZLAYER_DAEMON_FRONTEND_YAML_YAML_TREE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

inline constexpr size_t kMaxYamlBytes = size_t{1} << 20;

// Lines and columns (bytes) count from 1.
struct YamlPosition {
  uint32_t line = 0;
  uint32_t column = 0;
};

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;                // of a scalar, whatever its type: UTF-8 without NUL
  std::vector<YamlNode> items;     // of a list
  std::vector<YamlEntry> entries;  // of a map, in the file's order; no key twice
  YamlPosition at;
  uint32_t last_line = 0;  // the last one with something of the value
};

struct YamlEntry {
  std::string key;
  YamlPosition at;
  YamlNode value;
};

// How a value is reached in messages, below `path`: "stages.build" and "steps" make
// "stages.build.steps". A key that is no plain word is quoted, and a long one cut.
std::string ChildPath(std::string_view path, std::string_view key);
// Of a list, from 0: "steps[2]".
std::string ChildPath(std::string_view path, size_t index);

// A file as messages tell of it. Its kind of file says which reasons (proto/ERRORS.md) errors have.
struct YamlFile {
  std::string name;
  std::string parse_reason;
  std::string validation_reason;
};

// Why a file is refused.
enum class YamlFault {
  kParse,       // no YAML, a value of another type, a limit
  kValidation,  // what it says makes no sense
};

// kInvalidArgument "FILE:LINE:COLUMN: PATH: MESSAGE" with its detail; without a path where it is
// empty.
absl::Status YamlError(YamlFault fault, const YamlFile& file, const YamlPosition& at,
                       std::string_view path, std::string_view message);

// The one document of `text`, with or without a byte order mark. An alias is a copy of what it
// stands for. The error is kParse: a syntax error, bytes that are not UTF-8, control characters, a
// key twice, a tag of its own kind, no document or several, more than 1 MiB, 32 levels, or, with
// what aliases repeat, more than 100,000 values (keys are values, too) or 4 MiB of them.
absl::StatusOr<YamlNode> ParseYaml(std::string_view text, const YamlFile& file);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_YAML_YAML_TREE_H_
