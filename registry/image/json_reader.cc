#include "registry/image/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr size_t kMaxNameInMessage = 80;

// The greatest number of brackets that are open at once, those in strings left out.
int NestingDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

absl::StatusOr<Json> ParseJson(std::string_view text, size_t limit) {
  if (text.size() > limit) {
    return InvalidArgument(
        fmt::format("the JSON document has {} bytes, at most {} are allowed", text.size(), limit));
  }
  if (NestingDepth(text) > kMaxDepth) {
    return InvalidArgument(
        fmt::format("the JSON document is nested more than {} levels deep", kMaxDepth));
  }
  Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return InvalidArgument("the document is not valid JSON");
  }
  return document;
}

}  // namespace

absl::StatusOr<Json> ParseJsonObject(std::string_view text, size_t limit) {
  absl::StatusOr<Json> document = ParseJson(text, limit);
  if (document.ok() && !document->is_object()) {
    return InvalidArgument("the JSON document is not an object");
  }
  return document;
}

absl::StatusOr<Json> ParseJsonArray(std::string_view text, size_t limit) {
  absl::StatusOr<Json> document = ParseJson(text, limit);
  if (document.ok() && !document->is_array()) {
    return InvalidArgument("the JSON document is not an array");
  }
  return document;
}

JsonMember::JsonMember(const Json* value, std::string path, absl::Status* status)
    : value_(value != nullptr && value->is_null() ? nullptr : value),
      path_(std::move(path)),
      status_(status) {}

JsonMember JsonMember::operator[](const char* name) const {
  std::string path = path_.empty() ? name : path_ + "." + name;
  if (value_ == nullptr) {
    return JsonMember(nullptr, std::move(path), status_);
  }
  if (!value_->is_object()) {
    Fail("is not an object");
    return JsonMember(nullptr, std::move(path), status_);
  }
  auto found = value_->find(name);
  return JsonMember(found == value_->end() ? nullptr : &*found, std::move(path), status_);
}

std::string JsonMember::String() const {
  if (value_ == nullptr) {
    return {};
  }
  if (!value_->is_string()) {
    Fail("is not a string");
    return {};
  }
  const std::string& text = value_->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) {
    Fail("has a NUL character in it");
    return {};
  }
  return text;
}

int64_t JsonMember::Int() const {
  if (value_ == nullptr) {
    return 0;
  }
  if (!value_->is_number_unsigned() ||
      value_->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    Fail("is not a whole number of 0 or more");
    return 0;
  }
  return value_->get<int64_t>();
}

bool JsonMember::Bool() const {
  if (value_ == nullptr) {
    return false;
  }
  if (!value_->is_boolean()) {
    Fail("is not true or false");
    return false;
  }
  return value_->get<bool>();
}

void JsonMember::ForEach(const std::function<void(const JsonMember& element)>& visit) const {
  if (value_ == nullptr) {
    return;
  }
  if (!value_->is_array()) {
    Fail("is not an array");
    return;
  }
  for (size_t i = 0; i < value_->size() && status_->ok(); ++i) {
    JsonMember element(&(*value_)[i], fmt::format("{}[{}]", path_, i), status_);
    if (!element) {
      element.Fail("is null");
      return;
    }
    visit(element);
  }
}

void JsonMember::ForEachNamed(
    const std::function<void(const std::string& name, const JsonMember& member)>& visit) const {
  if (value_ == nullptr) {
    return;
  }
  if (!value_->is_object()) {
    Fail("is not an object");
    return;
  }
  for (auto member = value_->begin(); member != value_->end() && status_->ok(); ++member) {
    const std::string& name = member.key();
    std::string shown = ToUtf8(std::string_view(name).substr(0, kMaxNameInMessage));
    JsonMember value(&member.value(), fmt::format("{}[\"{}\"]", path_, shown), status_);
    if (name.find('\0') != std::string::npos) {
      value.Fail("has a NUL character in its name");
      return;
    }
    visit(name, value);
  }
}

void JsonMember::Fail(std::string_view what) const {
  if (status_->ok()) {
    *status_ = InvalidArgument(fmt::format("{} {}", path_.empty() ? "the document" : path_, what));
  }
}

}  // namespace zlayer
