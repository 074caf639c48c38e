#include "daemon/service/cache_service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/service/server.h"
#include "registry/gc/collector.h"
#include "registry/gc/testing/gc_fixture.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/cache.grpc.pb.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CacheServiceTest : public GcFixture {
 protected:
  void SetUp() override {
    GcFixture::SetUp();
    ASSERT_OK_AND_ASSIGN(collector_, StartCollector({.automatic = false}, store_.get(), &clock_));
    service_ = MakeCacheService({{}, store_.get(), collector_.get(), &clock_});
    const std::string address = "unix://" + directory_.path() + "/s";
    ASSERT_OK_AND_ASSIGN(server_, StartServer(address, {service_.get()}));
    stub_ =
        v1::CacheService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }

  grpc::Status List(const v1::ListCacheRequest& request, v1::ListCacheResponse* response) {
    grpc::ClientContext context;
    response->Clear();
    return stub_->ListCache(&context, request, response);
  }

  static std::vector<std::string> Descriptions(const v1::ListCacheResponse& response) {
    std::vector<std::string> descriptions;
    for (const v1::CacheEntry& entry : response.entries()) {
      descriptions.push_back(entry.description());
    }
    return descriptions;
  }

  // Records on one layer, from "RUN 0" on.
  void AddRecords(int count) {
    const Digest layer = Layer("layer");
    for (int i = 0; i < count; ++i) {
      Record(fmt::format("{}", i), layer);
    }
  }

  std::unique_ptr<Collector> collector_;
  std::unique_ptr<v1::CacheService::CallbackService> service_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<v1::CacheService::Stub> stub_;
};

TEST_F(CacheServiceTest, PagesFollowOneAnother) {
  AddRecords(5);
  v1::ListCacheRequest request;
  v1::ListCacheResponse response;
  request.set_page_size(2);
  request.mutable_filter()->set_description("RUN");
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 0", "RUN 1"));
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 2", "RUN 3"));
  // A page can be asked for again.
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 2", "RUN 3"));
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 4"));
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(CacheServiceTest, APageHasAHundredEntriesAndAThousandAtMost) {
  AddRecords(1101);
  v1::ListCacheRequest request;
  v1::ListCacheResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.entries_size(), 100);
  request.set_page_token(response.next_page_token());
  request.set_page_size(UINT32_MAX);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.entries_size(), 1000);
  EXPECT_EQ(response.entries(0).description(), "RUN 100");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 1100"));
}

TEST_F(CacheServiceTest, ATokenIsGoodForItsFilterAlone) {
  AddRecords(5);
  v1::ListCacheRequest request;
  v1::ListCacheResponse response;
  request.set_page_size(2);
  request.mutable_filter()->add_types("record");
  ASSERT_TRUE(List(request, &response).ok());
  const v1::ListCacheRequest asked = request;
  const std::string token = response.next_page_token();
  const auto expect_refused = [&](const std::string& what) {
    const grpc::Status status = List(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << what;
    EXPECT_THAT(status.error_message(), HasSubstr("page_token"));
  };
  const auto other = [&] {
    request = asked;
    request.set_page_token(token);
    return request.mutable_filter();
  };
  other()->set_namespace_("default");
  expect_refused("namespace");
  other()->add_types("fetched");
  expect_refused("types");
  other()->set_id("a");
  expect_refused("id");
  other()->mutable_unused_for()->set_seconds(1);
  expect_refused("unused_for");
  other()->set_description("RUN");
  expect_refused("description");
  other();
  EXPECT_TRUE(List(request, &response).ok());
  request.set_page_size(1);  // the size of a page may change
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Descriptions(response), ElementsAre("RUN 2"));
}

TEST_F(CacheServiceTest, NoOtherTokenIsTaken) {
  AddRecords(2);
  v1::ListCacheRequest request;
  v1::ListCacheResponse response;
  request.set_page_size(1);
  ASSERT_TRUE(List(request, &response).ok());
  const std::string token = response.next_page_token();
  const size_t type = token.rfind('.') - 1;
  std::string no_type = token;
  no_type[type] = '9';
  std::string no_time = token;
  no_time.replace(no_time.find('.', 2) + 1, 1, "-");
  for (const std::string& wrong :
       {std::string("x"), std::string("...."), std::string("1...."), token + "0", token + "zz",
        token + ".", token.substr(0, type), "2" + token.substr(1), no_type, no_time}) {
    request.set_page_token(wrong);
    const grpc::Status status = List(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << wrong;
    EXPECT_THAT(status.error_message(), HasSubstr("page_token"));
  }
}

TEST_F(CacheServiceTest, FiltersThatMeanNothingAreRefused) {
  v1::ListCacheRequest request;
  v1::ListCacheResponse response;
  request.mutable_filter()->add_types("layer");
  EXPECT_THAT(List(request, &response).error_message(),
              HasSubstr("\"layer\" is not a type of cache entries"));
  request.mutable_filter()->clear_types();
  request.mutable_filter()->mutable_unused_for()->set_seconds(-1);
  EXPECT_THAT(List(request, &response).error_message(), HasSubstr("filter.unused_for"));
}

}  // namespace
}  // namespace zlayer
