// Authorization as a registry, its token server and its storage see it.

#include <atomic>

#include "base/base64.h"
#include "registry/client/testing/client_fixture.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Request = FakeServer::Request;
using Peer = FakeServer::Peer;

class AuthTest : public ClientFixture {
 protected:
  AuthTest()
      : tokens_([this](const Request& r, Peer& p) {
          MutexLock lock(&mutex_);
          return answer_token_(r, p);
        }) {
    digest_ = registry_.AddBlob("lib/app", "bytes");
    registry_.AddManifest("lib/app", "v1", {"a/b", "{}"});
    WantToken();
  }

  // The registry takes the newest token alone.
  void WantToken() {
    registry_.SetFault([this](const Request& r, Peer& p) -> std::optional<std::string> {
      if (r.Header("authorization") == "Bearer token" + std::to_string(valid_)) {
        return std::nullopt;
      }
      p.Body();
      return Reply("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"" + tokens_.Url("/token") +
                                           "\",service=\"fake\"\r\n");
    });
  }
  void AnswerToken(FakeServer::Handler answer) {
    MutexLock lock(&mutex_);
    answer_token_ = std::move(answer);
  }
  std::string NewToken() {
    return Reply("200 OK", "",
                 "{\"token\":\"token" + std::to_string(++valid_) + "\",\"expires_in\":600}");
  }
  RemoteRepository WhereAs(RegistryCredentials credentials) {
    RemoteRepository where = Where();
    where.credentials = [credentials](const std::string&, const std::string&) {
      return credentials;
    };
    return where;
  }

  std::atomic<int> valid_ = 0;
  Mutex mutex_;
  FakeServer::Handler answer_token_ ABSL_GUARDED_BY(mutex_) = [this](const Request&, Peer&) {
    return NewToken();
  };
  FakeServer tokens_;
  Digest digest_;
  const RegistryCredentials me_ = {.username = "me", .password = "s3cret"};
};

TEST_F(AuthTest, AnonymousToken) {
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  EXPECT_OK(Get(Where(), {.digest = digest_, .size = 5}).status);
  EXPECT_THAT(tokens_.Lines(),
              ElementsAre("GET /token?service=fake&scope=repository%3Alib%2Fapp%3Apull"));
  EXPECT_EQ(tokens_.Requests()[0].Header("authorization"), "");
}

TEST_F(AuthTest, CredentialsAndScopesOfAPush) {
  const std::string bytes = "new";
  EXPECT_THAT(client_->FindBlob(WhereAs(me_), Digest::Of(bytes), {"lib/base"}, {}),
              IsOkAndHolds(::testing::Eq(std::nullopt)));
  EXPECT_OK(client_->PutBlob(WhereAs(me_), Source(bytes), {}));
  EXPECT_THAT(
      tokens_.Lines(),
      ElementsAre(HasSubstr("scope=repository%3Alib%2Fapp%3Apull&account=me"),
                  HasSubstr("scope=repository%3Alib%2Fapp%3Apull%2Cpush&scope=repository%3Alib"
                            "%2Fbase%3Apull&account=me"),
                  HasSubstr("scope=repository%3Alib%2Fapp%3Apull%2Cpush&account=me")));
  for (const Request& request : tokens_.Requests()) {
    EXPECT_EQ(request.Header("authorization"), "Basic " + EncodeBase64("me:s3cret"));
  }
  for (const Request& request : registry_.server().Requests()) {
    EXPECT_THAT(request.Header("authorization"), Not(HasSubstr("Basic")));
  }
}

TEST_F(AuthTest, IdentityToken) {
  AnswerToken([this](const Request& request, Peer& peer) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_THAT(peer.Body(), HasSubstr("refresh_token=id3ntity"));
    return Reply("200 OK", "",
                 "{\"access_token\":\"token" + std::to_string(++valid_) + "\",\"expires_in\":600}");
  });
  EXPECT_OK(client_->GetManifest(WhereAs({.token = "id3ntity"}), "v1", {}));
}

