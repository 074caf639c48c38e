#include "client/cli/build_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cli/session.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::optional<std::string> FakeEnvironment(const std::string& name) {
  return name == "SET" ? std::optional<std::string>("from environment") : std::nullopt;
}

absl::StatusOr<v1::SubmitBuildRequest> Make(const BuildFlags& flags) {
  BuildFile file;
  file.name = "docker/Dockerfile";
  file.content = "FROM scratch\n";
  file.ignore_text = "*.o\n";
  return MakeBuildRequest(flags, file, FakeEnvironment);
}

TEST(MakeBuildRequestTest, WithoutFlagsOnlyTheFileIsSet) {
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request, Make(BuildFlags()));
  const v1::InlineFile& file = request.spec().dockerfile_inline();
  EXPECT_EQ(file.name(), "docker/Dockerfile");
  EXPECT_EQ(file.content(), "FROM scratch\n");
  EXPECT_EQ(file.ignore_file(), "*.o\n");
  request.mutable_spec()->clear_dockerfile_inline();
  EXPECT_EQ(request.spec().ByteSizeLong(), 0u) << request.DebugString();
  request.clear_spec();
  EXPECT_EQ(request.ByteSizeLong(), 0u) << request.DebugString();
}

TEST(MakeBuildRequestTest, EveryFlagReachesItsField) {
  BuildFlags flags;
  flags.tags = {"a:1", "b:2"};
  flags.target = "final";
  flags.no_cache = true;
  flags.no_cache_filters = {"x,y", "z"};
  flags.labels = {"l=1=2", "m="};
  flags.annotations = {"org.x=y"};
  flags.entitlements = {"security.insecure"};
  flags.platforms = {"linux/amd64,linux/arm64"};
  flags.target_os = "windows";
  flags.windows_ltsc = "ltsc2025";
  flags.cache_from = {"type=registry,ref=x"};
  flags.cache_to = {"type=inline"};
  flags.outputs = {"out", "type=tar,dest=a.tar"};
  flags.pull = "always";
  flags.network = "host";
  flags.push = true;
  flags.squash = true;
  flags.no_layers = true;
  flags.format = "docker";
  flags.backend = "native";
  flags.source_hash = "auto";
  flags.retries = 3;
  flags.default_cache_mounts = {"target=/root/.cache,id=x,sharing=locked,mode=0700,uid=7",
                                "type=tmpfs,dst=/t"};
  flags.priority = -7;
  flags.idempotency_key = "key";
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request, Make(flags));
  const v1::BuildSpec& spec = request.spec();
  EXPECT_EQ(request.priority(), -7);
  EXPECT_EQ(request.idempotency_key(), "key");
  EXPECT_THAT(spec.tags(), ElementsAre("a:1", "b:2"));
  EXPECT_EQ(spec.target(), "final");
  EXPECT_TRUE(spec.no_cache());
  EXPECT_THAT(spec.no_cache_stages(), ElementsAre("x", "y", "z"));
  EXPECT_THAT(spec.labels(), UnorderedElementsAre(Pair("l", "1=2"), Pair("m", "")));
  EXPECT_THAT(spec.annotations(), ElementsAre(Pair("org.x", "y")));
  EXPECT_THAT(spec.entitlements(), ElementsAre("security.insecure"));
  EXPECT_THAT(spec.platforms(), ElementsAre("linux/amd64", "linux/arm64"));
  EXPECT_EQ(spec.target_os(), "windows");
  EXPECT_EQ(spec.windows_ltsc(), "ltsc2025");
  EXPECT_THAT(spec.cache_from(), ElementsAre("type=registry,ref=x"));
  EXPECT_THAT(spec.cache_to(), ElementsAre("type=inline"));
  ASSERT_EQ(spec.outputs_size(), 2);
  EXPECT_EQ(spec.outputs(0).type(), "local");
  EXPECT_THAT(spec.outputs(0).attributes(), ElementsAre(Pair("dest", "out")));
  EXPECT_EQ(spec.outputs(1).type(), "tar");
  EXPECT_THAT(spec.outputs(1).attributes(), ElementsAre(Pair("dest", "a.tar")));
  EXPECT_EQ(spec.pull(), v1::PULL_ALWAYS);
  EXPECT_TRUE(spec.host_network());
  EXPECT_TRUE(spec.push());
  EXPECT_TRUE(spec.squash());
  EXPECT_TRUE(spec.has_layers() && !spec.layers());
  EXPECT_EQ(spec.format(), "docker");
  EXPECT_EQ(spec.backend(), "native");
  EXPECT_EQ(spec.source_hash(), "auto");
  EXPECT_EQ(spec.retries(), 3u);
  ASSERT_EQ(spec.default_cache_mounts_size(), 2);
  const v1::Mount& cache = spec.default_cache_mounts(0);
  EXPECT_EQ(cache.type(), v1::Mount::CACHE);
  EXPECT_EQ(cache.target(), "/root/.cache");
  EXPECT_EQ(cache.id(), "x");
  EXPECT_EQ(cache.sharing(), v1::Mount::LOCKED);
  EXPECT_EQ(cache.mode(), 0700u);
  EXPECT_EQ(cache.uid(), 7u);
  EXPECT_EQ(spec.default_cache_mounts(1).type(), v1::Mount::TMPFS);
}

