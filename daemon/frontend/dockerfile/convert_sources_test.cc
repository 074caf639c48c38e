// Where the files of RUN, COPY and ADD come from, and what a base's triggers do.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/frontend/dockerfile/convert_fixture.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(ConvertTest, RunsTheTriggersOfAnImage) {
  v1::ImageConfig& config = resolver_.Add("trigger");
  config.add_env("PATH=/bin");
  config.add_on_build("ARG V=1");
  config.add_on_build("COPY --from=tools <<E src$V /app\ntext $V\nE");
  const v1::Graph graph =
      GraphOf("FROM busybox AS tools\nRUN 1\n\n# escape=`\nFROM trigger\nENV V=2\n");
  ASSERT_THAT(graph.stages(), SizeIs(2));
  const auto& operations = graph.stages(1).operations();
  ASSERT_THAT(operations, SizeIs(4));
  EXPECT_TRUE(operations[0].config(0).clear_on_build());
  EXPECT_EQ(operations[1].text(), "ONBUILD ARG V=1");
  EXPECT_EQ(operations[1].source().first_line(), 5u);
  EXPECT_EQ(operations[2].created_by(), "COPY src1 <<E /app");
  EXPECT_EQ(operations[2].copy().sources(0).from().stage(), 0u);
  EXPECT_EQ(operations[2].copy().sources(1).from().inline_(), "text 1\n");
  EXPECT_EQ(operations[3].created_by(), "ENV V=2");
  EXPECT_EQ(warnings_.size(), 0u);
}

TEST_F(ConvertTest, TriggersOfAStageRunInItsChildrenOnly) {
  const v1::Graph graph =
      GraphOf("FROM busybox AS a\nONBUILD RUN x\nRUN own\nFROM a AS b\nFROM b\nONBUILD USER u\n");
  ASSERT_THAT(graph.stages(), SizeIs(3));
  EXPECT_EQ(graph.stages(0).operations(1).config(0).add_on_build(), "RUN x");
  EXPECT_EQ(graph.stages(0).operations(1).created_by(), "");
  ASSERT_THAT(graph.stages(1).operations(), SizeIs(2));
  EXPECT_TRUE(graph.stages(1).operations(0).config(0).clear_on_build());
  EXPECT_THAT(graph.stages(1).operations(1).run().argv(), ElementsAre("/bin/sh", "-c", "x"));
  ASSERT_THAT(graph.stages(2).operations(), SizeIs(2));
  EXPECT_THAT(graph.stages(2).operations(0).config(), IsEmpty());
  EXPECT_EQ(graph.stages(2).operations(1).config(0).add_on_build(), "USER u");
}

TEST_F(ConvertTest, TriggersMayNeedFurtherTriggers) {
  resolver_.Add("one").add_on_build("COPY --from=two a b");
  resolver_.Add("two-base").add_on_build("RUN --mount=from=three,target=/x y");
  const v1::Graph graph =
      GraphOf("FROM busybox AS three\nFROM busybox AS unneeded\nFROM two-base AS two\nFROM one\n");
  ASSERT_THAT(graph.stages(), SizeIs(3));
  EXPECT_EQ(graph.stages(2).operations(1).copy().sources(0).from().stage(), 1u);
  EXPECT_EQ(graph.stages(1).operations(1).run().mounts(0).from().stage(), 0u);
}