TEST_F(AuthTest, ATokenThatTheRegistryForgetsIsFetchedOnceMore) {
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  ++valid_;  // now the one that is kept is wrong
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  EXPECT_EQ(tokens_.Requests().size(), 2u);
  AnswerToken([](const Request&, Peer&) { return Reply("200 OK", "", "{\"token\":\"never\"}"); });
  ++valid_;
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("zlayer login")));
  EXPECT_EQ(tokens_.Requests().size(), 3u);
}

TEST_F(AuthTest, CredentialsThatDoNotSuffice) {
  AnswerToken([](const Request&, Peer&) { return Reply("200 OK", "", "{\"token\":\"weak\"}"); });
  EXPECT_THAT(client_->GetManifest(WhereAs(me_), "v1", {}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("do not suffice")));
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(AuthTest, WrongPassword) {
  AnswerToken([](const Request& r, Peer&) {
    return Reply("401 No", "", "{\"details\":\"" + r.Header("authorization") + " is wrong\"}");
  });
  for (const absl::Status& status : {client_->GetManifest(WhereAs(me_), "v1", {}).status(),
                                     client_->CheckCredentials(WhereAs(me_), {})}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnauthenticated,
                                 AllOf(HasSubstr("Basic *** is wrong"), Not(HasSubstr("s3cret")),
                                       Not(HasSubstr(EncodeBase64("me:s3cret"))))));
  }
}

TEST_F(AuthTest, BusyTokenServer) {
  std::atomic<int> count = 0;
  AnswerToken([&](const Request&, Peer&) {
    return ++count < 3 ? Reply("503 Busy") : count == 3 ? "" : NewToken();
  });
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
}

TEST_F(AuthTest, CheckCredentials) {
  EXPECT_OK(client_->CheckCredentials(WhereAs(me_), {}));
  EXPECT_THAT(tokens_.Lines(), ElementsAre("GET /token?service=fake&account=me"));
}

TEST_F(AuthTest, Basic) {
  const std::string wanted = "Basic " + EncodeBase64("me:s3cret");
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.Header("authorization") == wanted
               ? std::nullopt
               : std::optional(Reply("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n"));
  });
  EXPECT_OK(client_->GetManifest(WhereAs(me_), "v1", {}));
  const size_t before = registry_.server().Requests().size();
  EXPECT_OK(client_->GetManifest(WhereAs(me_), "v1", {}));
  EXPECT_EQ(registry_.server().Requests().size(), before + 1);
  EXPECT_THAT(client_->GetManifest(WhereAs({.username = "me", .password = "no"}), "v1", {}),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("refuses the user name")));
  EXPECT_THAT(client_->CheckCredentials(Where(), {}),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("wants a user name")));
}

TEST_F(AuthTest, CredentialsOfTheRequestWin) {
  Configure({.registry = registry_.Host(), .credentials = {.username = "daemon"}});
  EXPECT_OK(client_->GetManifest(Where(), "v1", {}));
  EXPECT_OK(client_->GetManifest(WhereAs({}), "v1", {}));
  EXPECT_OK(client_->GetManifest(WhereAs(me_), "v1", {}));
  EXPECT_THAT(tokens_.Lines(), ElementsAre(HasSubstr("account=daemon"), HasSubstr("account=me")));
}

TEST_F(AuthTest, BlockedRegistriesAreNotAsked) {
  Configure({.registry = registry_.Host(), .blocked = true});
  EXPECT_THAT(client_->GetManifest(Where(), "v1", {}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("blocks the registry")));
  EXPECT_THAT(client_->CheckCredentials(Where(), {}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(registry_.server().Requests().empty());
}

TEST_F(AuthTest, RedirectsToStorageCarryNoToken) {
  FakeServer storage([](const Request& r, Peer&) {
    return r.target == "/blob?sig=1" ? Reply("200 OK", "", "bytes") : Reply("404 Not Found");
  });
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (!r.Header("authorization").starts_with("Bearer token")) {
      return Reply("401 No",
                   "WWW-Authenticate: Bearer realm=\"" + tokens_.Url("/token") + "\"\r\n");
    }
    return Reply("307 Elsewhere", "Location: " + storage.Url("/blob?sig=1") + "\r\n");
  });
  const Got got = Get(WhereAs(me_), {.digest = digest_, .size = 5});
  ASSERT_OK(got.status);
  EXPECT_EQ(got.bytes, "bytes");
  ASSERT_EQ(storage.Requests().size(), 1u);
  EXPECT_EQ(storage.Requests()[0].Header("authorization"), "");
}

