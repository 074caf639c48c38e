#include "registry/image/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

struct Case {
  std::string text;
  std::string normalized;
  std::string familiar;
};

class ReferenceForms : public ::testing::TestWithParam<Case> {};

TEST_P(ReferenceForms, NormalizesAndShortens) {
  ASSERT_OK_AND_ASSIGN(Reference reference, Reference::Parse(GetParam().text));
  EXPECT_EQ(reference.Normalized(), GetParam().normalized);
  EXPECT_EQ(reference.Familiar(), GetParam().familiar);
}

TEST_P(ReferenceForms, BothFormsParseToTheSame) {
  const std::string& normalized = GetParam().normalized;
  ASSERT_OK_AND_ASSIGN(Reference again, Reference::Parse(normalized));
  EXPECT_EQ(again.Normalized(), normalized);
  ASSERT_OK_AND_ASSIGN(Reference familiar, Reference::Parse(GetParam().familiar));
  EXPECT_EQ(familiar.Normalized(), normalized);
}

INSTANTIATE_TEST_SUITE_P(
    Reference, ReferenceForms,
    ::testing::Values(
        Case{"debian", "docker.io/library/debian:latest", "debian:latest"},
        Case{"debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"},
        Case{"library/debian", "docker.io/library/debian:latest", "debian:latest"},
        Case{"index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"},
        Case{"index.docker.io/a/b:c", "docker.io/a/b:c", "a/b:c"},
        Case{"docker.io/debian", "docker.io/library/debian:latest", "debian:latest"},
        Case{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
        Case{"user/app", "docker.io/user/app:latest", "user/app:latest"},
        Case{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
        Case{"localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"},
        Case{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
        Case{"quay.io/app", "quay.io/app:latest", "quay.io/app:latest"},
        Case{"HOST/app", "HOST/app:latest", "HOST/app:latest"},
        Case{"Host.example/app", "Host.example/app:latest", "Host.example/app:latest"},
        Case{"[2001:db8::1]:5000/a/b", "[2001:db8::1]:5000/a/b:latest",
             "[2001:db8::1]:5000/a/b:latest"},
        Case{"[::1]/app", "[::1]/app:latest", "[::1]/app:latest"},
        Case{"docker.io/foo.bar/app", "docker.io/foo.bar/app:latest",
             "docker.io/foo.bar/app:latest"},
        Case{"a__b/c-d---e.f_g:V1.0-rc_2", "docker.io/a__b/c-d---e.f_g:V1.0-rc_2",
             "a__b/c-d---e.f_g:V1.0-rc_2"},
        Case{"debian@" + kDigest, "docker.io/library/debian@" + kDigest, "debian@" + kDigest},
        Case{"localhost:5000/a/b:t@" + kDigest, "localhost:5000/a/b:t@" + kDigest,
             "localhost:5000/a/b:t@" + kDigest},
        Case{kHex + ":t", "docker.io/library/" + kHex + ":t", kHex + ":t"}));

struct Refusal {
  std::string text;
  std::string message;
};

class ReferenceRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(ReferenceRefusals, SaysWhatIsWrong) {
  EXPECT_THAT(Reference::Parse(GetParam().text),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Reference, ReferenceRefusals,
    ::testing::Values(
        Refusal{"", "name is empty"},
        Refusal{"Debian",
                "\"Debian\" is not an image name: the repository must be lower case, "
                "\"debian\""},
        Refusal{"quay.io/Team/app", "must be lower case, \"team/app\""},
        Refusal{kHex, "64 hex digits mean a digest"},
        Refusal{"a//b", "a part of the repository is empty"},
        Refusal{"a/", "a part of the repository is empty"},
        Refusal{"/a", "a part of the repository is empty"},
        Refusal{"quay.io/", "the repository is empty"}, Refusal{"a..b", "the part \"a..b\""},
        Refusal{"a___b", "the part \"a___b\""}, Refusal{"-a", "the part \"-a\""},
        Refusal{"a-", "the part \"a-\""}, Refusal{"a b", "the part \"a b\""},
        Refusal{"debian:", "the tag \"\""}, Refusal{"debian:.a", "the tag \".a\""},
        Refusal{"debian:a:b", "the tag \"a:b\""},
        Refusal{"debian:" + std::string(129, 'x'), "1 to 128"},
        Refusal{"debian@", "what follows '@'"}, Refusal{"debian@sha256:abc", "what follows '@'"},
        Refusal{"debian@sha512:" + kHex + kHex, "what follows '@'"},
        Refusal{"debian@sha256:" + std::string(64, 'A'), "what follows '@'"},
        Refusal{":tag", "the repository is empty"},
        Refusal{"host:port/app", "\"host:port\" is not a host name"},
        Refusal{"-a.example/app", "\"-a.example\" is not a host name"},
        Refusal{"a..example/app", "is not a host name"}, Refusal{"[::1/app", "is not a host name"},
        Refusal{"quay.io/" + std::string(256, 'a'), "has 256 characters, at most 255"},
        Refusal{std::string(2000, 'a'), "too long"}));

TEST(ReferenceTest, LimitsAreInclusive) {
  EXPECT_OK(Reference::Parse("quay.io/" + std::string(255, 'a')));
  EXPECT_OK(Reference::Parse("debian:" + std::string(128, 'x')));
}

TEST(ReferenceTest, TakesApart) {
  ASSERT_OK_AND_ASSIGN(Reference reference, Reference::Parse("localhost:5000/a/b:t@" + kDigest));
  EXPECT_EQ(reference.registry, "localhost:5000");
  EXPECT_EQ(reference.repository, "a/b");
  EXPECT_EQ(reference.tag, "t");
  EXPECT_EQ(reference.digest, kDigest);
}

TEST(ReferenceTest, MessagesAreUtf8) {
  EXPECT_THAT(Reference::Parse("a\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a\xef\xbf\xbd\"")));
}

}  // namespace
}  // namespace zlayer