TEST_F(ConvertTest, RefusesBadTriggers) {
  resolver_.Add("bad").add_on_build("FROM x");
  const absl::Status status = Convert("FROM busybox AS a\nFROM bad").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(StartsWith("Dockerfile:2: the base's ONBUILD trigger"),
                                     HasSubstr("FROM x"))));
  EXPECT_EQ(DetailOf(status).stage(), "1");
  resolver_.Add("later").add_on_build("COPY --from=last a b");
  request_.target = "t";
  EXPECT_THAT(Convert("FROM later AS t\nFROM busybox AS last"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a later stage")));
}

TEST_F(ConvertTest, NamedContextsComeBeforeStagesAndImages) {
  request_.contexts["assets"].set_uploaded("1");
  request_.contexts["build"].set_uploaded("2");
  ASSERT_OK_AND_ASSIGN(const FileGraph converted,
                       Convert("FROM unknown AS build\nFROM scratch\nCOPY --from=assets a /\n"
                               "COPY --from=build b /"));
  ASSERT_EQ(converted.graph.stages_size(), 1);
  EXPECT_EQ(converted.graph.stages(0).operations(1).copy().sources(0).from().context(), "assets");
  EXPECT_EQ(converted.graph.stages(0).operations(2).copy().sources(0).from().context(), "build");
}

TEST_F(ConvertTest, ContextsStandForImagesAndStages) {
  request_.contexts["busybox"].set_image("alpine");
  request_.contexts["src"].mutable_git()->set_url("https://h/r.git");
  request_.contexts["data"].mutable_http()->set_url("https://h/d.tar");
  request_.contexts["local"].set_uploaded("1");
  request_.contexts["nothing"].set_image("scratch");
  const v1::Graph graph = GraphOf(
      "FROM golang AS local\nRUN not run\nFROM docker.io/library/busybox:latest\n"
      "COPY --from=src a /\nCOPY --from=data b /\nCOPY --from=busybox c /\nCOPY --from=0 d /\n"
      "RUN --mount=from=data,target=/x y\n");
  ASSERT_THAT(graph.stages(), SizeIs(3));
  EXPECT_EQ(graph.stages(0).name(), "data");
  const v1::Copy& download = graph.stages(0).operations(1).copy();
  EXPECT_EQ(download.sources(0).from().http().url(), "https://h/d.tar");
  EXPECT_EQ(download.unpack(), v1::Copy::NEVER);
  ASSERT_THAT(graph.stages(1).operations(), SizeIs(2));
  EXPECT_TRUE(graph.stages(1).operations(0).has_scratch());
  EXPECT_EQ(graph.stages(1).operations(1).copy().sources(0).from().context(), "local");
  const auto& operations = graph.stages(2).operations();
  EXPECT_EQ(operations[0].image().digest(), "sha256:alpine");
  EXPECT_EQ(operations[1].copy().sources(0).from().git().url(), "https://h/r.git");
  EXPECT_EQ(operations[2].copy().sources(0).from().stage(), 0u);
  EXPECT_EQ(operations[3].copy().sources(0).from().image().digest(), "sha256:alpine");
  EXPECT_EQ(operations[4].copy().sources(0).from().stage(), 1u);
  EXPECT_EQ(operations[5].run().mounts(0).from().stage(), 0u);
  EXPECT_TRUE(GraphOf("FROM nothing\n").stages(0).operations(0).has_scratch());
  EXPECT_EQ(GraphOf("FROM data\n").stages(1).operations(1).copy().sources(0).from().stage(), 0u);
  EXPECT_TRUE(GraphOf("FROM src\n").stages(0).operations(1).copy().sources(0).from().has_git());
}

TEST_F(ConvertTest, RefusesBadCopies) {
  const std::pair<const char*, const char*> cases[] = {
      {"COPY --from=base2 a b\nFROM busybox AS base2", "a later stage"},
      {"COPY --from=base a b", "the stage itself"},
      {"COPY --from=7 a b", "not a stage"},
      {"COPY --from=$X a b", "not expanded in --from"},
      {"COPY --from=scratch a b", "no files"},
      {"COPY --chmod=999 a b", "--chmod"},
      {"COPY [a b", "malformed"},
      {"COPY https://x/y b", "not the URL"},
      {"COPY ${a b", "cannot expand"},
  };
  for (const auto& [text, message] : cases) {
    request_.target = "base";
    const absl::Status status = Refusal(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith("Dockerfile:2: "), HasSubstr(message))))
        << text;
    EXPECT_EQ(DetailOf(status).stage(), "base");
  }
}

TEST_F(ConvertTest, AddsDownloads) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const v1::Operation add =
      Last("ENV V=1 D=" + digest + "\nADD --checksum=$D --chmod=600 https://h/a-$V.tgz?x=1 /d/");
  const v1::Copy& copy = add.copy();
  EXPECT_EQ(copy.sources(0).from().http().url(), "https://h/a-1.tgz?x=1");
  EXPECT_EQ(copy.sources(0).from().http().checksum(), digest);
  EXPECT_EQ(copy.sources(0).path(), "a-1.tgz");
  EXPECT_EQ(copy.unpack(), v1::Copy::LOCAL_ARCHIVES);
  EXPECT_EQ(add.created_by(), "ADD --chmod=600 https://h/a-1.tgz?x=1 /d/");
  EXPECT_EQ(Last("ADD --unpack https://h/a /d/").copy().unpack(), v1::Copy::ALL_ARCHIVES);
  EXPECT_EQ(Last("ADD --unpack=false a.tar /d/").copy().unpack(), v1::Copy::NEVER);
  EXPECT_THAT(Last("ADD http://h/ x /d/").copy().sources(), SizeIs(2));
}