TEST(MakeBuildRequestTest, BuildArgsMayComeFromTheEnvironment) {
  BuildFlags flags;
  flags.build_args = {"A=1", "SET", "UNSET", "B="};
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request, Make(flags));
  EXPECT_THAT(request.spec().build_args(),
              UnorderedElementsAre(Pair("A", "1"), Pair("SET", "from environment"), Pair("B", "")));
}

TEST(MakeBuildRequestTest, TheEpochOfTheEnvironmentIsPassedOn) {
  auto make = [](const BuildFlags& flags) {
    return MakeBuildRequest(flags, std::nullopt, [](const std::string& name) {
      return name == "SOURCE_DATE_EPOCH" ? std::optional<std::string>("5") : std::nullopt;
    });
  };
  BuildFlags flags;
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request, make(flags));
  EXPECT_THAT(request.spec().build_args(), UnorderedElementsAre(Pair("SOURCE_DATE_EPOCH", "5")));
  flags.build_args = {"SOURCE_DATE_EPOCH=7"};
  ASSERT_OK_AND_ASSIGN(request, make(flags));
  EXPECT_THAT(request.spec().build_args(), UnorderedElementsAre(Pair("SOURCE_DATE_EPOCH", "7")));
}

TEST(MakeBuildRequestTest, WhatDoesNotReadIsAUsageError) {
  auto expect_usage = [](const BuildFlags& flags, const std::string& text) {
    absl::Status status = Make(flags).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
    EXPECT_EQ(ExitCode(status, false), 2) << text;
  };
  BuildFlags flags;
  flags.labels = {"novalue"};
  expect_usage(flags, "--label takes KEY=VALUE, not \"novalue\"");
  flags = BuildFlags();
  flags.annotations = {"=x"};
  expect_usage(flags, "--annotation");
  flags = BuildFlags();
  flags.build_args = {""};
  expect_usage(flags, "--build-arg");
  flags = BuildFlags();
  flags.build_contexts = {"x"};
  expect_usage(flags, "--build-context takes NAME=DIR");
  flags = BuildFlags();
  flags.outputs = {"dest=x"};
  expect_usage(flags, "names no type");
  flags = BuildFlags();
  flags.tags = {"\xff"};
  expect_usage(flags, "--tag takes UTF-8");
}

TEST(MakeBuildRequestTest, VariablesAreForZImagefiles) {
  BuildFlags flags;
  flags.sets = {"A=1", "B=x=y"};
  EXPECT_EQ(ExitCode(Make(flags).status(), false), 2);
  BuildFile file;
  file.is_zimagefile = true;
  file.name = "ZImagefile";
  ASSERT_OK_AND_ASSIGN(const v1::SubmitBuildRequest request,
                       MakeBuildRequest(flags, file, FakeEnvironment));
  EXPECT_EQ(request.spec().zimagefile_inline().name(), "ZImagefile");
  EXPECT_THAT(request.spec().pipeline_vars(),
              UnorderedElementsAre(Pair("A", "1"), Pair("B", "x=y")));
  flags.sets = {"novalue"};
  EXPECT_EQ(ExitCode(MakeBuildRequest(flags, file, FakeEnvironment).status(), false), 2);
}

