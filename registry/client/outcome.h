// How an attempt at something over a network ended.
#ifndef ZLAYER_REGISTRY_CLIENT_OUTCOME_H_
#define ZLAYER_REGISTRY_CLIENT_OUTCOME_H_

#include <absl/status/status.h>

#include <cstdint>

namespace zlayer {

struct Outcome {
  absl::Status status;
  // Another attempt may do better: the connection broke, or the server cannot answer for now.
  bool may_pass = false;
  int64_t retry_after_ms = 0;  // what the server asks for; 0 where it does not
  // Enough was transferred for the attempts to be counted anew.
  bool advanced = false;

  bool ok() const { return status.ok(); }
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_OUTCOME_H_
