#include "registry/client/urls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

TEST(Urls, Registries) {
  EXPECT_EQ(*RegistryEndpoint("docker.io"),
            (Endpoint{.registry = "docker.io", .host = "registry-1.docker.io"}));
  EXPECT_EQ(*RegistryEndpoint("localhost:5000"),
            (Endpoint{.registry = "localhost:5000", .host = "localhost:5000"}));
  EXPECT_OK(RegistryEndpoint("[::1]:5000"));
  for (const char* wrong : {"", "a/b", "me@host", "host:", "host:0", "host:70000", "host:5x", "a b",
                            "[]", "[::1", "http://x", "host?x", "host#", "a\nb"}) {
    EXPECT_THAT(RegistryEndpoint(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << wrong;
  }
}

TEST(Urls, Mirrors) {
  EXPECT_EQ(*MirrorEndpoint("https://mirror.example/cache/hub/"),
            (Endpoint{.registry = "mirror.example",
                      .host = "mirror.example",
                      .scheme = "https",
                      .prefix = "cache/hub/"}));
  EXPECT_EQ(*MirrorEndpoint("mirror.example:8443"),
            (Endpoint{.registry = "mirror.example:8443", .host = "mirror.example:8443"}));
  EXPECT_EQ(MirrorEndpoint("http://127.0.0.1:1")->scheme, "http");
  for (const char* wrong : {"ftp://x", "https://", "https://a/../b", "https://a//b",
                            "https://me:secret@a", "https://a/b?c"}) {
    EXPECT_THAT(MirrorEndpoint(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << wrong;
  }
}

TEST(Urls, Loopback) {
  for (const char* host :
       {"localhost", "LocalHost:5000", "127.0.0.1", "127.9.8.7:80", "[::1]", "[::1]:5000"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"localhost.example", "127.example", "127.0.0.1.example", "128.0.0.1",
                           "127.0.0.999", "[::2]", "example"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(Urls, Origins) {
  EXPECT_EQ(*OriginOf("HTTPS://Host/a?b"), "https://host:443");
  EXPECT_EQ(*OriginOf("http://host:8080/"), "http://host:8080");
  EXPECT_EQ(*OriginOf("http://[::1]/"), "http://[::1]:80");
  EXPECT_EQ(HostOf("https://host:443"), "host:443");
  for (const char* wrong :
       {"", "file:///etc/passwd", "https://me:x@host/", "https://me@host/", "gopher://x", "/v2/"}) {
    EXPECT_FALSE(OriginOf(wrong).ok()) << wrong;
  }
}

TEST(Urls, Locations) {
  EXPECT_EQ(*ResolveUrl("https://host/v2/a/uploads/?x=1", "/v2/u?_state=a%2Fb", false),
            "https://host/v2/u?_state=a%2Fb");
  EXPECT_EQ(*ResolveUrl("https://host/v2/a/list", "list?last=b", false),
            "https://host/v2/a/list?last=b");
  EXPECT_EQ(*ResolveUrl("https://host/v2/", "https://cdn.example/x?sig=1", false),
            "https://cdn.example/x?sig=1");
  EXPECT_EQ(*ResolveUrl("https://host/v2/", "//cdn.example/x", false), "https://cdn.example/x");
  EXPECT_THAT(ResolveUrl("https://host/", "http://host/x", false),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(ResolveUrl("https://host/", "http://host/x", true));
  EXPECT_OK(ResolveUrl("http://host/", "https://host/x", false));
  for (const char* wrong : {"", "file:///etc/passwd", "ftp://x/", "https://u:p@host/"}) {
    EXPECT_FALSE(ResolveUrl("https://host/", wrong, true).ok()) << wrong;
  }
}

TEST(Urls, Parameters) {
  EXPECT_EQ(EscapeQuery("a b&c=d:e/f~"), "a%20b%26c%3Dd%3Ae%2Ff~");
  EXPECT_EQ(WithParameter("https://h/p", "digest", "sha256:1"), "https://h/p?digest=sha256%3A1");
  EXPECT_EQ(WithParameter("https://h/p?x", "y", "1"), "https://h/p?x&y=1");
}

}  // namespace
}  // namespace zlayer
