#include "daemon/service/list_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ToListing, AnEmptyRequestListsAll) {
  ASSERT_OK_AND_ASSIGN(BuildListing listing, ToListing({}));
  EXPECT_EQ(listing.filter.name_space, "");
  EXPECT_THAT(listing.filter.states, IsEmpty());
  EXPECT_EQ(listing.filter.tag, "");
  EXPECT_EQ(listing.filter.created_from, 0);
  EXPECT_EQ(listing.filter.created_before, std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(listing.after.has_value());
  EXPECT_EQ(listing.limit, 100u);
  EXPECT_LT(listing.max_bytes, size_t{4} << 20);
}

TEST(ToListing, TakesEveryFilter) {
  v1::ListBuildsRequest request;
  request.set_namespace_("team");
  request.add_states(v1::FAILED);
  request.add_states(v1::QUEUED);
  request.add_states(v1::FAILED);
  request.set_tag("app");
  request.mutable_created_from()->set_seconds(7);
  request.mutable_created_before()->set_nanos(5);
  request.set_page_size(5000);
  ASSERT_OK_AND_ASSIGN(BuildListing listing, ToListing(request));
  EXPECT_EQ(listing.filter.name_space, "team");
  EXPECT_THAT(listing.filter.states, ElementsAre(v1::QUEUED, v1::FAILED));
  EXPECT_EQ(listing.filter.tag, "docker.io/library/app:latest");
  EXPECT_EQ(listing.filter.created_from, 7'000'000'000);
  EXPECT_EQ(listing.filter.created_before, 5);
  EXPECT_EQ(listing.limit, 1000u);
}

TEST(ToListing, ATokenBelongsToItsFilters) {
  v1::ListBuildsRequest request;
  request.set_tag("app");
  ASSERT_OK_AND_ASSIGN(BuildListing first, ToListing(request));
  BuildPage page;
  page.builds.emplace_back().set_id("b1");
  page.last = BuildPosition{17, "b1"};
  v1::ListBuildsResponse response = ToResponse(first.filter, page);
  EXPECT_EQ(response.builds(0).id(), "b1");

  request.set_page_token(response.next_page_token());
  request.set_tag("docker.io/library/app:latest");  // the same
  request.set_page_size(3);
  ASSERT_OK_AND_ASSIGN(BuildListing next, ToListing(request));
  EXPECT_EQ(next.after.value().created, 17);
  EXPECT_EQ(next.after.value().id, "b1");
  request.set_tag("other");
  EXPECT_THAT(ToListing(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("page_token: it is of a listing with other")));
  page.last = std::nullopt;
  EXPECT_EQ(ToResponse(first.filter, page).next_page_token(), "");
}

TEST(ToListing, WhatCannotBeIsRefusedByName) {
  struct Case {
    std::string field;
    std::function<void(v1::ListBuildsRequest&)> set;
  };
  for (const Case& wrong : {
           Case{"namespace", [](auto& r) { r.set_namespace_("A"); }},
           Case{"states", [](auto& r) { r.add_states(v1::BUILD_STATE_UNSPECIFIED); }},
           Case{"states", [](auto& r) { r.add_states(static_cast<v1::BuildState>(77)); }},
           Case{"tag", [](auto& r) { r.set_tag("Upper"); }},
           Case{"created_from", [](auto& r) { r.mutable_created_from()->set_seconds(-1); }},
           Case{"created_from",
                [](auto& r) { r.mutable_created_from()->set_seconds(9'223'372'036); }},
           Case{"created_before", [](auto& r) { r.mutable_created_before()->set_nanos(-1); }},
           Case{"page_token", [](auto& r) { r.set_page_token("garbage"); }},
       }) {
    v1::ListBuildsRequest request;
    wrong.set(request);
    absl::Status status = ToListing(request).status();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(wrong.field + ": ")));
    EXPECT_EQ(DetailOf(status).subject(), wrong.field);
  }
}

}  // namespace
}  // namespace zlayer
