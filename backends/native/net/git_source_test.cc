// Trees from git repositories, with the executor, a real store and git's own server.
#include <filesystem>
#include <map>

#include "backends/native/net/remote_sources.h"
#include "backends/native/net/testing/git_server.h"
#include "backends/native/net/testing/http_server.h"
#include "backends/native/testing/store_fixture.h"
#include "base/strings.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr int64_t kCommitted = int64_t{1'640'995'200} * 1'000'000'000;

class GitSourceTest : public StoreTest {
 protected:
  static void SetUpTestSuite() {
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-git-executor-");
    ASSERT_OK(directory);
    executor_directory_ = *std::move(directory);
    auto executor = Executor::Start({.trees_directory = executor_directory_.path() + "/trees"});
    ASSERT_OK(executor);
    executor_ = executor->release();
  }
  static void TearDownTestSuite() {
    delete executor_;
    executor_directory_ = ScopedDirectory();
  }

  void SetUp() override {
    if (!executor_->unavailable_reason().empty()) {
      GTEST_SKIP() << executor_->unavailable_reason();
    }
    if (!GitServer::Available()) {
      GTEST_SKIP() << "needs git daemon (package git)";
    }
    StoreTest::SetUp();
    server_ = std::make_unique<GitServer>();
    sources_ = MakeRemoteSources({.store = store_.get(), .executor = executor_});
    server_->Script("repo",
                    "echo one > file; mkdir dir; echo deep > dir/deep; ln -s ../file dir/link; "
                    "echo run > run.sh; chmod 775 run.sh; git add .; git commit -qm first; "
                    "git tag -a -m tagged v1; git tag light; "
                    "git checkout -qb other; echo two > file; git commit -qam second; "
                    "git checkout -q main");
  }

  v1::GitInput Input(const std::string& ref = "") {
    v1::GitInput input;
    input.set_url(server_->Url("repo"));
    input.set_ref(ref);
    return input;
  }
  std::string Commit(const std::string& name) {
    return server_->Script("repo", "git rev-parse " + name + "^{commit}");
  }

  absl::StatusOr<LayerRef> Get(const v1::GitInput& input, std::stop_token stop = {}) {
    return sources_->Git(input, {.name_space = name_space_,
                                 .progress = [this](std::string_view, uint64_t, uint64_t,
                                                    bool complete) { fetched_ += complete; },
                                 .stop = stop});
  }

  // Contents of files, targets of links, "" for directories, by path.
  std::map<std::string, std::string> Tree(const absl::StatusOr<LayerRef>& layer) {
    EXPECT_OK(layer);
    std::map<std::string, std::string> tree;
    for (size_t i = 0; layer.ok() && i < (*layer)->size(); ++i) {
      const Entry entry = (*layer)->At(i);
      std::string text = entry.link_target;
      if (entry.type == EntryType::kFile) {
        auto file = store_->layers().OpenContent(**layer, entry);
        EXPECT_OK(file);
        EXPECT_OK(ReadContent(*file, entry.content, [&](std::string_view data) {
          text += data;
          return absl::OkStatus();
        }));
      }
      tree[entry.path] = text;
    }
    return tree;
  }

  static ScopedDirectory executor_directory_;
  static Executor* executor_;
  std::unique_ptr<GitServer> server_;
  std::unique_ptr<RemoteSources> sources_;
  std::string name_space_ = "default";
  int fetched_ = 0;
};
ScopedDirectory GitSourceTest::executor_directory_;
Executor* GitSourceTest::executor_ = nullptr;

TEST_F(GitSourceTest, FetchesOverHttp) {
  if (!GitServer::HttpAvailable()) {
    GTEST_SKIP() << "needs git http-backend and python3";
  }
  v1::GitInput input = Input();
  input.set_url(server_->HttpUrl("repo"));
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("file", "one\n")));
  input.set_ref("other");
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("file", "two\n")));
  input.set_ref(Commit("other"));
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("file", "two\n")));
  input.set_ref("missing");
  EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  input.set_url(server_->HttpUrl("nothing"));
  input.clear_ref();
  EXPECT_FALSE(Get(input).ok());
}

TEST_F(GitSourceTest, IsTheTreeOfACommitWithNormalModesAndTheCommitsTime) {
  const absl::StatusOr<LayerRef> layer = Get(Input());
  EXPECT_THAT(Tree(layer),
              ElementsAre(Pair("dir", ""), Pair("dir/deep", "deep\n"), Pair("dir/link", "../file"),
                          Pair("file", "one\n"), Pair("run.sh", "run\n")));
  for (size_t i = 0; i < (*layer)->size(); ++i) {
    const Entry entry = (*layer)->At(i);
    EXPECT_EQ(entry.uid, 0u);
    EXPECT_EQ(entry.gid, 0u);
    EXPECT_EQ(entry.mtime_ns, kCommitted) << entry.path;
    if (entry.type != EntryType::kSymlink) {
      EXPECT_EQ(entry.mode, entry.path == "run.sh" || entry.path == "dir" ? 0755u : 0644u);
    }
  }
}