TEST(MakeBuildRequestTest, ContextsGoWhereTheyAreMade) {
  BuildFlags flags;
  flags.context = "src";
  flags.build_contexts = {"lib=../lib", "base=docker-image://debian:12", "net=https://x/y.tar"};
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request, Make(flags));
  const auto& contexts = request.spec().contexts();
  ASSERT_EQ(contexts.size(), 2u);
  EXPECT_EQ(contexts.at("base").image(), "debian:12");
  EXPECT_EQ(contexts.at("net").http().url(), "https://x/y.tar");
  ASSERT_OK_AND_ASSIGN(auto directories, DirectoryContexts(flags));
  EXPECT_THAT(directories, ElementsAre(Pair("", "src"), Pair("lib", "../lib")));
  flags.context = "-";
  ASSERT_OK_AND_ASSIGN(directories, DirectoryContexts(flags));
  EXPECT_THAT(directories, ElementsAre(Pair("lib", "../lib")));
}

TEST(MakeBuildRequestTest, RepositoriesAreNamedByTheirUrls) {
  BuildFlags flags;
  flags.context = "https://host/a.git#v1:sub";
  flags.build_contexts = {"b=git://host/b", "c=https://host/c.git?branch=main",
                          "d=https://host/d.git"};
  ASSERT_OK_AND_ASSIGN(v1::SubmitBuildRequest request,
                       MakeBuildRequest(flags, std::nullopt, FakeEnvironment));
  const auto& contexts = request.spec().contexts();
  ASSERT_EQ(contexts.size(), 4u);
  EXPECT_EQ(contexts.at("").git().url(), "https://host/a.git");
  EXPECT_EQ(contexts.at("").git().ref(), "v1");
  EXPECT_EQ(contexts.at("").git().subdirectory(), "sub");
  EXPECT_EQ(contexts.at("b").git().url(), "git://host/b");
  EXPECT_EQ(contexts.at("c").git().ref(), "refs/heads/main");
  EXPECT_EQ(request.spec().source_case(), v1::BuildSpec::SOURCE_NOT_SET);
  EXPECT_FALSE(IsDirectoryContext(flags));
  EXPECT_THAT(DirectoryContexts(flags), IsOkAndHolds(IsEmpty()));
  ASSERT_OK_AND_ASSIGN(std::optional<BuildFile> file, ReadBuildFile(flags, {}));
  EXPECT_FALSE(file.has_value());
  flags.build_contexts = {"b=git://host/b?nonsense=1"};
  EXPECT_THAT(MakeBuildRequest(flags, std::nullopt, FakeEnvironment),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nonsense")));
}

TEST(MakeBuildRequestTest, AFileInTheTarIsNamed) {
  BuildFlags flags;
  flags.context = "-";
  ASSERT_OK_AND_ASSIGN(auto request, MakeBuildRequest(flags, std::nullopt, FakeEnvironment));
  EXPECT_EQ(request.spec().source_case(), v1::BuildSpec::SOURCE_NOT_SET);
  flags.file = "docker/F";
  ASSERT_OK_AND_ASSIGN(request, MakeBuildRequest(flags, std::nullopt, FakeEnvironment));
  EXPECT_EQ(request.spec().dockerfile(), "docker/F");
  flags.file = "docker/ZImagefile.a";
  ASSERT_OK_AND_ASSIGN(request, MakeBuildRequest(flags, std::nullopt, FakeEnvironment));
  EXPECT_EQ(request.spec().zimagefile(), "docker/ZImagefile.a");
  flags.file = "";
  flags.zimagefile = "docker/F";
  ASSERT_OK_AND_ASSIGN(request, MakeBuildRequest(flags, std::nullopt, FakeEnvironment));
  EXPECT_EQ(request.spec().zimagefile(), "docker/F");
}

}  // namespace
}  // namespace zlayer
