#include "daemon/frontend/pipeline/yaml_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr size_t kMaxElements = 1000;
// What a value costs beside its bytes.
constexpr size_t kValueBytes = 16;
constexpr size_t kMaxShownBytes = 100;

std::string Shown(std::string_view text) {
  return ToUtf8(CutUtf8(text, kMaxShownBytes)) + (text.size() > kMaxShownBytes ? "..." : "");
}

std::string Below(const std::string& path, std::string_view key) {
  return path.empty() ? Shown(key) : fmt::format("{}.{}", path, Shown(key));
}

std::string UnknownKey(const std::string& key, const std::vector<std::string>& known) {
  if (key == "<<") {
    return "merge keys (<<) are not taken; say under defaults what images share";
  }
  const std::string suggestion = Suggestion(key, known);
  return "this key is not known" +
         (suggestion.empty() ? "; known keys are " + Join(known, ", ") : suggestion);
}

}  // namespace

absl::StatusOr<YamlValue> YamlReader::Load(const std::string& text) const {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return ErrorAt(documents[1].Mark(), "", "a second document begins here; there may be one");
    }
    return YamlValue{documents.empty() ? YAML::Node() : documents[0], ""};
  } catch (const YAML::Exception& error) {
    return ErrorAt(error.mark, "", error.msg);
  }
}

absl::Status YamlReader::Error(const YamlValue& value, std::string_view message) const {
  return ErrorAt(value.node.Mark(), value.path, message);
}

absl::Status YamlReader::ErrorAt(const YAML::Mark& mark, std::string_view path,
                                 std::string_view message) const {
  const int line = std::max(mark.line, 0) + 1;
  v1::ErrorDetail detail;
  detail.set_reason("INVALID_PIPELINE");
  detail.set_subject(ToUtf8(path));
  detail.mutable_source()->set_file(ToUtf8(file_));
  detail.mutable_source()->set_first_line(static_cast<uint32_t>(line));
  detail.mutable_source()->set_last_line(static_cast<uint32_t>(line));
  return WithDetail(
      InvalidArgument(fmt::format("{}:{}:{}: {}{}{}", file_, line, std::max(mark.column, 0) + 1,
                                  path, path.empty() ? "" : ": ", message)),
      detail);
}

absl::Status YamlReader::ForEachKey(const YamlValue& map, const std::vector<std::string>& known,
                                    const Visit& visit) const {
  if (map.node.IsNull()) {
    return absl::OkStatus();
  }
  if (!map.node.IsMap()) {
    return Error(map, map.path.empty() ? "the file is not a mapping of keys to values"
                                       : "the value is not a mapping of keys to values");
  }
  std::set<std::string> seen;
  for (const auto& entry : map.node) {
    const YAML::Mark mark = entry.first.Mark();
    if (!entry.first.IsScalar()) {
      return ErrorAt(mark, map.path, "a key is not a plain word");
    }
    const std::string& key = entry.first.Scalar();
    const std::string path = Below(map.path, key);
    if (!seen.insert(key).second) {
      return ErrorAt(mark, path, "this key is given twice");
    }
    if (seen.size() > kMaxElements) {
      return ErrorAt(mark, map.path, fmt::format("there are more than {} keys", kMaxElements));
    }
    if (!known.empty() && std::find(known.begin(), known.end(), key) == known.end()) {
      return ErrorAt(mark, path, UnknownKey(key, known));
    }
    RETURN_IF_ERROR(visit(key, {entry.second, path}));
  }
  return absl::OkStatus();
}

absl::Status YamlReader::ForEachElement(
    const YamlValue& list, const std::function<absl::Status(const YamlValue&)>& visit) const {
  if (list.node.IsNull()) {
    return absl::OkStatus();
  }
  if (!list.node.IsSequence()) {
    return Error(list, "the value is not a list");
  }
  size_t index = 0;
  for (const YAML::Node& element : list.node) {
    if (index == kMaxElements) {
      return Error(list, fmt::format("there are more than {} elements", kMaxElements));
    }
    RETURN_IF_ERROR(visit({element, fmt::format("{}[{}]", list.path, index++)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> YamlReader::Text(const YamlValue& value) {
  if (!value.node.IsScalar()) {
    return Error(value, value.node.IsNull() ? "there is no value; \"\" is an empty one"
                                            : "the value is not a plain one");
  }
  const std::string& text = value.node.Scalar();
  RETURN_IF_ERROR(Spend(value, text.size()));
  if (!IsUtf8(text) || text.find('\0') != std::string::npos) {
    return Error(value, "the value is not UTF-8 text without NUL");
  }
  return text;
}

absl::StatusOr<bool> YamlReader::Flag(const YamlValue& value) {
  ASSIGN_OR_RETURN(const std::string text, Text(value));
  if (text != "true" && text != "false") {
    return Error(value, fmt::format("\"{}\" is not true or false", Shown(text)));
  }
  return text == "true";
}

absl::StatusOr<uint32_t> YamlReader::Number(const YamlValue& value) {
  ASSIGN_OR_RETURN(const std::string text, Text(value));
  const std::optional<uint64_t> number = ParseUint(text);
  if (!number.has_value() || *number > std::numeric_limits<uint32_t>::max()) {
    return Error(value, fmt::format("\"{}\" is not a number from 0 on", Shown(text)));
  }
  return static_cast<uint32_t>(*number);
}

absl::StatusOr<std::string> YamlReader::Choice(const YamlValue& value,
                                               const std::vector<std::string>& allowed) {
  ASSIGN_OR_RETURN(std::string text, Text(value));
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    return Error(value, fmt::format("\"{}\" is not one of {}{}", Shown(text), Join(allowed, ", "),
                                    Suggestion(text, allowed)));
  }
  return text;
}

absl::Status YamlReader::Spend(const YamlValue& value, size_t bytes) {
  if (bytes + kValueBytes > bytes_left_) {
    return Error(value, "the file says too much once its aliases and defaults are put in");
  }
  bytes_left_ -= bytes + kValueBytes;
  return absl::OkStatus();
}

}  // namespace zlayer