TEST_F(GitSourceTest, TakesBranchesTagsAndCommits) {
  EXPECT_THAT(Tree(Get(Input("other"))), Contains(Pair("file", "two\n")));
  EXPECT_THAT(Tree(Get(Input("refs/heads/other"))), Contains(Pair("file", "two\n")));
  EXPECT_THAT(Tree(Get(Input("v1"))), Contains(Pair("file", "one\n")));
  EXPECT_THAT(Tree(Get(Input("light"))), Contains(Pair("file", "one\n")));
  EXPECT_THAT(Tree(Get(Input(Commit("other")))), Contains(Pair("file", "two\n")));
}

TEST_F(GitSourceTest, TakesACommitThatNoRefNames) {
  const std::string first = Commit("main");
  server_->Script("repo", "echo later > file; git commit -qam later");
  server_->Script("repo", "git branch -qD other; git tag -d v1 light");
  EXPECT_THAT(Tree(Get(Input(first))), Contains(Pair("file", "one\n")));
}

TEST_F(GitSourceTest, FetchesACommitOnceForANamespace) {
  const absl::StatusOr<LayerRef> first = Get(Input("main"));
  const absl::StatusOr<LayerRef> second = Get(Input("main"));
  ASSERT_OK(Get(Input("v1")));
  EXPECT_EQ((*first)->id(), (*second)->id());
  EXPECT_EQ(fetched_, 1);
  name_space_ = "another";
  EXPECT_EQ((*Get(Input("main")))->id(), (*first)->id());
  EXPECT_EQ(fetched_, 2);
}

TEST_F(GitSourceTest, SeesThatABranchHasMoved) {
  ASSERT_OK(Get(Input("main")));
  server_->Script("repo", "echo moved > file; git commit -qam moved");
  EXPECT_THAT(Tree(Get(Input("main"))), Contains(Pair("file", "moved\n")));
}

TEST_F(GitSourceTest, NeedsNoNetworkForACommitThatIsKnown) {
  v1::GitInput input = Input(Commit("main"));
  const absl::StatusOr<LayerRef> first = Get(input);
  ASSERT_OK(first);
  server_.reset();
  EXPECT_EQ((*Get(input))->id(), (*first)->id());
}

TEST_F(GitSourceTest, TakesASubdirectory) {
  v1::GitInput input = Input();
  for (const char* directory : {"dir", "/dir/", "./dir"}) {
    input.set_subdirectory(directory);
    EXPECT_THAT(Tree(Get(input)), ElementsAre(Pair("deep", "deep\n"), Pair("link", "../file")));
  }
  server_->Script("repo", "ln -s /etc dir/out; git add .; git commit -qm link");
  for (const char* directory : {"no", "file", "dir/out", ".git"}) {
    input.set_subdirectory(directory);
    EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no directory")));
  }
}

TEST_F(GitSourceTest, KeepsARepositoryThatIsFitForUse) {
  v1::GitInput input = Input("v1");
  input.set_keep_git_directory(true);
  const std::map<std::string, std::string> tree = Tree(Get(input));
  EXPECT_THAT(tree, AllOf(Contains(Pair("file", "one\n")),
                          Contains(Pair(".git/HEAD", Commit("main") + "\n")),
                          Contains(Pair(".git/config", HasSubstr(server_->Url("repo")))),
                          Contains(Key(".git/refs/tags/v1")), Contains(Key(".git/index")),
                          Not(Contains(Key(".git/FETCH_HEAD")))));
  input.set_ref("other");
  EXPECT_THAT(Tree(Get(input)), AllOf(Contains(Pair(".git/HEAD", Commit("other") + "\n")),
                                      Not(Contains(Key(".git/refs/zlayer/fetched")))));
}

TEST_F(GitSourceTest, ComparesTheCommitWithAChecksum) {
  v1::GitInput input = Input("v1");
  input.set_checksum(Commit("main").substr(0, 12));
  EXPECT_OK(Get(input));
  input.set_checksum(server_->Script("repo", "git rev-parse v1"));
  EXPECT_OK(Get(input));
  input.set_checksum("0000");
  EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kFailedPrecondition,
                                   AllOf(HasSubstr("0000"), HasSubstr(Commit("main")))));
  input.set_ref(Commit("main"));
  EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(GitSourceTest, FetchesSubmodulesWithinSubmodules) {
  server_->Script("inner", "echo inner > i; git add .; git commit -qm inner");
  const std::string add = "git -c protocol.allow=always submodule --quiet add ";
  server_->Script("middle", add + server_->Url("inner") + " in; git commit -qm middle");
  server_->Script("repo", add + "../middle mid; git commit -qm modules");
  const std::map<std::string, std::string> tree = Tree(Get(Input()));
  EXPECT_THAT(tree, AllOf(Contains(Pair("mid/in/i", "inner\n")), Contains(Key(".gitmodules")),
                          Not(Contains(Key("mid/.git"))), Not(Contains(Key("mid/in/.git")))));
}

