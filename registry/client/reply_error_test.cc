#include "registry/client/reply_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TransportReply Answer(int status, std::string body) {
  return {.status = status, .body = std::move(body)};
}

TEST(ReplyError, SaysWhatTheRegistrySays) {
  EXPECT_THAT(
      ReplyError(Answer(404, R"({"errors":[{"code":"NAME_UNKNOWN","message":"no such name",)"
                             R"("detail":{"x":1}},{"code":"DENIED"},{"message":"or else"}]})"),
                 {})
          .status,
      StatusIs(absl::StatusCode::kNotFound,
               "the registry answered 404 (NAME_UNKNOWN: no such name; DENIED; or else)"));
  EXPECT_THAT(ReplyError(Answer(401, R"({"details":"wrong password"})"), {.who = "it"}).status,
              StatusIs(absl::StatusCode::kUnauthenticated, "it answered 401 (wrong password)"));
}

TEST(ReplyError, Codes) {
  EXPECT_THAT(ReplyError(Answer(403, ""), {}).status,
              StatusIs(absl::StatusCode::kPermissionDenied, "the registry answered 403"));
  EXPECT_THAT(ReplyError(Answer(400, ""), {}).status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ReplyError(Answer(400, ""), {.writes = true}).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReplyError(Answer(501, ""), {.writes = true}).status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  TransportReply busy = Answer(503, "");
  busy.headers.emplace_back("retry-after", "3");
  const Outcome outcome = ReplyError(busy, {});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(outcome.may_pass);
  EXPECT_EQ(outcome.retry_after_ms, 3000);
}

TEST(ReplyError, WhatIsHostileIsHarmless) {
  const std::string long_text(5000, 'x');
  const std::string message(Message(
      ReplyError(
          Answer(400, R"({"errors":[{"code":"a\nb\u0007","message":")" + long_text + "\"}]}"), {})
          .status));
  EXPECT_LT(message.size(), 400u);
  EXPECT_THAT(message, HasSubstr("(a b : xxx"));
  EXPECT_THAT(message, HasSubstr("...)"));
  for (const char* body : {"{", "[]", "{\"errors\":1}", "{\"errors\":[1]}", "{\"errors\":[null]}",
                           "{\"errors\":{}}", "<html>", "\xff\xfe"}) {
    EXPECT_THAT(ReplyError(Answer(400, body), {}).status,
                StatusIs(absl::StatusCode::kFailedPrecondition, "the registry answered 400"))
        << body;
  }
}

TEST(ReplyError, SecretsAreCutOut) {
  TransportReply reply = Answer(400, "you said t0ken, t0ken and pass");
  reply.headers.emplace_back("content-type", "text/plain; charset=utf-8");
  EXPECT_THAT(ReplyError(reply, {.secrets = {"t0ken", "", "pass"}}).status,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "the registry answered 400 (you said ***, *** and ***)"));
}

TEST(ReplyError, FindsCodes) {
  const TransportReply reply = Answer(404, R"({"errors":[{"code":"A"},{"code":"B"}]})");
  EXPECT_TRUE(HasErrorCode(reply, "B"));
  EXPECT_FALSE(HasErrorCode(reply, "C"));
}

}  // namespace
}  // namespace zlayer
