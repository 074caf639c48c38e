// A value of a YAML file with the key that it stands behind, and what can be read from it. Errors
// are those of YamlError: kParse where the value is of another type.
#ifndef ZLAYER_DAEMON_FRONTEND_YAML_FIELD_H_
#define ZLAYER_DAEMON_FRONTEND_YAML_FIELD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "daemon/frontend/yaml/yaml_tree.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

class Field {
 public:
  // The root of a file. Neither is owned; both outlive it.
  Field(const YamlNode& root, const YamlFile& file) : Field(root, file, root.at, "", "") {}

  const YamlNode& node() const { return *node_; }
  const std::string& key() const { return key_; }  // the last part of the path; of an item empty
  const std::string& path() const { return path_; }
  bool IsNull() const { return node_->kind == YamlNode::Kind::kNull; }
  bool IsList() const { return node_->kind == YamlNode::Kind::kList; }
  bool IsMap() const { return node_->kind == YamlNode::Kind::kMap; }
  bool IsScalar() const { return node_->kind == YamlNode::Kind::kScalar; }

  // The lines of key and value.
  v1::SourceRange source() const;

  // kValidation, at the value.
  absl::Status Error(std::string_view message) const;
  // The same at the key.
  absl::Status ErrorAtKey(std::string_view message) const;
  // kParse: "is a list, and not `expected`".
  absl::Status TypeError(std::string_view expected) const;
  // What `status` says, at the value; OK stays OK.
  absl::Status Located(const absl::Status& status) const;

  // Of a map, in the file's order. A map without a value is an empty one, and so is a list.
  absl::StatusOr<std::vector<Field>> Entries() const;
  // The value behind a key; nullopt where this is no map or has no such key.
  std::optional<Field> Find(std::string_view key) const;
  // Of a list.
  absl::StatusOr<std::vector<Field>> Items() const;
  // Of a list, or the one value that stands in its place.
  absl::StatusOr<std::vector<Field>> ItemsOrOne() const;

  // A scalar as it is written: numbers and booleans are texts, too.
  absl::StatusOr<std::string> Text() const;
  absl::StatusOr<bool> Boolean() const;
  absl::StatusOr<uint64_t> Number(uint64_t most) const;
  // One of `choices`.
  absl::StatusOr<std::string> Choice(const std::vector<std::string>& choices) const;
  // The same where `text` is what the value comes to.
  absl::StatusOr<std::string> Choice(const std::vector<std::string>& choices,
                                     std::string text) const;
  // A list of texts, or one.
  absl::StatusOr<std::vector<std::string>> Texts() const;

 private:
  Field(const YamlNode& node, const YamlFile& file, const YamlPosition& at, std::string key,
        std::string path)
      : node_(&node), file_(&file), at_(at), key_(std::move(key)), path_(std::move(path)) {}

  absl::Status Malformed(std::string_view message) const;  // kParse
  Field Child(const YamlEntry& entry) const;

  const YamlNode* node_;
  const YamlFile* file_;
  YamlPosition at_;  // of the key; where there is none, of the value
  std::string key_;
  std::string path_;
};

// What `read`, a method of Field or a function of one, reads from each, up to the first error.
template <typename Read>
auto ReadEach(const std::vector<Field>& fields, const Read& read)
    -> absl::StatusOr<std::vector<typename std::invoke_result_t<Read, const Field&>::value_type>> {
  std::vector<typename std::invoke_result_t<Read, const Field&>::value_type> values;
  for (const Field& field : fields) {
    ASSIGN_OR_RETURN(values.emplace_back(), std::invoke(read, field));
  }
  return values;
}

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_YAML_FIELD_H_
