#include "daemon/service/image_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

TEST(ImagePagesTest, DefaultsAndLimits) {
  v1::ListImagesRequest request;
  ASSERT_OK_AND_ASSIGN(ImageQuery query, ToQuery(request));
  EXPECT_EQ(query.limit, 100);
  EXPECT_EQ(query.after.name, "");
  EXPECT_TRUE(query.after.manifest.IsNone());
  request.set_page_size(4'000'000'000);
  request.set_pattern("app*");
  request.set_nameless(true);
  ASSERT_OK_AND_ASSIGN(query, ToQuery(request));
  EXPECT_EQ(query.limit, 1000);
  EXPECT_EQ(query.pattern, "app*");
  EXPECT_TRUE(query.nameless);
  request.set_pattern(std::string(1001, 'a'));
  EXPECT_THAT(ToQuery(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1001")));
}

TEST(ImagePagesTest, ATokenLeadsBackToItsPlace) {
  v1::ListImagesRequest request;
  request.set_pattern("app*");
  for (const char* name : {"", "docker.io/library/app:v1.2.3", "registry.example:5000/a.b/c:d"}) {
    const ImagePosition place{name, Digest::Of("manifest")};
    request.set_page_token(PageToken(request, place));
    ASSERT_OK_AND_ASSIGN(ImageQuery query, ToQuery(request));
    EXPECT_EQ(query.after.name, place.name);
    EXPECT_EQ(query.after.manifest, place.manifest);
    // The size of pages may change.
    request.set_page_size(7);
    EXPECT_OK(ToQuery(request));
  }
}

TEST(ImagePagesTest, OtherTokensAreRefused) {
  v1::ListImagesRequest request;
  const std::string token = PageToken(request, {"docker.io/library/app:v1", Digest::Of("m")});
  for (const std::string& bad :
       {std::string("x"), std::string("...."), std::string("1.2.3.4"), token.substr(1),
        token.substr(0, 40), "2" + token.substr(1), std::string(100'000, '.')}) {
    request.set_page_token(bad);
    EXPECT_THAT(ToQuery(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")))
        << bad.substr(0, 50);
  }
  request.set_page_token(token);
  request.set_nameless(true);
  EXPECT_THAT(ToQuery(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("other filters")));
}

}  // namespace
}  // namespace zlayer
