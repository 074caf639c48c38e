#include "client/cli/build_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "base/files.h"
#include "client/cli/build_images.h"
#include "client/cli/build_request.h"
#include "client/cli/session.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::optional<std::string> NoEnvironment(const std::string&) { return std::nullopt; }

class ReadBuildFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "file"));
    flags_.context = directory_.path();
  }
  void Write(const std::string& path, std::string_view content) {
    ASSERT_OK(WriteFileAtomically(At(path), content));
  }
  std::string At(const std::string& path) { return directory_.path() + "/" + path; }
  absl::StatusOr<std::optional<BuildFile>> Read() { return ReadBuildFile(flags_, {}); }

  ScopedDirectory directory_;
  BuildFlags flags_;
};

TEST_F(ReadBuildFileTest, TakesTheDockerfileOfTheContext) {
  Write("Dockerfile", "FROM a");
  Write(".dockerignore", "x");
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->name, "Dockerfile");
  EXPECT_EQ(file->content, "FROM a");
  EXPECT_EQ(file->ignore_text, "x");
  EXPECT_EQ(file->ignore_name, ".dockerignore");
}

TEST_F(ReadBuildFileTest, TheIgnoreFileOfTheBuildFileGoesFirst) {
  Write("other", "FROM b");
  Write(".dockerignore", "x");
  Write("other.dockerignore", "y");
  flags_.file = At("other");
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_EQ(file->name, At("other"));
  EXPECT_EQ(file->content, "FROM b");
  EXPECT_EQ(file->ignore_text, "y");
}

TEST_F(ReadBuildFileTest, WithoutIgnoreFileNothingIsIgnored) {
  Write("Dockerfile", "FROM a");
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_EQ(file->ignore_text, "");
}

TEST_F(ReadBuildFileTest, AMissingFileIsNamed) {
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kNotFound,
                               "no Dockerfile at " + At("Dockerfile") +
                                   ", and no ZImagefile; name a build file with -f or -z"));
  flags_.file = At("gone");
  EXPECT_THAT(Read(),
              StatusIs(absl::StatusCode::kNotFound, "there is no build file " + At("gone")));
}

TEST_F(ReadBuildFileTest, TheZImagefileOfTheContextGoesFirst) {
  Write("Dockerfile", "FROM scratch\n");
  Write("ZImagefile.one", "base: one\n");
  Write("ZImagefile.one.dockerignore", "*.o\n");
  ASSERT_OK_AND_ASSIGN(const std::optional<BuildFile> only, Read());
  EXPECT_TRUE(only.value().is_zimagefile);
  EXPECT_EQ(only->name, "ZImagefile.one");
  EXPECT_EQ(only->content, "base: one\n");
  EXPECT_EQ(only->ignore_text, "*.o\n");
  Write("ZImagefile.two", "base: two\n");
  EXPECT_THAT(Read().status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ZImagefile.one, ZImagefile.two; choose one with -z")));
  Write("ZImagefile", "base: all\n");
  ASSERT_OK_AND_ASSIGN(const std::optional<BuildFile> literal, Read());
  EXPECT_EQ(literal->content, "base: all\n");
}

TEST_F(ReadBuildFileTest, AFileThatIsNamedWins) {
  Write("Dockerfile", "FROM scratch\n");
  Write("ZImagefile", "base: all\n");
  flags_.file = At("Dockerfile");
  ASSERT_OK_AND_ASSIGN(const std::optional<BuildFile> dockerfile, Read());
  EXPECT_FALSE(dockerfile.value().is_zimagefile);
  flags_.file = At("ZImagefile");
  ASSERT_OK_AND_ASSIGN(const std::optional<BuildFile> zimagefile, Read());
  EXPECT_TRUE(zimagefile.value().is_zimagefile);
  flags_.zimagefile = At("Dockerfile");
  EXPECT_EQ(ExitCode(Read().status(), false), 2);
  flags_.file.clear();
  ASSERT_OK_AND_ASSIGN(const std::optional<BuildFile> as_said, Read());
  EXPECT_TRUE(as_said.value().is_zimagefile);
}

TEST_F(ReadBuildFileTest, AMissingContextIsNamed) {
  flags_.context = At("gone");
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kNotFound,
                               "the build context \"" + At("gone") + "\" does not exist"));
}

