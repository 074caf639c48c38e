#include "registry/client/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/base64.h"
#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  std::atomic<int64_t> now_ns = 1'000'000'000'000'000'000;
};

TransportReply Challenge(const std::string& value) {
  return {.status = 401, .headers = {{"www-authenticate", value}}};
}

const char kBearer[] = "Bearer realm=\"https://auth.example/token\",service=\"reg\"";

class AuthorizerTest : public ::testing::Test {
 protected:
  Authorizer Make(AuthorizerOptions options = {}) {
    options.registry = "reg.example";
    options.clock = &clock_;
    return Authorizer(options, [this](const TransportRequest& request, std::stop_token) {
      requests_.push_back(request);
      return answer_(static_cast<int>(requests_.size()));
    });
  }

  static TransportResult Token(const std::string& json, int status = 200) {
    return {.reply = {.status = status, .body = json}};
  }

  FakeClock clock_;
  std::vector<TransportRequest> requests_;
  std::function<TransportResult(int)> answer_ = [](int count) {
    return Token("{\"token\":\"t" + std::to_string(count) + "\",\"expires_in\":100}");
  };
  const Asker anonymous_{.scopes = {"repository:a:pull"}};
  const Asker me_{.credentials = {.username = "me", .password = "pass word"},
                  .scopes = {"repository:a:pull,push", "repository:b:pull"}};
};

TEST_F(AuthorizerTest, NothingBeforeAChallenge) {
  Authorizer authorizer = Make();
  const Authorization first = authorizer.First(me_, {});
  EXPECT_OK(first.outcome.status);
  EXPECT_EQ(first.header, "");
}

TEST_F(AuthorizerTest, AnonymousToken) {
  Authorizer authorizer = Make();
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", anonymous_, {}).header, "Bearer t1");
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].method, "GET");
  EXPECT_EQ(requests_[0].url, "https://auth.example/token?service=reg&scope=repository%3Aa%3Apull");
  EXPECT_THAT(requests_[0].headers, ElementsAre("Accept: application/json"));
}

TEST_F(AuthorizerTest, PasswordGoesToTheTokenServer) {
  Authorizer authorizer = Make();
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", me_, {}).header, "Bearer t1");
  EXPECT_EQ(requests_[0].url,
            "https://auth.example/token?service=reg&scope=repository%3Aa%3Apull%2Cpush"
            "&scope=repository%3Ab%3Apull&account=me");
  EXPECT_THAT(requests_[0].headers,
              ElementsAre("Accept: application/json",
                          "Authorization: Basic " + EncodeBase64("me:pass word")));
}

TEST_F(AuthorizerTest, IdentityTokenIsPosted) {
  answer_ = [](int) { return Token("{\"access_token\":\"a\",\"refresh_token\":\"r\"}"); };
  Authorizer authorizer = Make();
  Asker asker = me_;
  asker.credentials = {.username = "<token>", .token = "i&d"};
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", asker, {}).header, "Bearer a");
  EXPECT_EQ(requests_[0].method, "POST");
  EXPECT_EQ(requests_[0].url, "https://auth.example/token");
  EXPECT_EQ(requests_[0].body,
            "grant_type=refresh_token&service=reg&client_id=zlayerd&refresh_token=i%26d"
            "&scope=repository%3Aa%3Apull%2Cpush%20repository%3Ab%3Apull");
}

TEST_F(AuthorizerTest, TokensAreKeptByScopeAndWhoAsks) {
  Authorizer authorizer = Make();
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", anonymous_, {}).header, "Bearer t1");
  EXPECT_EQ(authorizer.First(anonymous_, {}).header, "Bearer t1");
  EXPECT_EQ(authorizer.First(me_, {}).header, "Bearer t2");
  Asker other = me_;
  other.credentials.password = "else";
  EXPECT_EQ(authorizer.First(other, {}).header, "Bearer t3");
  other.scopes = anonymous_.scopes;
  EXPECT_EQ(authorizer.First(other, {}).header, "Bearer t4");
  EXPECT_EQ(authorizer.First(me_, {}).header, "Bearer t2");
  EXPECT_EQ(requests_.size(), 4u);
}

TEST_F(AuthorizerTest, TokensEndShortlyBeforeTheyExpire) {
  Authorizer authorizer = Make();
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", anonymous_, {}).header, "Bearer t1");
  clock_.now_ns += int64_t{89} * 1'000'000'000;
  EXPECT_EQ(authorizer.First(anonymous_, {}).header, "Bearer t1");
  clock_.now_ns += int64_t{2} * 1'000'000'000;
  EXPECT_EQ(authorizer.First(anonymous_, {}).header, "Bearer t2");
}

TEST_F(AuthorizerTest, ATokenThatWasRefusedIsNotUsedAgain) {
  Authorizer authorizer = Make();
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "", anonymous_, {}).header, "Bearer t1");
  EXPECT_EQ(authorizer.After(Challenge(kBearer), "Bearer t1", anonymous_, {}).header, "Bearer t2");
  EXPECT_EQ(authorizer.First(anonymous_, {}).header, "Bearer t2");
}

