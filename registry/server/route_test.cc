#include "registry/server/route.h"

#include <gtest/gtest.h>

#include <string>

#include "registry/server/byte_range.h"

namespace zlayer {
namespace {

const std::string kHex(64, 'a');

ServerRoute Parsed(const std::string& target) {
  auto route = ParseRoute(target);
  EXPECT_TRUE(std::holds_alternative<ServerRoute>(route)) << target;
  return std::holds_alternative<ServerRoute>(route) ? std::get<ServerRoute>(route) : ServerRoute{};
}

int Refused(const std::string& target) {
  auto route = ParseRoute(target);
  return std::holds_alternative<HttpResponse>(route) ? std::get<HttpResponse>(route).status : 0;
}

struct Case {
  std::string target;
  RouteKind endpoint;
  std::string name;
  std::string reference;
};

TEST(RouteTest, KnowsTheEndpoints) {
  for (const Case& each : {
           Case{"/v2/", RouteKind::kBase, "", ""},
           Case{"/v2", RouteKind::kBase, "", ""},
           Case{"/v2/_catalog", RouteKind::kCatalog, "", ""},
           Case{"/v2/app/manifests/latest", RouteKind::kManifest, "app", "latest"},
           Case{"/v2/a/b/c/manifests/sha256%3A" + kHex, RouteKind::kManifest, "a/b/c",
                "sha256:" + kHex},
           Case{"/v2/app/blobs/sha256:" + kHex, RouteKind::kBlob, "app", "sha256:" + kHex},
           Case{"/v2/app/blobs/uploads/", RouteKind::kUploads, "app", ""},
           Case{"/v2/app/blobs/uploads", RouteKind::kUploads, "app", ""},
           Case{"/v2/app/blobs/uploads/some-id", RouteKind::kUpload, "app", "some-id"},
           Case{"/v2/app/tags/list?n=1", RouteKind::kTags, "app", ""},
           Case{"/v2/app/referrers/sha256:" + kHex, RouteKind::kReferrers, "app", "sha256:" + kHex},
           // Words of the paths may be parts of names.
           Case{"/v2/blobs/uploads/manifests/tags", RouteKind::kManifest, "blobs/uploads", "tags"},
           Case{"/v2/tags/list/tags/list", RouteKind::kTags, "tags/list", ""},
           Case{"/v2/manifests/manifests/manifests", RouteKind::kManifest, "manifests",
                "manifests"},
       }) {
    const ServerRoute route = Parsed(each.target);
    EXPECT_EQ(route.endpoint, each.endpoint) << each.target;
    EXPECT_EQ(route.name, each.name) << each.target;
    EXPECT_EQ(route.reference, each.reference) << each.target;
  }
}

TEST(RouteTest, NormalizesNames) {
  EXPECT_EQ(Parsed("/v2/app/tags/list").repository, "docker.io/library/app");
  EXPECT_EQ(Parsed("/v2/library/app/tags/list").repository, "docker.io/library/app");
  EXPECT_EQ(Parsed("/v2/team/app/tags/list").repository, "docker.io/team/app");
  EXPECT_EQ(Parsed("/v2/ghcr.io/x/y/tags/list").repository, "ghcr.io/x/y");
  EXPECT_EQ(Parsed("/v2/localhost/y/tags/list").repository, "localhost/y");
}

TEST(RouteTest, RefusesPathsThatMeanNothing) {
  for (const char* target :
       {"", "/", "/v1/", "/v2/app", "/v2/app/", "/v2/app/manifests", "/v2/x/y/z", "/v2/_catalog/",
        "*", "http://host/v2/", "/v3/app/tags/list"}) {
    EXPECT_EQ(Refused(target), 404) << target;
  }
}

TEST(RouteTest, RefusesNamesThatAreNone) {
  for (const std::string& name :
       {std::string("App"), std::string("a//b"), std::string("a..b"), std::string("-a"),
        std::string("a-"), std::string("a___b"), std::string("a:5000/b"), std::string("a%0ab"),
        std::string("../etc"), std::string("a b"), std::string(256, 'a'), kHex,
        std::string("_a")}) {
    EXPECT_EQ(Refused("/v2/" + name + "/manifests/latest"), 400) << name;
  }
  EXPECT_EQ(Refused("/v2//manifests/latest"), 400);
  EXPECT_EQ(Parsed("/v2/a__b--c.d/manifests/latest").name, "a__b--c.d");
}

TEST(RouteTest, DecodesQueries) {
  const ServerRoute route =
      Parsed("/v2/a/referrers/x?artifactType=application%2Fa+json&n=1&n=2&empty&bad=%zz%4");
  EXPECT_EQ(route.Query("artifactType"), "application/a+json");
  EXPECT_EQ(route.Query("n"), "1");
  EXPECT_EQ(route.Query("empty"), "");
  EXPECT_EQ(route.Query("bad"), "%zz%4");
  EXPECT_EQ(route.Query("none"), std::nullopt);
}

TEST(RouteTest, NamesThatUrlsCanHave) {
  EXPECT_EQ(FamiliarRepository("docker.io/library/app"), "app");
  EXPECT_EQ(FamiliarRepository("docker.io/team/app"), "team/app");
  EXPECT_EQ(FamiliarRepository("ghcr.io/x/y"), "ghcr.io/x/y");
  EXPECT_EQ(FamiliarRepository("localhost:5000/app"), std::nullopt);
  EXPECT_EQ(FamiliarRepository("Host.example/app"), std::nullopt);
  EXPECT_EQ(FamiliarRepository("nothing"), std::nullopt);
}

TEST(RouteTest, KnowsDigestsAndTags) {
  for (const std::string& text :
       {"sha256:" + kHex, "sha512:" + kHex + kHex, std::string("a+b.c:x=_-")}) {
    EXPECT_TRUE(IsDigestText(text)) << text;
  }
  for (const std::string& text :
       {std::string(), kHex, "sha256:" + kHex + "a", "sha256:" + std::string(64, 'A'),
        "sha512:" + kHex, std::string(":x"), std::string("a:"), std::string("a++b:x"),
        std::string("+a:x"), std::string("a+:x"), std::string("A:x"), std::string("a:x y"),
        "a:" + std::string(1000, 'x')}) {
    EXPECT_FALSE(IsDigestText(text)) << text;
  }
  EXPECT_TRUE(IsTagName("v1.0_x-Y"));
  EXPECT_TRUE(IsTagName(std::string(128, 'a')));
  for (const std::string& text : {std::string(), std::string(".a"), std::string("-a"),
                                  std::string("a:b"), std::string("a\n"), std::string(129, 'a')}) {
    EXPECT_FALSE(IsTagName(text)) << text;
  }
}

TEST(ByteRangeTest, Parses) {
  using Kind = ByteRange::Kind;
  struct {
    const char* header;
    uint64_t size;
    Kind kind;
    uint64_t offset, length;
  } cases[] = {
      {"", 10, Kind::kWhole, 0, 10},
      {"bytes=0-0", 10, Kind::kPart, 0, 1},
      {"Bytes=2-5", 10, Kind::kPart, 2, 4},
      {"bytes=2-", 10, Kind::kPart, 2, 8},
      {"bytes=2-99", 10, Kind::kPart, 2, 8},
      {"bytes=2-18446744073709551615", 10, Kind::kPart, 2, 8},
      {"bytes=-3", 10, Kind::kPart, 7, 3},
      {"bytes=-30", 10, Kind::kPart, 0, 10},
      {"bytes=10-", 10, Kind::kUnsatisfiable, 0, 0},
      {"bytes=0-", 0, Kind::kUnsatisfiable, 0, 0},
      {"bytes=-0", 10, Kind::kUnsatisfiable, 10, 0},
      {"bytes=5-2", 10, Kind::kWhole, 0, 10},
      {"bytes=0-1,3-4", 10, Kind::kWhole, 0, 10},
      {"bytes=a-b", 10, Kind::kWhole, 0, 10},
      {"bytes=-", 10, Kind::kWhole, 0, 10},
      {"bytes=", 10, Kind::kWhole, 0, 10},
      {"lines=0-1", 10, Kind::kWhole, 0, 10},
      {"bytes=18446744073709551616-", 10, Kind::kWhole, 0, 10},
  };
  for (const auto& each : cases) {
    const ByteRange range = ParseByteRange(each.header, each.size);
    EXPECT_EQ(range.kind, each.kind) << each.header;
    EXPECT_EQ(range.offset, each.offset) << each.header;
    EXPECT_EQ(range.length, each.length) << each.header;
  }
}

}  // namespace
}  // namespace zlayer