TEST_F(ReadBuildFileTest, AFileThatIsTooLargeIsRefused) {
  Write("Dockerfile", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(ReadBuildFileTest, ATemplateBringsItsIgnoreFile) {
  flags_.runtime = "Node-22";
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_EQ(file->name, "runtime:node22");
  EXPECT_EQ(file->runtime, "node22");
  EXPECT_THAT(file->content, HasSubstr("ARG NODE_VERSION=22\n"));
  EXPECT_EQ(file->ignore_name, "runtime:node22.dockerignore");
  EXPECT_THAT(file->ignore_text, HasSubstr("**/node_modules\n"));
  ASSERT_OK_AND_ASSIGN(const v1::SubmitBuildRequest request,
                       MakeBuildRequest(flags_, file, NoEnvironment));
  EXPECT_EQ(request.spec().runtime(), "node22");
  EXPECT_THAT(ImagesOf(request.spec(), ""), Contains("node"));

  Write(".dockerignore", "x");
  ASSERT_OK_AND_ASSIGN(file, Read());
  EXPECT_EQ(file->ignore_name, ".dockerignore");
  EXPECT_EQ(file->ignore_text, "x");
}

TEST_F(ReadBuildFileTest, TheTemplateThatFitsIsFound) {
  flags_.runtime_auto = true;
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("package.json")));
  Write("package.json", R"({"engines": {"node": "20"}})");
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_EQ(file->runtime, "node20");
  EXPECT_EQ(file->reason, "package.json, which asks for Node 20");
  ASSERT_EQ(mkfifo(At(".nvmrc").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(file, Read());
  EXPECT_EQ(file->runtime, "node20");
  flags_.context = At("gone");
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("does not exist")));
}

TEST_F(ReadBuildFileTest, InATarTheDaemonLooks) {
  flags_.context = "-";
  flags_.runtime = "auto";
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_FALSE(file.has_value());
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request,
                       MakeBuildRequest(flags_, file, NoEnvironment));
  EXPECT_EQ(request.spec().runtime(), "auto");
  flags_.runtime = "go";
  ASSERT_OK_AND_ASSIGN(file, Read());
  EXPECT_EQ(file->ignore_text, "");  // the daemon's work, too
}

TEST_F(ReadBuildFileTest, WhatARuntimeExcludesIsAUsageError) {
  flags_.runtime = "auto";
  flags_.file = "Dockerfile";
  EXPECT_EQ(ExitCode(Read().status(), false), 2);
  flags_.file = "";
  flags_.runtime = "node23";
  EXPECT_EQ(ExitCode(Read().status(), false), 2);
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean")));
  flags_.runtime = "go";
  flags_.runtime_auto = true;
  EXPECT_EQ(ExitCode(Read().status(), false), 2);
  flags_ = BuildFlags();
  flags_.runtime = "wasm";
  EXPECT_EQ(ExitCode(Read().status(), false), 1);
}

TEST_F(ReadBuildFileTest, ReadsStdin) {
  Write("input", "FROM stdin");
  Write(".dockerignore", "x");
  int saved = dup(STDIN_FILENO);
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenFile(At("input"), O_RDONLY));
  ASSERT_EQ(dup2(fd.get(), STDIN_FILENO), STDIN_FILENO);
  flags_.file = "-";
  auto read = Read();
  dup2(saved, STDIN_FILENO);
  close(saved);
  ASSERT_OK(read);
  EXPECT_EQ((*read)->name, "Dockerfile");
  EXPECT_EQ((*read)->content, "FROM stdin");
  EXPECT_EQ((*read)->ignore_text, "x");
}

TEST_F(ReadBuildFileTest, InATarTheFileIsThereUnlessItIsHere) {
  flags_.context = "-";
  ASSERT_OK_AND_ASSIGN(auto file, Read());
  EXPECT_FALSE(file.has_value());
  flags_.file = At("F");
  ASSERT_OK_AND_ASSIGN(file, Read());
  EXPECT_FALSE(file.has_value());
  Write("F", "FROM here");
  ASSERT_OK_AND_ASSIGN(file, Read());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->content, "FROM here");
}

TEST_F(ReadBuildFileTest, StdinIsNotBoth) {
  flags_.file = "-";
  flags_.context = "-";
  EXPECT_EQ(ExitCode(Read().status(), false), 2);
}

}  // namespace
}  // namespace zlayer