TEST_F(GitSourceTest, LeavesFilesOfTheMachineAlone) {
  server_->Script("repo",
                  "git -c protocol.allow=always submodule --quiet add file://$PWD/../repo sub; "
                  "git commit -qm local");
  EXPECT_THAT(Get(Input()), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("transport 'file' not allowed")));
  v1::GitInput input = Input();
  for (const std::string& url :
       {"file://" + server_->directory() + "/repo", server_->directory() + "/repo",
        std::string("ext::sh -c id"), std::string("--upload-pack=id")}) {
    input.set_url(url);
    EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kInvalidArgument)) << url;
  }
  for (const char* url : {"git@host:x/y.git", "ssh://git@host/x"}) {
    input.set_url(url);
    EXPECT_THAT(CheckGitInput(input), StatusIs(absl::StatusCode::kUnimplemented)) << url;
  }
}

TEST_F(GitSourceTest, SaysWhatIsWrong) {
  absl::Status failed = Get(Input("no-such")).status();
  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kNotFound,
                       server_->Url("repo") + ": the repository has no branch or tag no-such"));
  EXPECT_EQ(DetailOf(failed).reason(), "GIT_FETCH_FAILED");
  EXPECT_EQ(DetailOf(failed).subject(), server_->Url("repo"));
  v1::GitInput input = Input();
  input.set_url(server_->Url("nothing"));
  failed = Get(input).status();
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr(server_->Url("nothing")), HasSubstr("repository"))));
  EXPECT_EQ(DetailOf(failed).reason(), "GIT_FETCH_FAILED");
  EXPECT_EQ(DetailOf(failed).subject(), server_->Url("nothing"));
  EXPECT_THAT(Get(Input(std::string(40, '1'))), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(GitSourceTest, LeavesNothingBehind) {
  ASSERT_OK(Get(Input()));
  EXPECT_THAT(Get(Input("no-such")), Not(IsOk()));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(store_->tmp())) {
    names.push_back(entry.path());
  }
  EXPECT_THAT(names, IsEmpty());
}

// A server that takes the connection and says nothing.
TEST_F(GitSourceTest, StopsAtOnce) {
  std::stop_source stop;
  FakeHttpServer silent([&](const FakeHttpServer::Request&, FakeHttpServer::Peer& peer) {
    stop.request_stop();
    EXPECT_TRUE(peer.WaitUntilGone());
  });
  v1::GitInput input = Input();
  input.set_url(silent.Url("/repo.git"));
  EXPECT_THAT(Get(input, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
}

// A server that only gives files: no single commits, no history cut off.
TEST_F(GitSourceTest, FetchesFromAPlainHttpServer) {
  server_->Script("repo", "git update-server-info");
  const std::string base = server_->directory() + "/repo/.git";
  FakeHttpServer files([&](const FakeHttpServer::Request& request, FakeHttpServer::Peer& peer) {
    const auto file = ReadFile(base + request.target.substr(0, request.target.find('?')));
    peer.Send(file.ok() ? HttpResponse("200 OK", *file) : HttpResponse("404 Not Found", ""));
  });
  v1::GitInput input = Input();
  input.set_url(files.Url(""));
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("file", "one\n")));
  input.set_ref("other");
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("file", "two\n")));
  input.set_ref(Commit("other~"));
  input.set_subdirectory("dir");
  EXPECT_THAT(Tree(Get(input)), Contains(Pair("deep", "deep\n")));
}

TEST_F(GitSourceTest, SendsCredentialsAndShowsThemNowhere) {
  FakeHttpServer refusing(Always(HttpResponse("401 No", "", "WWW-Authenticate: Basic\r\n")));
  v1::GitInput input = Input();
  input.set_url("http://user:secret@" + refusing.Host() + "/repo.git");
  EXPECT_THAT(Get(input), StatusIs(absl::StatusCode::kFailedPrecondition,
                                   AllOf(HasSubstr(refusing.Url("/repo.git")),
                                         Not(HasSubstr("secret")), Not(HasSubstr("user:")))));
  ASSERT_FALSE(refusing.Requests().empty());
  EXPECT_EQ(refusing.Requests()[0].Header("authorization"), "Basic dXNlcjpzZWNyZXQ=");
}

}  // namespace
}  // namespace zlayer
