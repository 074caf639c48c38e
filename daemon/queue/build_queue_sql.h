// Statements of build_queue.cc that are asked often, or look at many rows. Requests are up to MiBs,
// so these read indexes and no rows; the test looks at their plans.
#ifndef ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_SQL_H_
#define ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_SQL_H_

#include <string_view>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Partial indexes want literals.
static_assert(v1::QUEUED == 1 && v1::RUNNING == 2);

inline constexpr std::string_view kCountState = "SELECT count(*) FROM builds WHERE state = ?1";
inline constexpr std::string_view kSelectInState =
    "SELECT created, id, namespace, priority, attempt, needs_secrets, cancel_requested FROM builds "
    "WHERE state = ?1 ORDER BY created, id";
inline constexpr std::string_view kSelectLastStarts =
    "SELECT namespace FROM builds WHERE started IS NOT NULL GROUP BY namespace "
    "ORDER BY max(started)";
inline constexpr std::string_view kSelectContexts =
    "SELECT contexts FROM builds WHERE state IN (1, 2) AND contexts <> ''";
inline constexpr std::string_view kSelectExpired =
    "SELECT id FROM builds WHERE ended IS NOT NULL AND (ended < ?1 OR (ended, id) <= ("
    "SELECT ended, id FROM builds WHERE ended IS NOT NULL "
    "ORDER BY ended DESC, id DESC LIMIT 1 OFFSET ?2)) ORDER BY ended, id";

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_BUILD_QUEUE_SQL_H_
