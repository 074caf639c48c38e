#include "proto/error_detail.h"

#include <absl/strings/cord.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/errors.h"

namespace zlayer {
namespace {

constexpr char kPayload[] = "type.googleapis.com/zlayer.v1.ErrorDetail";

}  // namespace

absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail) {
  if (status.ok()) {
    return status;
  }
  v1::ErrorDetail merged = DetailOf(status);
  merged.MergeFrom(detail);
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
