// The rows that a submission makes, and how one is recognised. Each call is within a transaction of
// the queue's.
#ifndef ZLAYER_DAEMON_QUEUE_SUBMISSION_ROWS_H_
#define ZLAYER_DAEMON_QUEUE_SUBMISSION_ROWS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "daemon/queue/stored_request.h"
#include "registry/meta/database.h"

namespace zlayer {

// The build that has the request's idempotency key; nullopt where none has, or there is no key.
// kAlreadyExists where that build's request is another one: neither the same with the same ids of
// contexts nor, where all contexts are in the store, the same with contexts of the same content.
absl::StatusOr<std::optional<std::string>> FindSubmission(Connection& db,
                                                          const StoredRequest& stored,
                                                          int64_t now_ns);

// What tells the request from any other with contexts of other content; nullopt where a context is
// not in the store any more.
absl::StatusOr<std::optional<Digest>> FindContentDigest(Connection& db, const StoredRequest& stored,
                                                        int64_t now_ns);

// Inserts a queued build and its tags; returns its new id.
absl::StatusOr<std::string> InsertSubmission(Connection& db, const StoredRequest& stored,
                                             int64_t now_ns);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_SUBMISSION_ROWS_H_
