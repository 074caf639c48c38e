// GoogleTest matchers for absl::Status and absl::StatusOr (Debian's Abseil has none).
#ifndef ZLAYER_TESTS_STATUS_MATCHERS_H_
#define ZLAYER_TESTS_STATUS_MATCHERS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace zlayer {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// Code and, with a second argument, a matcher for the message.
MATCHER_P(StatusIs, code, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}
MATCHER_P2(StatusIs, code, message, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         ::testing::Value(std::string(status.message().data(), status.message().size()), message);
}

MATCHER_P(IsOkAndHolds, value, "") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::Value(*arg, value);
}

}  // namespace zlayer

#define ASSERT_OK(expression) ASSERT_THAT(expression, ::zlayer::IsOk())
#define EXPECT_OK(expression) EXPECT_THAT(expression, ::zlayer::IsOk())

// Declares or assigns `target` from an absl::StatusOr, or fails the test.
#define ASSERT_OK_AND_ASSIGN(target, expression) \
  ASSERT_OK_AND_ASSIGN_INNER(ZLAYER_TEST_CONCAT(statusor_, __LINE__), target, expression)
#define ZLAYER_TEST_CONCAT_INNER(a, b) a##b
#define ZLAYER_TEST_CONCAT(a, b) ZLAYER_TEST_CONCAT_INNER(a, b)
#define ASSERT_OK_AND_ASSIGN_INNER(statusor, target, expression) \
  auto statusor = (expression);                                  \
  ASSERT_THAT(statusor, ::zlayer::IsOk());                       \
  target = *std::move(statusor)

#endif  // ZLAYER_TESTS_STATUS_MATCHERS_H_
