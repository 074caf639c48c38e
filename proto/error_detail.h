// v1::ErrorDetail on an absl::Status: what an error says beyond its sentence travels with it from
// where it is found (a parser, the executor) to where it is reported (BuildFailed, a call's
// trailing metadata).
#ifndef ZLAYER_PROTO_ERROR_DETAIL_H_
#define ZLAYER_PROTO_ERROR_DETAIL_H_

#include <absl/status/status.h>

#include <string_view>

#include "zlayer/v1/errors.pb.h"

namespace zlayer {

// The same status with `detail`; fields that `detail` leaves empty keep what the status carried.
// Bytes that are not UTF-8 are replaced.
// An OK status stays as it is.
absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail);

// What the status carries; empty where it carries none.
v1::ErrorDetail DetailOf(const absl::Status& status);

// The same status with "FILE:LINE: " before its message and the range in its detail. A status that
// has a range already keeps it and is returned as it is.
absl::Status AtSource(absl::Status status, const v1::SourceRange& source);

}  // namespace zlayer

#endif  // ZLAYER_PROTO_ERROR_DETAIL_H_