TEST_F(AuthTest, ChallengesOfStorageAreNotAnswered) {
  FakeServer storage([this](const Request&, Peer&) {
    return Reply("401 No", "WWW-Authenticate: Bearer realm=\"" + tokens_.Url("/evil") + "\"\r\n");
  });
  registry_.SetFault([&](const Request&, Peer&) -> std::optional<std::string> {
    return Reply("302 Elsewhere", "Location: " + storage.Url("/x?sig=h1dden") + "\r\n");
  });
  EXPECT_THAT(Get(WhereAs(me_), {.digest = digest_, .size = 5}).status,
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr(storage.Host()), Not(HasSubstr("h1dden")))));
  EXPECT_TRUE(tokens_.Requests().empty());
}

TEST_F(AuthTest, RedirectsBackGetNoTokenEither) {
  FakeServer other([this](const Request&, Peer&) {
    return Reply("302 Back", "Location: " + registry_.server().Url("/back") + "\r\n");
  });
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (r.target == "/back") {
      EXPECT_EQ(r.Header("authorization"), "");
      return Reply("200 OK", "", "bytes");
    }
    if (r.Header("authorization").empty()) {
      return Reply("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n");
    }
    return Reply("302 Elsewhere", "Location: " + other.Url("/") + "\r\n");
  });
  EXPECT_OK(Get(WhereAs(me_), {.digest = digest_, .size = 5}).status);
}

TEST_F(AuthTest, RedirectsHaveALimit) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    return r.target == "/v2/" ? Reply("200 OK")
                              : Reply("302 Again", "Location: " + r.target + "\r\n");
  });
  EXPECT_THAT(Get(Where(), {.digest = digest_, .size = 5}).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("redirects")));
  for (const char* location : {"file:///etc/passwd", "", "ftp://127.0.0.1/"}) {
    registry_.SetFault([&](const Request&, Peer&) -> std::optional<std::string> {
      return Reply("302 Away", "Location: " + std::string(location) + "\r\n");
    });
    EXPECT_THAT(Get(Where(), {.digest = digest_, .size = 5}).status,
                StatusIs(absl::StatusCode::kInvalidArgument))
        << location;
  }
}

TEST_F(AuthTest, ARegistryThatEchoesTheTokenShowsNothing) {
  registry_.SetFault([&](const Request& r, Peer&) -> std::optional<std::string> {
    if (r.Header("authorization").empty()) {
      return Reply("401 No",
                   "WWW-Authenticate: Bearer realm=\"" + tokens_.Url("/token") + "\"\r\n");
    }
    return Reply("400 Bad", "Content-Type: text/plain\r\n",
                 "not with " + r.Header("authorization"));
  });
  EXPECT_THAT(client_->GetManifest(WhereAs(me_), "v1", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("(not with Bearer ***)")));
}

TEST_F(AuthTest, HttpsIsExpectedElsewhere) {
  // Named https, a mirror on loopback is as any other registry.
  FakeRegistry mirror;
  Configure({.registry = registry_.Host(), .mirrors = {"https://" + mirror.Host()}});
  registry_.SetFault([](const Request&, Peer&) { return Reply("404 Not Found"); });
  EXPECT_THAT(
      client_->GetManifest(Where(), "v1", {}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(mirror.Host() + " does not speak https")));
  EXPECT_TRUE(mirror.server().Requests().empty());
}

}  // namespace
}  // namespace zlayer
