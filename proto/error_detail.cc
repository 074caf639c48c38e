#include "proto/error_detail.h"

#include <absl/strings/cord.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr char kPayload[] = "type.googleapis.com/zlayer.v1.ErrorDetail";

// A proto string with bad bytes serialises and does not parse.
void MakeUtf8(std::string* text) {
  if (!IsUtf8(*text)) {
    *text = ToUtf8(*text);
  }
}

}  // namespace

absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail) {
  if (status.ok()) {
    return status;
  }
  v1::ErrorDetail merged = DetailOf(status);
  merged.MergeFrom(detail);
  MakeUtf8(merged.mutable_reason());
  MakeUtf8(merged.mutable_instruction());
  MakeUtf8(merged.mutable_stage());
  MakeUtf8(merged.mutable_subject());
  if (merged.has_source()) {
    MakeUtf8(merged.mutable_source()->mutable_file());
  }
  status.SetPayload(kPayload, absl::Cord(merged.SerializeAsString()));
  return status;
}

v1::ErrorDetail DetailOf(const absl::Status& status) {
  v1::ErrorDetail detail;
  if (auto payload = status.GetPayload(kPayload); payload.has_value()) {
    if (!detail.ParseFromString(std::string(*payload))) {
      detail.Clear();
    }
  }
  return detail;
}

absl::Status AtSource(absl::Status status, const v1::SourceRange& source) {
  if (status.ok() || source.first_line() == 0 || DetailOf(status).source().first_line() != 0) {
    return status;
  }
  v1::ErrorDetail detail;
  *detail.mutable_source() = source;
  return WithDetail(
      Annotate(status, fmt::format("{}:{}", source.file(), source.first_line())), detail);
}

}  // namespace zlayer