TEST_F(ConvertTest, AddsRepositories) {
  const v1::Copy copy =
      Last("ADD --keep-git-dir=true --link git@h:a/b.git?branch=x&subdir=y https://h/z.git#v:s /d")
          .copy();
  EXPECT_EQ(copy.sources(0).path(), "/");
  EXPECT_EQ(copy.sources(0).from().git().url(), "git@h:a/b.git");
  EXPECT_EQ(copy.sources(0).from().git().ref(), "refs/heads/x");
  EXPECT_EQ(copy.sources(0).from().git().subdirectory(), "y");
  EXPECT_TRUE(copy.sources(0).from().git().keep_git_directory());
  EXPECT_EQ(copy.sources(1).from().git().ref(), "v");
  EXPECT_TRUE(copy.link());
  const v1::GitInput git =
      Last("ADD --checksum=abc git://h/x?keep-git-dir=true#main /d").copy().sources(0).from().git();
  EXPECT_EQ(git.checksum(), "abc");
  EXPECT_EQ(git.ref(), "main");
  EXPECT_TRUE(git.keep_git_directory());
}

TEST_F(ConvertTest, RefusesBadAdds) {
  const std::pair<const char*, const char*> cases[] = {
      {"COPY git@h:x /d", "not the URL"},
      {"ADD --checksum=sha256:1 https://h/x /d", "64 hexadecimal"},
      {"ADD --checksum=sha256:1 file /d", "of a download"},
      {"ADD --checksum=sha256:1 https://h/x https://h/y /d", "exactly one"},
      {"ADD --keep-git-dir=false git://h/x?keep-git-dir=true /d", "contradict"},
      {"ADD --checksum=a git://h/x?checksum=b /d", "contradict"},
      {"ADD git://h/x?a=b /d", "is unknown"},
      {"COPY <<a/b /d/\nx\na/b", "name must be one of a file"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(Refusal(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

TEST_F(ConvertTest, CopiesHeredocs) {
  const v1::Operation copy =
      Last("ENV A=1\nCOPY <<one f <<-'two' /d/\n\"$A\" \\$A ${B:-b} it's\none\n\t$A\n\ttwo\n");
  ASSERT_THAT(copy.copy().sources(), SizeIs(3));
  EXPECT_EQ(copy.copy().sources(0).path(), "f");
  EXPECT_EQ(copy.copy().sources(1).path(), "one");
  EXPECT_EQ(copy.copy().sources(1).from().inline_(), "\"1\" $A b it's\n");
  EXPECT_EQ(copy.copy().sources(2).from().inline_(), "$A\n");
  EXPECT_EQ(copy.created_by(), "COPY f <<one <<two /d/");
}

TEST_F(ConvertTest, CopyFlagsReachTheGraph) {
  const v1::Operation copy =
      Last("COPY --parents --link --exclude=*.o --exclude=!a.o ./x/./y*/z /d/");
  EXPECT_TRUE(copy.copy().parents());
  EXPECT_TRUE(copy.copy().link());
  EXPECT_THAT(copy.copy().exclude(), ElementsAre("*.o", "!a.o"));
  EXPECT_EQ(copy.copy().sources(0).path(), "./x/./y*/z");
  EXPECT_EQ(copy.created_by(), "COPY --parents ./x/./y*/z /d/");
  EXPECT_FALSE(Last("COPY --link --chmod=700 a /d/").copy().link());
}

TEST_F(ConvertTest, RunsHeredocs) {
  const auto command = [this](const std::string& text) { return Last(text).run().argv(2); };
  EXPECT_EQ(command("RUN <<EOF\necho $A\n\tb\nEOF\n"), "echo $A\n\tb\n");
  EXPECT_EQ(command("RUN <<-EOF\n\techo\n\tEOF\n"), "echo\n");
  EXPECT_EQ(command("RUN python3 <<EOF 3<<-'B'\n\tx\nEOF\n\ty\n\tB\n"),
            "python3 <<EOF 3<<-'B'\n\tx\nEOF\n\ty\nB");
  const v1::Operation script = Last("RUN --network=none <<run\n#!/bin/x\nabc\nrun\n");
  EXPECT_THAT(script.run().argv(), ElementsAre("/bin/sh", "-c", "/dev/pipes/run"));
  ASSERT_THAT(script.run().mounts(), SizeIs(1));
  const v1::Mount& mount = script.run().mounts(0);
  EXPECT_EQ(mount.target(), "/dev/pipes/run");
  EXPECT_EQ(mount.from().inline_(), "#!/bin/x\nabc\n");
  EXPECT_EQ(mount.source(), "run");
  EXPECT_EQ(mount.mode(), 0755u);
  EXPECT_TRUE(mount.read_only());
}

TEST_F(ConvertTest, RunsWithMounts) {
  request_.build_args["BUILDKIT_CACHE_MOUNT_NS"] = "ns";
  request_.build_args["BUILDKIT_SANDBOX_HOSTNAME"] = "box";
  const v1::Run run = Last(
                          "WORKDIR /w\nARG D=cache\nRUN --mount=source=a,target=b "
                          "--mount=type=cache,target=/$D/x/,uid=7,sharing=locked "
                          "--mount=type=cache,target=/c,id=$D,from=golang,source=seed,mode=0700 "
                          "--mount=type=tmpfs,target=/t,size=1k --security=insecure x")
                          .run();
  ASSERT_THAT(run.mounts(), SizeIs(4));
  EXPECT_EQ(run.mounts(0).target(), "/w/b");
  EXPECT_EQ(run.mounts(0).source(), "/a");
  EXPECT_EQ(run.mounts(0).from().context(), "");
  EXPECT_TRUE(run.mounts(0).from().has_context());
  EXPECT_TRUE(run.mounts(0).read_only());
  EXPECT_EQ(run.mounts(1).target(), "/cache/x");
  EXPECT_EQ(run.mounts(1).id(), "ns//cache/x");
  EXPECT_EQ(run.mounts(1).uid(), 7u);
  EXPECT_FALSE(run.mounts(1).has_mode());
  EXPECT_FALSE(run.mounts(1).has_from());
  EXPECT_EQ(run.mounts(1).sharing(), v1::Mount::LOCKED);
  EXPECT_EQ(run.mounts(2).id(), "ns/cache");
  EXPECT_EQ(run.mounts(2).from().image().digest(), "sha256:golang");
  EXPECT_EQ(run.mounts(2).source(), "/seed");
  EXPECT_EQ(run.mounts(3).size_bytes(), 1024u);
  EXPECT_EQ(run.security(), v1::SECURITY_INSECURE);
  EXPECT_EQ(run.hostname(), "box");
}

TEST_F(ConvertTest, RefusesMountsAndDevices) {
  const std::pair<const char*, const char*> refused[] = {
      {"RUN --mount=type=secret,id=a x", "--mount=type=secret"},
      {"RUN --mount=type=ssh x", "--mount=type=ssh"},
      {"RUN --device=a/b=c x", "--device=a/b=c"},
  };
  for (const auto& [text, message] : refused) {
    EXPECT_THAT(Refusal(text), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(message)));
  }
  const std::pair<const char*, const char*> bad[] = {
      {"RUN --mount=type=bind x", "over which nothing"},
      {"RUN --mount=target=/x,from=last y\nFROM busybox AS last", "a later stage"},
      {"RUN --mount=target=/x,from=scratch y", "no files"},
      {"ENV T=nothing\nRUN --mount=type=$T,target=/x y", "there is no type"},
  };
  request_.target = "base";
  for (const auto& [text, message] : bad) {
    EXPECT_THAT(Refusal(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  EXPECT_THAT(Refusal("RUN --mount=type=cache,target=/" + std::string(300, 'x') + " y"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id of a cache")));
  request_.build_args["BUILDKIT_SANDBOX_HOSTNAME"] = std::string(65, 'x');
  EXPECT_THAT(Refusal("RUN x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
