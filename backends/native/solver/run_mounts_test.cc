#include "backends/native/solver/run_mounts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/native/solver/earlier_files.h"
#include "backends/native/testing/store_fixture.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Kind = ContainerMount::Kind;

// A context "" and a stage 0, below a root filesystem that has little.
class RunMountsTest : public StoreTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    StoreTest::SetUp();
    root_ = Files({Dir("srv", 0700), Link("alias", "srv"), File("file", "f")});
    context_ = Files({Owned(Dir("src", 0750), 5, 6), Owned(File("src/a.c", "a"), 5, 6),
                      File("top", "t"), Link("link", "src")});
    stage_ = Files({Dir("out"), File("out/bin", "b"), File("other", "o")});
  }

  absl::StatusOr<RunMounts> Open(const std::string& mounts) {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(mounts, &run_));
    return RunMounts::Open(run_, root_.view,
                           [this](const v1::Mount& mount) -> absl::StatusOr<Filesystem> {
                             return mount.from().has_stage() ? stage_ : context_;
                           });
  }

  std::vector<ContainerMount> Prepare(RunMounts* mounts) {
    auto prepared = mounts->Prepare(&store_->layers(),
                                    [this](const LayerIndex&, std::string_view index) {
                                      return store_->layers().Add(index, "");
                                    },
                                    {});
    EXPECT_OK(prepared);
    if (prepared.ok()) {
      EXPECT_OK(
          mounts->TakeCaches(&store_->cache_mounts(), {.name_space = "default"}, {}, &*prepared));
    }
    return prepared.ok() ? *std::move(prepared) : std::vector<ContainerMount>();
  }

  std::string InTree(const ContainerMount& mount, const std::string& path) {
    auto content = ReadFile(
        fmt::format("{}/{}/{}", store_->layers().trees_directory(), mount.lower.at(0), path));
    return content.ok() ? *content : content.status().ToString();
  }

  Digest Content(const std::string& mounts) {
    run_.Clear();
    auto opened = Open(mounts);
    EXPECT_OK(opened);
    return opened.ok() ? opened->Keys().at(0).content : Digest();
  }

  v1::Run run_;
  Filesystem root_;
  Filesystem context_;
  Filesystem stage_;
};

TEST_F(RunMountsTest, FilesHaveTheirSourcesNamesAndCanBeSelectedAgain) {
  ASSERT_OK_AND_ASSIGN(const RunMounts mounts, Open(R"(
    mounts { target: "/1" from { context: "" } source: "/src" }
    mounts { target: "/2" from { context: "" } source: "src/a.c" }
    mounts { target: "/3" from { stage: 0 } source: "/out" }
    mounts { type: CACHE target: "/4" id: "c" from { stage: 0 } source: "/out" })"));
  std::vector<std::string> names;
  for (const StepPart& part : mounts.Parts()) {
    if (part.files == nullptr) {
      continue;
    }
    names.push_back(part.names("") + " " + part.names("x"));
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const LayerIndex> again,
                         FindEarlierFiles(*store_, {}, part.files->ContentDigest(), part.origin));
    EXPECT_EQ(again->id(), part.files->id()) << part.name;
  }
  EXPECT_THAT(names, ElementsAre("src src/x", "src/a.c src/a.c", "/out /out/x", "/out /out/x"));
}

TEST_F(RunMountsTest, FilesOfLayersThatAreGoneAreNotFound) {
  ASSERT_OK_AND_ASSIGN(const RunMounts mounts, Open(R"(
    mounts { target: "/m" from { stage: 0 } source: "/out" })"));
  StepPart part = mounts.Parts().back();
  part.origin.layers[0] = Digest::Of("gone");
  EXPECT_THAT(FindEarlierFiles(*store_, {}, part.files->ContentDigest(), part.origin),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RunMountsTest, OfAContextOnlyWhatIsSelectedGetsATree) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts, Open(R"(
    mounts { target: "/m" from { context: "" } source: "/link" read_only: true })"));
  EXPECT_THAT(mounts.MountPoints(), ElementsAre("m/"));
  const auto prepared = Prepare(&mounts);
  ASSERT_EQ(prepared.size(), 1u);
  EXPECT_EQ(prepared[0].kind, Kind::kTrees);
  EXPECT_EQ(prepared[0].target, "/m");
  EXPECT_TRUE(prepared[0].read_only);
  EXPECT_EQ(prepared[0].source, "");
  EXPECT_EQ(InTree(prepared[0], "a.c"), "a");
  EXPECT_THAT(InTree(prepared[0], "top"), HasSubstr("NOT_FOUND"));
  struct stat status;
  const std::string tree =
      fmt::format("{}/{}", store_->layers().trees_directory(), prepared[0].lower[0]);
  ASSERT_EQ(stat(tree.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750u);
  EXPECT_EQ(status.st_uid, 0u);
}

TEST_F(RunMountsTest, AFileOfAContext) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts,
                       Open(R"(mounts { target: "/m" from { context: "" } source: "top" })"));
  EXPECT_THAT(mounts.MountPoints(), ElementsAre("m"));
  const auto prepared = Prepare(&mounts);
  EXPECT_EQ(prepared.at(0).source, "file");
  EXPECT_EQ(InTree(prepared.at(0), "file"), "t");
}

TEST_F(RunMountsTest, AStageIsMountedByItsLayers) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts,
                       Open(R"(mounts { target: "/m" from { stage: 0 } source: "out/bin" })"));
  const auto prepared = Prepare(&mounts);
  EXPECT_EQ(prepared.at(0).source, "out/bin");
  EXPECT_FALSE(prepared.at(0).read_only);
  EXPECT_EQ(InTree(prepared.at(0), "other"), "o");
}

