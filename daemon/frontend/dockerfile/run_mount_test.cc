#include "daemon/frontend/dockerfile/run_mount.h"

#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

// With variables "$X" of the value "x".
absl::StatusOr<RunMount> Parse(std::string_view text) {
  absl::StatusOr<RunMountText> split = SplitRunMount(text);
  if (!split.ok()) {
    return split.status();
  }
  return ParseRunMount(*split, [](std::string_view word) -> absl::StatusOr<std::string> {
    return word == "$X" ? "x" : std::string(word);
  });
}

TEST(RunMountTest, ReadsBind) {
  ASSERT_OK_AND_ASSIGN(const RunMount bind, Parse("target=$X"));
  EXPECT_EQ(bind.type, v1::Mount::BIND);
  EXPECT_EQ(bind.target, "x");
  EXPECT_TRUE(bind.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount other, Parse("type=bind,src=a,dst=/b,from=base,RW"));
  EXPECT_EQ(other.source, "a");
  EXPECT_FALSE(other.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount last,
                       Parse("\"source=c,d\",destination=/b,from=base,rw=true"));
  EXPECT_EQ(last.source, "c,d");
  EXPECT_EQ(last.target, "/b");
  EXPECT_EQ(last.from, "base");
  EXPECT_FALSE(last.read_only);
}

TEST(RunMountTest, ReadsCache) {
  ASSERT_OK_AND_ASSIGN(
      const RunMount cache,
      Parse("type=Cache,target=/c,id=i,sharing=locked,from=s,source=/z,mode=0700,uid=1,gid=2,ro"));
  EXPECT_EQ(cache.type, v1::Mount::CACHE);
  EXPECT_EQ(cache.id, "i");
  EXPECT_EQ(cache.sharing, v1::Mount::LOCKED);
  EXPECT_EQ(cache.mode, 0700u);
  EXPECT_EQ(cache.uid, 1u);
  EXPECT_EQ(cache.gid, 2u);
  EXPECT_TRUE(cache.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount plain, Parse("type=cache,target=/c,readwrite"));
  EXPECT_FALSE(plain.read_only);
  EXPECT_EQ(plain.sharing, v1::Mount::SHARED);
  EXPECT_EQ(plain.mode, std::nullopt);
  EXPECT_FALSE(Parse("type=cache,target=/c")->read_only);
}

TEST(RunMountTest, ReadsTmpfs) {
  const std::pair<const char*, uint64_t> sizes[] = {
      {"1024", 1024}, {"64k", 65536}, {"1.5M", 1572864}, {"2GiB", 2ull << 30}, {"7b", 7}};
  for (const auto& [text, bytes] : sizes) {
    ASSERT_OK_AND_ASSIGN(const RunMount tmpfs,
                         Parse(std::string("type=tmpfs,target=/t,size=") + text));
    EXPECT_EQ(tmpfs.size_bytes, bytes) << text;
    EXPECT_FALSE(tmpfs.read_only);
  }
}

TEST(RunMountTest, ReadsSecretAndSsh) {
  ASSERT_OK_AND_ASSIGN(const RunMount secret,
                       Parse("type=secret,id=a,env=TOKEN,required,mode=0440"));
  EXPECT_EQ(secret.id, "a");
  EXPECT_EQ(secret.environment, "TOKEN");
  EXPECT_TRUE(secret.required);
  EXPECT_EQ(secret.mode, 0440u);
  ASSERT_OK_AND_ASSIGN(const RunMount ssh, Parse("type=ssh,required=false"));
  EXPECT_EQ(ssh.type, v1::Mount::SSH);
  EXPECT_FALSE(ssh.required);
}

TEST(RunMountTest, RefusesWhatIsMalformed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is a list"},
      {"target=\"x", "is a list"},
      {"\"target=x", "quotes closed"},
      {"type=bnid,target=/x", "did you mean bind?"},
      {"targte=/x", "did you mean target?"},
      {"target", "needs a value"},
      {"from=$X,target=/x", "not expanded in --mount=from"},
      {"target=/x,mode=0755", "of type bind has no mode"},
      {"type=tmpfs,target=/x,uid=1", "of type tmpfs has no uid"},
      {"target=/x,sharing=shared", "has no sharing"},
      {"type=cache,target=/x,sharing=some", "shared, private or locked"},
      {"type=cache,target=/x,mode=99", "octal"},
      {"type=cache,target=/x,uid=-1", "a number"},
      {"type=cache,target=/x,ro=maybe", "true or false"},
      {"type=cache,target=/x,size=1", "has no size"},
      {"type=tmpfs,target=/x,size=1x", "number of bytes"},
      {"type=tmpfs,target=/x,size=", "number of bytes"},
      {"required,type=secret,id=a", "has no required"},
      {"type=secret", "needs an id or a target"},
      {"type=secret,id=a,source=b", "not both"},
      {"type=secret,id=a,from=b", "has no from"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

TEST(RunMountTest, ReadsDevices) {
  EXPECT_EQ(ParseRunDevice("vendor/class=name,required")->name, "vendor/class=name");
  EXPECT_TRUE(ParseRunDevice("vendor/class=name,required")->required);
  EXPECT_EQ(ParseRunDevice("required=false,name=a/b=c")->name, "a/b=c");
  EXPECT_THAT(ParseRunDevice("a,b"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseRunDevice("a,required=x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
