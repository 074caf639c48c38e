// Reading JSON from elsewhere: whatever it holds, the outcome is a value or a sentence that names
// the member ("config.Env[2] is not a string").
#ifndef ZLAYER_REGISTRY_IMAGE_JSON_READER_H_
#define ZLAYER_REGISTRY_IMAGE_JSON_READER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace zlayer {

// Parses `text`, which must be one object. kInvalidArgument where it is not, where it is larger
// than `limit` bytes, or nested more than 64 deep.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, size_t limit);
// The same for one array.
absl::StatusOr<nlohmann::json> ParseJsonArray(std::string_view text, size_t limit);

// A member of a document, which may be absent (null is absent too: Go writes that for what is
// empty). Reading never fails at once: the first thing that is wrong is kept in the status given to
// the root, and what was asked for is empty. The document and the status must outlive the member.
class JsonMember {
 public:
  JsonMember(const nlohmann::json& document, absl::Status* status)
      : value_(&document), status_(status) {}

  // Whether it is there.
  explicit operator bool() const { return value_ != nullptr; }
  // "config.Env", for messages.
  const std::string& path() const { return path_; }

  // A member of this object; absent where this is.
  JsonMember operator[](const char* name) const;

  // Of the type asked for; empty, 0 or false where absent. Strings have no NUL in them.
  std::string String() const;
  int64_t Int() const;  // not negative
  bool Bool() const;

  // Calls `visit` for each element of this array or each member of this object, sorted by name,
  // until something is wrong.
  void ForEach(const std::function<void(const JsonMember& element)>& visit) const;
  void ForEachNamed(
      const std::function<void(const std::string& name, const JsonMember& member)>& visit) const;

  // Says that this member is wrong: "<path> <what>".
  void Fail(std::string_view what) const;

 private:
  JsonMember(const nlohmann::json* value, std::string path, absl::Status* status);

  const nlohmann::json* value_;
  std::string path_;
  absl::Status* status_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_IMAGE_JSON_READER_H_
