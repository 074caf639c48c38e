#include "base/errors.h"

#include <absl/strings/cord.h>

#include <cerrno>

#include "base/status_macros.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

TEST(ErrorsTest, CodesFollowFromErrno) {
  EXPECT_THAT(ErrnoError(ENOENT, "a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ErrnoError(EEXIST, "a"), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(ErrnoError(EACCES, "a"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(ErrnoError(ENOSPC, "a"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ErrnoError(EMFILE, "a"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ErrnoError(ENAMETOOLONG, "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ErrnoError(EIO, "a"), StatusIs(absl::StatusCode::kInternal));
}

TEST(ErrorsTest, AnErrnoErrorSaysWhatAndWhy) {
  EXPECT_EQ(Message(ErrnoError(ENOSPC, "writing x")),
            "writing x: No space left on device; make room there");
  errno = ENOENT;
  EXPECT_EQ(Message(ErrnoError("y")), "y: No such file or directory");
}

TEST(ErrorsTest, AnnotateKeepsCodeAndPayloads) {
  absl::Status inner = NotFound("no file");
  inner.SetPayload("type/detail", absl::Cord("bytes"));
  absl::Status outer = Annotate(inner, "importing a.tar");
  EXPECT_THAT(outer, StatusIs(absl::StatusCode::kNotFound, "importing a.tar: no file"));
  ASSERT_TRUE(outer.GetPayload("type/detail").has_value());
  EXPECT_EQ(*outer.GetPayload("type/detail"), "bytes");
  EXPECT_OK(Annotate(absl::OkStatus(), "nothing happened"));
}

TEST(ErrorsTest, ShorthandsHaveTheirCodes) {
  EXPECT_THAT(InvalidArgument("m"), StatusIs(absl::StatusCode::kInvalidArgument, "m"));
  EXPECT_THAT(FailedPrecondition("m"), StatusIs(absl::StatusCode::kFailedPrecondition, "m"));
  EXPECT_THAT(Unimplemented("m"), StatusIs(absl::StatusCode::kUnimplemented, "m"));
  EXPECT_THAT(Internal("m"), StatusIs(absl::StatusCode::kInternal, "m"));
  EXPECT_THAT(DataLoss("m"), StatusIs(absl::StatusCode::kDataLoss, "m"));
  EXPECT_THAT(ResourceExhausted("m"), StatusIs(absl::StatusCode::kResourceExhausted, "m"));
  EXPECT_THAT(AlreadyExists("m"), StatusIs(absl::StatusCode::kAlreadyExists, "m"));
  EXPECT_THAT(Cancelled("m"), StatusIs(absl::StatusCode::kCancelled, "m"));
  EXPECT_THAT(Unavailable("m"), StatusIs(absl::StatusCode::kUnavailable, "m"));
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) {
    return InvalidArgument("odd");
  }
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(int half, Half(value));
  ASSIGN_OR_RETURN(half, Half(half));
  return half;
}

absl::Status CheckQuarter(int value, bool* reached) {
  RETURN_IF_ERROR(Quarter(value).status());
  *reached = true;
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnAtTheFirstError) {
  EXPECT_THAT(Quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(Quarter(6), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
  bool reached = false;
  EXPECT_THAT(CheckQuarter(7, &reached), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(reached);
  EXPECT_OK(CheckQuarter(4, &reached));
  EXPECT_TRUE(reached);
}

}  // namespace
}  // namespace zlayer