TEST_F(AuthorizerTest, Basic) {
  Authorizer authorizer = Make();
  const std::string header = "Basic " + EncodeBase64("me:pass word");
  EXPECT_EQ(authorizer.After(Challenge("Basic realm=\"x\""), "", me_, {}).header, header);
  EXPECT_EQ(authorizer.First(me_, {}).header, header);
  EXPECT_THAT(authorizer.After(Challenge("Basic realm=\"x\""), header, me_, {}).outcome.status,
              StatusIs(absl::StatusCode::kUnauthenticated,
                       "reg.example refuses the user name or the password"));
  EXPECT_THAT(authorizer.After(Challenge("Basic realm=\"x\""), "", anonymous_, {}).outcome.status,
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("zlayer login reg.example")));
  // Others may still read without.
  EXPECT_EQ(authorizer.First(anonymous_, {}).header, "");
  EXPECT_TRUE(requests_.empty());
}

TEST_F(AuthorizerTest, BearerIsPreferred) {
  Authorizer authorizer = Make();
  const TransportReply both{
      .status = 401,
      .headers = {{"www-authenticate", "Basic realm=\"x\""}, {"www-authenticate", kBearer}}};
  EXPECT_EQ(authorizer.After(both, "", me_, {}).header, "Bearer t1");
}

TEST_F(AuthorizerTest, RealmsOverHttp) {
  const std::string away = "Bearer realm=\"http://auth.example/token\"";
  const std::string near = "Bearer realm=\"http://127.0.0.1:1/token\"";
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("https alone"));
  EXPECT_THAT(Make().After(Challenge(away), "", me_, {}).outcome.status, refused);
  EXPECT_THAT(Make().After(Challenge(near), "", me_, {}).outcome.status, refused);
  EXPECT_THAT(Make({.loopback = true}).After(Challenge(away), "", me_, {}).outcome.status, refused);
  EXPECT_TRUE(requests_.empty());
  EXPECT_OK(Make({.loopback = true}).After(Challenge(near), "", me_, {}).outcome.status);
  EXPECT_OK(Make({.insecure = true}).After(Challenge(away), "", me_, {}).outcome.status);
}

TEST_F(AuthorizerTest, HostileChallenges) {
  for (const char* value : {"", "Bearer", "Bearer realm=\"file:///etc/passwd\"", "Negotiate",
                            "Bearer realm=\"x", "Bearer realm=\"https://me:pw@auth.example/\""}) {
    EXPECT_FALSE(Make().After(Challenge(value), "", me_, {}).outcome.ok()) << value;
  }
  EXPECT_TRUE(requests_.empty());
}

// What cannot be answered says nothing about the next request.
TEST_F(AuthorizerTest, AChallengeThatCannotBeAnsweredIsForgotten) {
  Authorizer authorizer = Make();
  EXPECT_FALSE(authorizer.After(Challenge("Bearer"), "", me_, {}).outcome.ok());
  EXPECT_OK(authorizer.First(me_, {}).outcome.status);
  EXPECT_EQ(authorizer.First(me_, {}).header, "");

  const std::string header = authorizer.After(Challenge(kBearer), "", me_, {}).header;
  EXPECT_EQ(authorizer.First(me_, {}).header, header);
  // The token server goes: the registry may name another one, or none.
  clock_.now_ns += 1'000'000'000'000;
  answer_ = [](int) { return TransportResult{.outcome = {.status = Unavailable("gone")}}; };
  const Authorization first = authorizer.First(me_, {});
  EXPECT_OK(first.outcome.status);
  EXPECT_EQ(first.header, "");
}

TEST_F(AuthorizerTest, HostileTokens) {
  for (const char* json :
       {"", "[]", "{}", "{\"token\":1}", "{\"token\":\"\"}", "{\"token\":\"a b\"}",
        "{\"token\":\"a\\r\\nX: y\"}", "{\"token\":\"a\",\"expires_in\":\"soon\"}"}) {
    answer_ = [&](int) { return Token(json); };
    EXPECT_THAT(Make().After(Challenge(kBearer), "", me_, {}).outcome.status,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("the token server auth.example:443: its answer")))
        << json;
  }
}

TEST_F(AuthorizerTest, TokenServerRefuses) {
  answer_ = [](int) { return Token("{\"details\":\"no pass word for you\"}", 401); };
  EXPECT_THAT(Make().After(Challenge(kBearer), "", me_, {}).outcome.status,
              StatusIs(absl::StatusCode::kUnauthenticated,
                       "the token server auth.example:443 answered 401 (no *** for you)"));
}

TEST_F(AuthorizerTest, TokenServerIsBusy) {
  answer_ = [](int) {
    return TransportResult{.reply = {.status = 429, .headers = {{"retry-after", "2"}}}};
  };
  const Outcome outcome = Make().After(Challenge(kBearer), "", me_, {}).outcome;
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(outcome.may_pass);
  EXPECT_EQ(outcome.retry_after_ms, 2000);
}

TEST_F(AuthorizerTest, ThreadsFetchATokenOnce) {
  std::atomic<int> fetched = 0;
  Authorizer authorizer({.registry = "reg.example", .clock = &clock_},
                        [&](const TransportRequest&, std::stop_token) {
                          ++fetched;
                          return Token("{\"token\":\"t\",\"expires_in\":100}");
                        });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(authorizer.After(Challenge(kBearer), "", anonymous_, {}).header, "Bearer t");
    });
  }
  threads.clear();
  EXPECT_EQ(fetched, 1);
}

TEST_F(AuthorizerTest, SecretsInAllTheirForms) {
  EXPECT_THAT(Authorizer::Secrets(me_, "Bearer abc"),
              ElementsAre("abc", "pass word", "", EncodeBase64("me:pass word")));
}

}  // namespace
}  // namespace zlayer
