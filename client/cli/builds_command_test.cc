// The commands about builds against a daemon that the test plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/fake_daemon.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Ended {
  absl::Status status;
  std::string out;
  std::string err;
};

class BuildsCommandTest : public FakeDaemonTest {
 protected:
  void SetUp() override {
    FakeDaemonTest::SetUp();
    for (const char* id : {"ab3", "ab2", "cd1"}) {
      v1::BuildStatus& build = builds_.emplace_back();
      build.set_id(id);
      build.set_title(std::string("title of ") + id);
      build.set_state(v1::SUCCEEDED);
    }
    service_.list = [this](const v1::ListBuildsRequest& request, v1::ListBuildsResponse* response) {
      requests_.push_back(request);
      // Two to a page, whatever was asked for.
      size_t first = request.page_token().empty() ? 0 : std::stoul(request.page_token());
      for (size_t i = first; i < builds_.size() && i < first + 2; ++i) {
        *response->add_builds() = builds_[i];
      }
      if (first + 2 < builds_.size()) {
        response->set_next_page_token(std::to_string(first + 2));
      }
      return grpc::Status::OK;
    };
    service_.get = [this](const v1::GetBuildRequest& request, v1::BuildStatus* response) {
      for (const v1::BuildStatus& build : builds_) {
        if (build.id() == request.build_id()) {
          *response = build;
          return grpc::Status::OK;
        }
      }
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no build " + request.build_id());
    };
    service_.remove = [this](const v1::DeleteBuildRequest& request) {
      removed_.push_back(request.build_id());
      return grpc::Status::OK;
    };
    StartDaemon();
  }

  Ended Run(std::vector<const char*> words) {
    words.insert(words.begin(), "zlayer");
    GlobalOptions options;
    options.address = address_;
    options.name_space = name_space_;
    ArgumentParser line("zlayer", "Test.");
    AddBuildsCommand(line.root());
    AddPlanCommand(line.root());
    auto parsed = line.Parse(static_cast<int>(words.size()), words.data());
    EXPECT_TRUE(parsed.action) << parsed.text;
    Session session(&options, stop_.get_token());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    absl::Status status = parsed.action ? parsed.action(session) : Internal(parsed.text);
    return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  }

  std::vector<v1::BuildStatus> builds_;
  std::vector<v1::ListBuildsRequest> requests_;
  std::vector<std::string> removed_;
  std::string name_space_;
};

TEST_F(BuildsCommandTest, ListsAllPages) {
  Ended ended = Run({"builds", "ls"});
  EXPECT_OK(ended.status);
  EXPECT_EQ(ended.out,
            "ID   STATE      CREATED  DURATION  TITLE\n"
            "ab3  succeeded  -        -         title of ab3\n"
            "ab2  succeeded  -        -         title of ab2\n"
            "cd1  succeeded  -        -         title of cd1\n");
  EXPECT_EQ(requests_.size(), 2u);
}

TEST_F(BuildsCommandTest, StopsAtTheLimit) {
  Ended ended = Run({"builds", "ls", "-n", "1", "--format", "json"});
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
  EXPECT_THAT(ended.out, HasSubstr("\"id\":\"ab3\""));
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].page_size(), 1u);
  Run({"builds", "ls", "-n", "100000"});
  EXPECT_EQ(requests_.back().page_size(), 1000u);
}

