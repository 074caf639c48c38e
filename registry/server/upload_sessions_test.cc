#include "registry/server/upload_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "registry/server/testing/memory_repositories.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using std::chrono::seconds;
using ::testing::MatchesRegex;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  void Advance(std::chrono::nanoseconds time) { now_ns += time.count(); }
  std::atomic<int64_t> now_ns = 1'000'000'000'000'000;
};

class UploadSessionsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Add(const std::string& repository = "repo") {
    return sessions_.Add(repository, *repositories_.NewBlob(""));
  }

  FakeClock clock_;
  MemoryRepositories repositories_;
  UploadSessions sessions_{{.sessions = 2, .idle = seconds(10)}, &clock_};
};

TEST_F(UploadSessionsTest, GoesOnWhereItWas) {
  ASSERT_OK_AND_ASSIGN(const std::string id, Add());
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"));
  {
    auto lease = sessions_.Take("repo", id);
    ASSERT_OK(lease);
    ASSERT_OK(lease->upload().Append("abc"));
  }
  EXPECT_THAT(sessions_.Size("repo", id), IsOkAndHolds(3u));
  auto lease = sessions_.Take("repo", id);
  ASSERT_OK(lease);
  EXPECT_EQ(lease->upload().size(), 3u);
}

TEST_F(UploadSessionsTest, HasOneUserAtATime) {
  ASSERT_OK_AND_ASSIGN(const std::string id, Add());
  auto lease = sessions_.Take("repo", id);
  ASSERT_OK(lease);
  EXPECT_THAT(sessions_.Take("repo", id).status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(sessions_.Size("repo", id), IsOkAndHolds(0u));
  UploadSessions::Lease moved = *std::move(lease);
  EXPECT_THAT(sessions_.Take("repo", id).status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(UploadSessionsTest, IsOfItsRepositoryAlone) {
  ASSERT_OK_AND_ASSIGN(const std::string id, Add());
  EXPECT_THAT(sessions_.Take("other", id).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions_.Size("other", id).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions_.Take("repo", "unknown").status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(UploadSessionsTest, EndsWhereItIsTakenOut) {
  ASSERT_OK_AND_ASSIGN(const std::string id, Add());
  {
    auto lease = sessions_.Take("repo", id);
    ASSERT_OK(lease);
    EXPECT_NE(lease->TakeOut(), nullptr);
  }
  EXPECT_THAT(sessions_.Take("repo", id).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(repositories_.live_uploads(), 0u);
}

TEST_F(UploadSessionsTest, TakesSoMany) {
  ASSERT_OK(Add());
  ASSERT_OK(Add());
  EXPECT_THAT(Add().status(), StatusIs(absl::StatusCode::kResourceExhausted));
  clock_.Advance(seconds(11));
  EXPECT_OK(Add());
}

TEST_F(UploadSessionsTest, WhoWentAwayMakesRoom) {
  UploadSessions sessions({.sessions = 2, .idle = seconds(3600), .crowded = seconds(60)}, &clock_);
  const auto add = [&] { return sessions.Add("repo", *repositories_.NewBlob("n")); };
  ASSERT_OK_AND_ASSIGN(const std::string first, add());
  clock_.Advance(seconds(1));
  ASSERT_OK_AND_ASSIGN(const std::string second, add());
  EXPECT_THAT(add().status(), StatusIs(absl::StatusCode::kResourceExhausted));
  clock_.Advance(seconds(61));
  {
    auto lease = sessions.Take("repo", first);
    ASSERT_OK(lease);
    EXPECT_OK(add());  // in place of the second one
    EXPECT_THAT(add().status(), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_OK(sessions.Size("repo", first));
  EXPECT_THAT(sessions.Size("repo", second).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(UploadSessionsTest, DropsWhatIsIdle) {
  ASSERT_OK_AND_ASSIGN(const std::string used, Add());
  ASSERT_OK_AND_ASSIGN(const std::string idle, Add());
  clock_.Advance(seconds(6));
  { ASSERT_OK(sessions_.Take("repo", used)); }
  clock_.Advance(seconds(6));
  sessions_.Expire();
  EXPECT_EQ(repositories_.live_uploads(), 1u);
  EXPECT_THAT(sessions_.Size("repo", idle).status(), StatusIs(absl::StatusCode::kNotFound));
  auto lease = sessions_.Take("repo", used);
  ASSERT_OK(lease);
  clock_.Advance(seconds(60));
  sessions_.Expire();  // a request has it
  EXPECT_EQ(repositories_.live_uploads(), 1u);
}

}  // namespace
}  // namespace zlayer
