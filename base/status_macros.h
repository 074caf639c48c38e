// Early return on errors. Debian's Abseil has no status macros.
#ifndef ZLAYER_BASE_STATUS_MACROS_H_
#define ZLAYER_BASE_STATUS_MACROS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#define ZLAYER_CONCAT_INNER(a, b) a##b
#define ZLAYER_CONCAT(a, b) ZLAYER_CONCAT_INNER(a, b)

// Evaluates an absl::Status; returns it from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expression)                                        \
  do {                                                                     \
    if (absl::Status zlayer_status = (expression); !zlayer_status.ok()) {  \
      return zlayer_status;                                                \
    }                                                                      \
  } while (false)

// Evaluates an absl::StatusOr<T>; assigns its value to `target` (which may declare a variable) or
// returns its status from the enclosing function.
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_INNER(ZLAYER_CONCAT(zlayer_statusor_, __LINE__), target, expression)

#define ASSIGN_OR_RETURN_INNER(statusor, target, expression) \
  auto statusor = (expression);                              \
  if (!statusor.ok()) {                                      \
    return std::move(statusor).status();                     \
  }                                                          \
  target = *std::move(statusor)

#endif  // ZLAYER_BASE_STATUS_MACROS_H_