TEST_F(BuildsCommandTest, PassesFiltersOn) {
  name_space_ = "team";
  EXPECT_OK(Run({"builds", "ls", "--state", "failed", "--state=queued", "--tag", "app:1", "--since",
                 "2026-11-21", "--before", "2026-11-22T00:00:00Z"})
                .status);
  const v1::ListBuildsRequest& request = requests_.at(0);
  EXPECT_EQ(request.namespace_(), "team");
  EXPECT_THAT(request.states(), ElementsAre(v1::FAILED, v1::QUEUED));
  EXPECT_EQ(request.tag(), "app:1");
  EXPECT_EQ(request.created_before().seconds() - request.created_from().seconds(), 86'400);
  absl::Status wrong = Run({"builds", "ls", "--since", "yesterday"}).status;
  EXPECT_EQ(ExitCode(wrong, false), 2);
  EXPECT_THAT(wrong, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--since")));
}

TEST_F(BuildsCommandTest, FindsBuildsByTheirBegin) {
  EXPECT_EQ(Run({"builds", "rm", "c", "@latest", "ab2"}).out, "cd1\nab3\nab2\n");
  EXPECT_THAT(removed_, ElementsAre("cd1", "ab3", "ab2"));
}

TEST_F(BuildsCommandTest, RefusesWhatIsNotOneBuild) {
  Ended ended = Run({"builds", "rm", "ab", "x", "cd1"});
  EXPECT_EQ(ended.err, "several builds begin with \"ab\": ab3, ab2; give more of the id\n");
  EXPECT_THAT(ended.status, StatusIs(absl::StatusCode::kNotFound, "no build x"));
  EXPECT_EQ(ended.out, "cd1\n") << "the others are removed all the same";
  EXPECT_EQ(ExitCode(Run({"builds", "show", ""}).status, false), 2);
  builds_.clear();
  EXPECT_THAT(Run({"builds", "show", "@latest"}).status, StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildsCommandTest, RemovesAllThatEnded) {
  EXPECT_OK(Run({"builds", "rm", "--all-ended"}).status);
  EXPECT_THAT(requests_.at(0).states(), ElementsAre(v1::SUCCEEDED, v1::FAILED, v1::CANCELED));
  EXPECT_THAT(removed_, ElementsAre("ab3", "ab2", "cd1"));
  EXPECT_EQ(ExitCode(Run({"builds", "rm"}).status, false), 2);
  EXPECT_EQ(ExitCode(Run({"builds", "rm", "--all-ended", "ab3"}).status, false), 2);
}

TEST_F(BuildsCommandTest, ShowsSeveral) {
  builds_[0].set_state(v1::QUEUED);
  builds_[0].mutable_waiting()->set_reason("4 builds run");
  Ended ended = Run({"builds", "show", "ab3", "cd"});
  EXPECT_THAT(ended.out, HasSubstr("Waits for:  4 builds run\n\nId:"));
  ended = Run({"builds", "show", "--format", "json", "ab3", "cd"});
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 2);
}

TEST_F(BuildsCommandTest, LogsComeOneAfterTheOther) {
  service_.watch = [](const v1::WatchBuildRequest& request, FakeBuildService::EventWriter* out) {
    EXPECT_TRUE(request.no_follow());
    v1::BuildEvent event;
    event.set_build_id(request.build_id());
    event.set_sequence(1);
    event.mutable_output()->set_data("of " + request.build_id() + "\n");
    out->Write(event);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"builds", "logs", "ab3", "cd1"}).out, "of ab3\nof cd1\n");
}

TEST_F(BuildsCommandTest, PlansWithoutTheContext) {
  const std::string& context = directory_.path();
  ASSERT_OK(WriteFileAtomically(context + "/Dockerfile", "FROM scratch\n"));
  v1::PlanBuildRequest seen;
  service_.plan = [&](const v1::PlanBuildRequest& request, v1::PlanBuildResponse* response) {
    seen = request;
    v1::Stage& stage = *response->mutable_graph()->add_stages();
    stage.set_base_text("scratch");
    stage.add_operations()->mutable_source()->set_first_line(1);
    response->mutable_plan()->add_stages();
    return grpc::Status::OK;
  };
  name_space_ = "team";
  Ended ended =
      Run({"plan", "--target", "x", "--build-context", "more=/somewhere", context.c_str()});
  EXPECT_OK(ended.status);
  EXPECT_THAT(ended.out, AllOf(StartsWith("stage 0 FROM scratch\n"), Not(HasSubstr("not needed"))));
  EXPECT_EQ(seen.namespace_(), "team");
  EXPECT_EQ(seen.spec().dockerfile_inline().content(), "FROM scratch\n");
  EXPECT_EQ(seen.spec().target(), "x");
  EXPECT_TRUE(seen.spec().contexts().contains("more"));
  ended = Run({"plan", "--format", "json", context.c_str()});
  EXPECT_THAT(ended.out, HasSubstr("\"base_text\":\"scratch\""));
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
}

}  // namespace
}  // namespace zlayer
