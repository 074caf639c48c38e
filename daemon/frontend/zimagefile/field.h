// A value of a ZImagefile with the key that it stands behind, and what can be read from it. Errors
// are those of ZImagefileError: kParse where the value is of another type.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FIELD_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FIELD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/zimagefile/yaml_tree.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

class Field {
 public:
  // The root of a file. Neither is owned; both outlive it.
  Field(const YamlNode& root, std::string_view file) : Field(root, file, root.at, "", "") {}

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

  // A text in which variables of the build are expanded, as a word of a Dockerfile (words.h):
  // quotes and backslashes stand for themselves, `$$` is a dollar.
  absl::StatusOr<std::string> Word() const;
  // A word that must not be empty.
  absl::StatusOr<std::string> NonEmptyWord() const;
  // A text where no variable has a value: one that is used must bring its default.
  absl::StatusOr<std::string> Literal() const;
  // A text in which nothing is expanded, for a shell or a program: only `$${` is `${`.
  absl::StatusOr<std::string> CommandText() const;
  // The name of a stage, context or image behind `from`.
  absl::StatusOr<std::string> From() const;

  // A list of texts, or one.
  absl::StatusOr<std::vector<std::string>> Texts() const;
  absl::StatusOr<std::vector<std::string>> Words() const;
  // A text for the shell, or a list of words to execute.
  absl::StatusOr<CommandLine> Command() const;
  // A map of names to words (names are words, too).
  absl::StatusOr<std::vector<NameValue>> WordPairs() const;
  // The same of variables, whose names have no "=".
  absl::StatusOr<std::vector<NameValue>> VariablePairs() const;
  // A map of names to literals.
  absl::StatusOr<std::vector<NameValue>> LiteralPairs() const;

 private:
  using TextReader = absl::StatusOr<std::string> (Field::*)() const;

  Field(const YamlNode& node, std::string_view file, const YamlPosition& at, std::string key,
        std::string path)
      : node_(&node), file_(file), at_(at), key_(std::move(key)), path_(std::move(path)) {}

  absl::Status Malformed(std::string_view message) const;  // kParse
  Field Child(const YamlEntry& entry) const;
  absl::StatusOr<std::vector<std::string>> ReadAll(TextReader read) const;

  const YamlNode* node_;
  std::string_view file_;
  YamlPosition at_;  // of the key; where there is none, of the value
  std::string key_;
  std::string path_;
};

// A text of a file as a word of a Dockerfile, whose value it is but for its variables.
std::string ToDockerfileWord(std::string_view text);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FIELD_H_