TEST_F(RunMountsTest, TheKeyIsTheContentThatIsMounted) {
  const Digest source = Content(R"(mounts { target: "/m" from { context: "" } source: "src" })");
  EXPECT_EQ(source, Content(R"(mounts { target: "/m" from { context: "" } source: "link" })"));
  context_ = Files({Owned(Dir("src", 0750), 9, 9), File("src/a.c", "a"), File("top", "changed")});
  EXPECT_EQ(source, Content(R"(mounts { target: "/m" from { context: "" } source: "src" })"));
  context_ = Files({Dir("src", 0750), File("src/a.c", "changed")});
  EXPECT_NE(source, Content(R"(mounts { target: "/m" from { context: "" } source: "src" })"));
  const Digest out = Content(R"(mounts { target: "/m" from { stage: 0 } source: "out" })");
  stage_ = Files({Dir("out"), Owned(File("out/bin", "b"), 1, 1)});
  EXPECT_NE(out, Content(R"(mounts { target: "/m" from { stage: 0 } source: "out" })"));
}

TEST_F(RunMountsTest, TargetsFollowLinksAndCoverEachOtherInOrder) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts, Open(R"(
    mounts { type: TMPFS target: "/alias/deep/x" }
    mounts { type: TMPFS target: "/srv/deep" size_bytes: 7 }
    mounts { type: TMPFS target: "/alias" }
    mounts { type: TMPFS target: "/dev/shm" }
    mounts { from { context: "" } source: "top" target: "/file" })"));
  EXPECT_THAT(mounts.MountPoints(), ElementsAre("file", "srv/"));
  const auto prepared = Prepare(&mounts);
  std::vector<std::string> targets;
  for (const ContainerMount& mount : prepared) {
    targets.push_back(mount.target);
  }
  EXPECT_THAT(targets, ElementsAre("/dev/shm", "/file", "/srv", "/srv/deep", "/srv/deep/x"));
  EXPECT_EQ(prepared[2].mode, 0700u);
  EXPECT_EQ(prepared[3].size_bytes, 7u);
  EXPECT_EQ(prepared[3].mode, std::nullopt);
}

TEST_F(RunMountsTest, ACacheIsEmptyWithItsModeAndOwner) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts, Open(R"(
    mounts { type: CACHE id: "a" target: "/a" }
    mounts { type: CACHE id: "b" target: "/b" mode: 448 uid: 3 gid: 4 read_only: true })"));
  const auto prepared = Prepare(&mounts);
  struct stat status;
  ASSERT_EQ(stat(prepared.at(0).source.c_str(), &status), 0);
  EXPECT_EQ(prepared[0].kind, Kind::kDirectory);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
  EXPECT_EQ(status.st_uid, 0u);
  ASSERT_EQ(stat(prepared.at(1).source.c_str(), &status), 0);
  EXPECT_TRUE(prepared[1].read_only);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  EXPECT_EQ(status.st_uid, 3u);
  EXPECT_EQ(status.st_gid, 4u);
}

TEST_F(RunMountsTest, ACacheBeginsWithWhatItIsFrom) {
  const std::string text =
      R"(mounts { type: CACHE id: "a" target: "/a" from { stage: 0 } source: "out" })";
  std::string path;
  {
    ASSERT_OK_AND_ASSIGN(RunMounts mounts, Open(text));
    path = Prepare(&mounts).at(0).source;
    EXPECT_THAT(ReadFile(path + "/bin"), IsOkAndHolds("b"));
    ASSERT_OK(RemoveTree(path + "/bin"));
  }
  ASSERT_OK_AND_ASSIGN(RunMounts again, Open(text));
  EXPECT_EQ(Prepare(&again).at(0).source, path);
  EXPECT_FALSE(ReadFile(path + "/bin").ok());
  run_.Clear();
  EXPECT_THAT(Open(R"(mounts { type: CACHE id: "a" target: "/a" from { stage: 0 }
                               source: "other" })"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a directory")));
}

TEST_F(RunMountsTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(Open(R"(mounts { target: "/m" from { context: "" } source: "nope" })"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nope")));
  run_.Clear();
  root_ = Files({Link("r", "/")});
  EXPECT_THAT(Open(R"(mounts { type: TMPFS target: "/r" })"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/r")));
}

TEST_F(RunMountsTest, SecretsThatNobodyGaveAreNotThere) {
  ASSERT_OK_AND_ASSIGN(RunMounts mounts,
                       Open(R"(mounts { type: SECRET id: "s" target: "/run/secrets/s" })"));
  EXPECT_THAT(Prepare(&mounts), IsEmpty());
  EXPECT_THAT(mounts.MountPoints(), IsEmpty());
}

TEST_F(RunMountsTest, HardLinksOfWhatIsSelectedStay) {
  Entry link = FileEntry("d/z", "same");
  link.hard_link = "d/a";
  Entry outside = FileEntry("e/y", "same");
  outside.hard_link = "d/a";
  const Filesystem files =
      Files({Dir("d"), File("d/a", "same"), {link, "same"}, Dir("e"), {outside, "same"}});
  ASSERT_OK_AND_ASSIGN(std::string bytes, SelectTree(files.view, "d", false));
  ASSERT_OK_AND_ASSIGN(auto index, LayerIndex::FromBytes(std::move(bytes)));
  EXPECT_EQ(index->At(index->Find("z")).hard_link, "a");
  ASSERT_OK_AND_ASSIGN(bytes, SelectTree(files.view, "e", false));
  ASSERT_OK_AND_ASSIGN(index, LayerIndex::FromBytes(std::move(bytes)));
  EXPECT_EQ(index->At(index->Find("y")).hard_link, "");
}

}  // namespace
}  // namespace zlayer
