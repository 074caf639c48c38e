#include "proto/grpc_status.h"

#include <gtest/gtest.h>

#include <string>

#include "base/errors.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"
#include "zlayer/internal/rpc_status.pb.h"

namespace zlayer {
namespace {

TEST(GrpcStatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_OK(FromGrpc(grpc::Status::OK));
}

TEST(GrpcStatusTest, EveryCodeComesBack) {
  for (int number = 1; number <= 16; ++number) {
    absl::Status status(static_cast<absl::StatusCode>(number), "why");
    EXPECT_THAT(FromGrpc(ToGrpc(status)), StatusIs(status.code(), "why"));
  }
}

TEST(GrpcStatusTest, AnUnknownNumberIsUnknown) {
  EXPECT_THAT(FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(77), "odd")),
              StatusIs(absl::StatusCode::kUnknown, "odd"));
}

TEST(GrpcStatusTest, TheDetailTravels) {
  v1::ErrorDetail detail;
  detail.set_reason("RUN_FAILED");
  detail.set_exit_code(7);
  detail.mutable_source()->set_file("Dockerfile");
  detail.mutable_source()->set_first_line(3);
  absl::Status back = FromGrpc(ToGrpc(WithDetail(InvalidArgument("no"), detail)));
  EXPECT_EQ(DetailOf(back).SerializeAsString(), detail.SerializeAsString());
}

TEST(GrpcStatusTest, TheDetailsAreAGoogleRpcStatus) {
  v1::ErrorDetail detail;
  detail.set_reason("R");
  grpc::Status status = ToGrpc(WithDetail(NotFound("gone"), detail));
  internal::RpcStatus details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 5);
  EXPECT_EQ(details.message(), "gone");
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/zlayer.v1.ErrorDetail");
}

TEST(GrpcStatusTest, NothingIsSentForAPlainStatus) {
  EXPECT_EQ(ToGrpc(NotFound("gone")).error_details(), "");
}

TEST(GrpcStatusTest, BadBytesAreReplacedInMessageAndDetail) {
  v1::ErrorDetail detail;
  detail.set_subject("caf\xe9");
  grpc::Status status = ToGrpc(WithDetail(NotFound("caf\xe9 is gone"), detail));
  EXPECT_TRUE(IsUtf8(status.error_message()));
  EXPECT_EQ(DetailOf(FromGrpc(status)).subject(), "caf\xef\xbf\xbd");
}

TEST(GrpcStatusTest, WhatDoesNotFitIsCut) {
  v1::ErrorDetail detail;
  detail.set_instruction(std::string(100000, 'x'));
  grpc::Status status = ToGrpc(WithDetail(Internal(std::string(100000, 'm')), detail));
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 8000u);
  EXPECT_EQ(DetailOf(FromGrpc(status)).instruction(), std::string(512, 'x'));
}

TEST(GrpcStatusTest, BrokenDetailsAreLeftOut) {
  absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", "\xff\xff\xff not a message"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "gone"));
  EXPECT_EQ(DetailOf(status).ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace zlayer
