#include "backends/native/file/layer_draft.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/file/unpacked_archives.h"
#include "backends/native/testing/store_fixture.h"
#include "base/tar_writer.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kNow = 1'700'000'000'000'000'000;

class LayerDraftTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    base_ = Files({Dir("bin"), File("bin/sh", "sh"), Dir("srv", 0700), Link("opt", "srv"),
                   File("file", "old"), Dir("tmp", 01777)});
    context_ = Files({Owned(File("a.txt", "a"), 5, 6), File("b.txt", "b", 0600), Dir("dir", 0711),
                      Dir("dir/sub"), File("dir/sub/x", "x"), Link("dir/link", "sub/x"),
                      Link("to-dir", "dir")});
  }

  // Copies from the context and returns the finished layer's entries, one line each.
  std::vector<std::string> Copy(const std::vector<std::string>& patterns, CopyOptions options,
                                bool reset_owner = true) {
    LayerDraft draft(&base_, kNow);
    EXPECT_OK(draft.Copy(Sources(patterns, reset_owner), options));
    return Finish(draft);
  }

  absl::Status CopyStatus(const std::vector<std::string>& patterns, const std::string& to) {
    LayerDraft draft(&base_, kNow);
    return draft.Copy(Sources(patterns, true), {.destination = to});
  }

  std::vector<CopySource> Sources(const std::vector<std::string>& patterns, bool reset_owner) {
    std::vector<CopySource> sources;
    for (const std::string& pattern : patterns) {
      sources.push_back({.from = &context_, .pattern = pattern, .reset_owner = reset_owner});
    }
    return sources;
  }

  std::vector<std::string> Finish(LayerDraft& draft) {
    auto bytes = draft.Finish(&store_->contents(), {});
    EXPECT_OK(bytes);
    if (!bytes.ok()) {
      return {};
    }
    auto layer = store_->layers().Add(*bytes, "");
    EXPECT_OK(layer);
    std::vector<std::string> lines;
    for (const Entry& entry : EntriesOf(**layer)) {
      lines.push_back(fmt::format("{} {} {:o} {}:{}{}", "fdl???"[static_cast<int>(entry.type)],
                                  entry.path, entry.mode, entry.uid, entry.gid,
                                  entry.implied_parent ? " implied" : ""));
      if (entry.type == EntryType::kFile) {
        EXPECT_OK(store_->contents().Open(entry.content)) << entry.path;
      }
    }
    return lines;
  }

  Filesystem base_;
  Filesystem context_;
};

// Names of paths after a copy from a context.
class NamesTest : public LayerDraftTest {
 protected:
  void SetUp() override {
    LayerDraftTest::SetUp();
    input_.set_context("");
  }

  std::vector<std::string> Names(const std::vector<std::string>& patterns,
                                 const std::string& destination,
                                 const std::vector<std::string>& paths) {
    LayerDraft draft(&base_, kNow);
    std::vector<CopySource> sources = Sources(patterns, true);
    for (CopySource& source : sources) {
      source.input = &input_;
    }
    EXPECT_OK(draft.Copy(sources, {.destination = destination}));
    std::vector<std::string> names;
    for (const std::string& path : paths) {
      names.push_back(draft.NameOf(path));
    }
    return names;
  }

  v1::Input input_;
};

TEST_F(NamesTest, AreThoseOfTheSources) {
  EXPECT_THAT(Names({"a.txt"}, "/srv/new", {"srv/new", "srv"}), ElementsAre("a.txt", "/srv"));
  EXPECT_THAT(Names({"dir"}, "/app", {"app", "app/sub/x"}), ElementsAre("/app", "dir/sub/x"));
  EXPECT_THAT(Names({"."}, "/", {"dir/link", "a.txt"}), ElementsAre("dir/link", "a.txt"));
  EXPECT_THAT(Names({"a.txt", "dir"}, "/srv/", {"srv/a.txt", "srv/sub/x"}),
              ElementsAre("a.txt", "dir/sub/x"));
}

TEST_F(NamesTest, OfWhatIsGoneToo) {
  EXPECT_THAT(Names({"dir"}, "/app", {"app/gone/y"}), ElementsAre("dir/gone/y"));
  EXPECT_THAT(Names({"dir/sub/*"}, "/app/", {"app/gone"}), ElementsAre("dir/sub/gone"));
}

TEST_F(NamesTest, AnInlineFileHasItsPlaceInTheImage) {
  const std::string content = "a";
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(draft.Copy({{.pattern = "EOF", .inline_file = &content}}, {.destination = "/new"}));
  EXPECT_EQ(draft.NameOf("new"), "/new");
}

TEST_F(LayerDraftTest, AFileToAName) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/new"}), ElementsAre("f new 644 0:0"));
}

TEST_F(LayerDraftTest, AFileIntoADirectoryThatIsThere) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/srv"}),
              ElementsAre("d srv 700 0:0 implied", "f srv/a.txt 644 0:0"));
}

TEST_F(LayerDraftTest, AFinalSlashMakesADirectory) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/x/y/", .owner = Owner{7, 8}}),
              ElementsAre("d x 755 7:8", "d x/y 755 7:8", "f x/y/a.txt 644 7:8"));
}

TEST_F(LayerDraftTest, SeveralFilesGoIntoADirectory) {
  EXPECT_THAT(Copy({"*.txt"}, {.destination = "/many"}),
              ElementsAre("d many 755 0:0", "f many/a.txt 644 0:0", "f many/b.txt 600 0:0"));
}

TEST_F(LayerDraftTest, OfADirectoryTheContentIsCopied) {
  EXPECT_THAT(Copy({"dir"}, {.destination = "/srv"}),
              ElementsAre("d srv 700 0:0 implied", "l srv/link 777 0:0", "d srv/sub 755 0:0",
                          "f srv/sub/x 644 0:0"));
}

TEST_F(LayerDraftTest, WhatADirectoryIsCopiedToIsADirectoryOfItsOwn) {
  EXPECT_THAT(Copy({"dir"}, {.destination = "/new"}),
              ElementsAre("d new 755 0:0", "l new/link 777 0:0", "d new/sub 755 0:0",
                          "f new/sub/x 644 0:0"));
}

TEST_F(LayerDraftTest, TheDestinationsLinksAreFollowed) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/opt/"}),
              ElementsAre("d srv 700 0:0 implied", "f srv/a.txt 644 0:0"));
}

TEST_F(LayerDraftTest, TheSourcesLinksAreFollowed) {
  EXPECT_THAT(Copy({"to-dir/sub"}, {.destination = "/s"}),
              ElementsAre("d s 755 0:0", "f s/x 644 0:0"));
}

TEST_F(LayerDraftTest, OwnersAreKeptFromStages) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/new"}, /*reset_owner=*/false),
              ElementsAre("f new 644 5:6"));
}

TEST_F(LayerDraftTest, ModesChangeForAllButLinks) {
  EXPECT_THAT(
      Copy({"dir"}, {.destination = "/n", .mode = "go="}),
      ElementsAre("d n 755 0:0", "l n/link 777 0:0", "d n/sub 700 0:0", "f n/sub/x 600 0:0"));
}

TEST_F(LayerDraftTest, AFileReplacesAFile) {
  EXPECT_THAT(Copy({"a.txt"}, {.destination = "/file"}), ElementsAre("f file 644 0:0"));
}

TEST_F(LayerDraftTest, InlineFiles) {
  const std::string content = "#!/bin/sh\n";
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(draft.Copy({{.pattern = "run.sh", .inline_file = &content}},
                       {.destination = "/bin/", .mode = "755"}));
  EXPECT_THAT(Finish(draft), ElementsAre("d bin 755 0:0 implied", "f bin/run.sh 755 0:0"));
}

TEST_F(LayerDraftTest, WildcardsThatMatchNothingMakeNothing) {
  EXPECT_THAT(Copy({"*.none"}, {.destination = "/made/"}), IsEmpty());
}

// `--parents` with one pattern.
class ParentsTest : public LayerDraftTest {
 protected:
  void SetUp() override {
    LayerDraftTest::SetUp();
    context_ =
        Files({Owned(Dir("a", 0700), 5, 6), Dir("a/b", 0750), File("a/b/x.c", "x"),
               File("a/b/y.h", "y"), Dir("a/b2"), File("a/b2/z.c", "z"), File("top.c", "t")});
  }

  std::vector<std::string> CopyParents(const std::string& pattern, CopyOptions options) {
    LayerDraft draft(&base_, kNow);
    std::vector<CopySource> sources = Sources({pattern}, true);
    sources[0].parents = true;
    EXPECT_OK(draft.Copy(sources, options));
    return Finish(draft);
  }
};

TEST_F(ParentsTest, KeepParentDirectoriesWithTheirMetadata) {
  EXPECT_THAT(
      CopyParents("a/b/x.c", {.destination = "/o/"}),
      ElementsAre("d o 755 0:0", "d o/a 700 0:0", "d o/a/b 750 0:0", "f o/a/b/x.c 644 0:0"));
  EXPECT_THAT(CopyParents("./a/b2", {.destination = "/", .owner = Owner{7, 8}}),
              ElementsAre("d a 700 7:8", "d a/b2 755 7:8", "f a/b2/z.c 644 7:8"));
}

TEST_F(ParentsTest, BeginBehindThePivot) {
  EXPECT_THAT(CopyParents("a/./b/x.c", {.destination = "/o/"}),
              ElementsAre("d o 755 0:0", "d o/b 750 0:0", "f o/b/x.c 644 0:0"));
  EXPECT_THAT(CopyParents("/a/./b/./x.c", {.destination = "/o/"}),
              ElementsAre("d o 755 0:0", "d o/b 750 0:0", "f o/b/x.c 644 0:0"));
  EXPECT_THAT(CopyParents("a/b*/./*.c", {.destination = "/o/"}),
              ElementsAre("d o 755 0:0", "f o/x.c 644 0:0", "f o/z.c 644 0:0"));
}

TEST_F(ParentsTest, TakeDoubleStars) {
  EXPECT_THAT(CopyParents("**/*.c", {.destination = "/o"}),
              ElementsAre("d o 755 0:0", "d o/a 700 0:0", "d o/a/b 750 0:0", "f o/a/b/x.c 644 0:0",
                          "d o/a/b2 755 0:0", "f o/a/b2/z.c 644 0:0", "f o/top.c 644 0:0"));
}

TEST_F(ParentsTest, MayMatchNothingWithAWildcardOnly) {
  EXPECT_THAT(CopyParents("a/none*", {.destination = "/o/"}), ElementsAre("d o 755 0:0"));
  LayerDraft draft(&base_, kNow);
  std::vector<CopySource> sources = Sources({"a/none"}, true);
  sources[0].parents = true;
  EXPECT_THAT(draft.Copy(sources, {.destination = "/o/"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/a/none")));
}

TEST_F(ParentsTest, GiveADirectoryThatIsThereTheirModeOnly) {
  base_ = Files({Owned(Dir("a", 0755), 1, 2), Owned(Dir("a/b", 0750), 1, 2)});
  EXPECT_THAT(CopyParents("a/b/x.c", {.destination = "/"}),
              ElementsAre("d a 700 1:2", "d a/b 750 1:2 implied", "f a/b/x.c 644 0:0"));
}

TEST_F(ParentsTest, HeedExcludes) {
  CopyOptions options{.destination = "/o/"};
  ASSERT_OK_AND_ASSIGN(options.exclude,
                       ExcludePatterns::Parse(std::vector<std::string>{"a/b", "!a/b/y.h"}));
  EXPECT_THAT(CopyParents("a", options),
              ElementsAre("d o 755 0:0", "d o/a 700 0:0", "d o/a/b 750 0:0", "f o/a/b/y.h 644 0:0",
                          "d o/a/b2 755 0:0", "f o/a/b2/z.c 644 0:0"));
}

TEST_F(LayerDraftTest, ExcludesAreRelativeToEachDirectoryThatIsCopied) {
  CopyOptions options{.destination = "/n/"};
  ASSERT_OK_AND_ASSIGN(options.exclude,
                       ExcludePatterns::Parse(std::vector<std::string>{"sub", "*.txt"}));
  EXPECT_THAT(Copy({"dir"}, options), ElementsAre("d n 755 0:0", "l n/link 777 0:0"));
  EXPECT_THAT(Copy({"/"}, options),
              ElementsAre("d n 755 0:0", "d n/dir 711 0:0", "l n/dir/link 777 0:0",
                          "d n/dir/sub 755 0:0", "f n/dir/sub/x 644 0:0", "l n/to-dir 777 0:0"));
  // BuildKit's excludes do not reach a file that is a source itself.
  EXPECT_THAT(Copy({"a.txt"}, options), ElementsAre("d n 755 0:0", "f n/a.txt 644 0:0"));
}

TEST_F(LayerDraftTest, WhatDoesNotFitIsRefusedByName) {
  EXPECT_THAT(CopyStatus({"nothing"}, "/x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nothing")));
  EXPECT_THAT(CopyStatus({"dir"}, "/file"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/file")));
  EXPECT_THAT(CopyStatus({"a.txt"}, "/file/"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(CopyStatus({"a.txt"}, "/file/x").ok());
}

TEST_F(LayerDraftTest, NeitherKindReplacesTheOtherWithinATree) {
  base_ = Files({Dir("d"), File("d/sub", "a file"), Dir("e"), Dir("e/link")});
  EXPECT_THAT(CopyStatus({"dir"}, "/d"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/d/sub")));
  EXPECT_THAT(CopyStatus({"dir"}, "/e"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/e/link")));
}

TEST_F(LayerDraftTest, HardLinksStayLinksOfOneFile) {
  Entry link = FileEntry("z", "same");
  link.hard_link = "a";
  context_ = Files({File("a", "same"), {link, "same"}, File("b", "same")});
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(draft.Copy(Sources({"/"}, true), {.destination = "/t/"}));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, draft.Finish(&store_->contents(), {}));
  ASSERT_OK_AND_ASSIGN(const LayerRef layer, store_->layers().Add(bytes, ""));
  EXPECT_EQ(layer->At(layer->Find("t/a")).hard_link, "");
  EXPECT_EQ(layer->At(layer->Find("t/b")).hard_link, "");
  EXPECT_EQ(layer->At(layer->Find("t/z")).hard_link, "t/a");
}

// A file that another source replaces lives on under its other names.
TEST_F(LayerDraftTest, AReplacedFileKeepsItsOtherNames) {
  Entry link = FileEntry("d1/b", "one");
  link.hard_link = "d1/a";
  context_ = Files({Dir("d1"),
                    File("d1/a", "one"),
                    {link, "one"},
                    Dir("d2"),
                    File("d2/a", "two"),
                    Dir("d3"),
                    File("d3/a", "one", 0777),
                    Dir("d4"),
                    Link("d4/a", "x")});
  const auto b = [&](const std::string& other) {
    LayerDraft draft(&base_, kNow);
    EXPECT_OK(draft.Copy(Sources({"d1", other}, true), {.destination = "/c/"}));
    const absl::StatusOr<std::string> bytes = draft.Finish(&store_->contents(), {});
    EXPECT_OK(bytes);
    const absl::StatusOr<LayerRef> layer = store_->layers().Add(bytes.value_or(""), "");
    EXPECT_OK(layer);
    return layer.ok() ? (*layer)->At((*layer)->Find("c/b")) : Entry();
  };
  for (const char* other : {"d2", "d3", "d4"}) {
    const Entry kept = b(other);
    EXPECT_EQ(kept.content, Digest::Of("one")) << other;
    EXPECT_EQ(kept.mode, 0644u) << other;
    EXPECT_EQ(kept.hard_link, "") << other;
  }
}

TEST_F(LayerDraftTest, TheSameCopyMakesTheSameContentDigestWheneverItRuns) {
  LayerDraft first(&base_, kNow);
  LayerDraft second(&base_, kNow + 1'000'000'000);
  std::vector<Digest> digests;
  for (LayerDraft* draft : {&first, &second}) {
    ASSERT_OK(draft->Copy(Sources({"dir"}, true), {.destination = "/made/here/"}));
    ASSERT_OK_AND_ASSIGN(std::string bytes, draft->Serialize());
    ASSERT_OK_AND_ASSIGN(const auto index, LayerIndex::FromBytes(std::move(bytes)));
    digests.push_back(index->ContentDigest());
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST_F(LayerDraftTest, MakeDirectoryMakesWhatIsMissing) {
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(draft.MakeDirectory("/opt/a/b", 0750, Owner{1, 2}));
  EXPECT_THAT(Finish(draft),
              ElementsAre("d srv 700 0:0 implied", "d srv/a 750 1:2", "d srv/a/b 750 1:2"));
}

TEST_F(LayerDraftTest, MakeDirectoryOfWhatIsThereChangesNothing) {
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(draft.MakeDirectory("/tmp", 0, Owner()));
  EXPECT_THAT(Finish(draft), IsEmpty());
  EXPECT_THAT(draft.MakeDirectory("/file", 0, Owner()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/file")));
}

// Copies from a context with one archive, which is to be unpacked.
class UnpackTest : public LayerDraftTest {
 protected:
  // `fill` writes the archive that is at `path` of the context.
  void Archive(std::string_view path, const std::function<void(TarWriter&)>& fill) {
    std::string tar;
    TarWriter writer([&](std::string_view data) {
      tar.append(data);
      return absl::OkStatus();
    });
    fill(writer);
    context_ = Files({Dir("dir"), File(path, tar), File("plain", "p")});
    archives_.emplace(store_.get(), SystemClock(), nullptr);
  }

  absl::Status Add(LayerDraft& draft, const std::vector<std::string>& patterns,
                   const CopyOptions& options) {
    sources_ = Sources(patterns, true);
    for (CopySource& source : sources_) {
      source.unpack = true;
      source.input = &input_;
    }
    return draft.Copy(sources_, options, [this](const ArchiveFile& archive) {
      return archives_->Get({"default", "b"}, archive, {});
    });
  }

  const v1::Input input_ = [] {
    v1::Input context;
    context.set_context("");
    return context;
  }();
  std::vector<CopySource> sources_;  // the draft points to them
  std::optional<UnpackedArchives> archives_;
};

TEST_F(UnpackTest, ArchivesAreUnpackedWhereAsked) {
  Archive("a.tar", [](TarWriter& tar) {
    ASSERT_OK(tar.Entry({.path = "in", .type = TarHeader::Type::kDirectory, .mode = 0750}));
    ASSERT_OK(tar.Entry({.path = "in/f", .mode = 0640, .uid = 9, .gid = 9, .size = 2}));
    ASSERT_OK(tar.Data("hi"));
    ASSERT_OK(tar.Entry({.path = "opt/g", .mode = 0644, .size = 0}));
    ASSERT_OK(tar.Finish());
  });
  LayerDraft unpacked(&base_, kNow);
  ASSERT_OK(Add(unpacked, {"a.tar", "plain"}, {.destination = "/"}));
  EXPECT_THAT(Finish(unpacked), ElementsAre("d in 750 0:0", "f in/f 640 9:9", "f plain 644 0:0",
                                            "d srv 700 0:0 implied", "f srv/g 644 0:0"));
  EXPECT_EQ(unpacked.NameOf("in/f"), "in/f of a.tar");
  EXPECT_EQ(unpacked.NameOf("in/gone"), "in/gone of a.tar");
  EXPECT_EQ(unpacked.NameOf("plain"), "plain");

  LayerDraft owned(&base_, kNow);
  ASSERT_OK(Add(owned, {"a.tar"}, {.destination = "/", .owner = Owner{7, 8}}));
  EXPECT_THAT(Finish(owned), ElementsAre("d in 750 7:8", "f in/f 640 7:8", "d srv 700 0:0 implied",
                                         "f srv/g 644 7:8"));

  EXPECT_THAT(Copy({"a.tar"}, {.destination = "/"}), ElementsAre("f a.tar 644 0:0"));
}

// A directory of the archive stands where the image has a link, and what comes later goes there.
TEST_F(UnpackTest, LinksAreFollowedInWhatIsThereByThen) {
  base_ = Files({Dir("data"), Link("lib", "usr/lib"), Dir("usr"), Dir("usr/lib"),
                 Link("usr/lib/modules", "/data")});
  Archive("a.tar", [](TarWriter& tar) {
    for (const char* directory : {"lib/modules", "lib/modules/5"}) {
      ASSERT_OK(tar.Entry({.path = directory, .type = TarHeader::Type::kDirectory, .mode = 0755}));
    }
    ASSERT_OK(tar.Entry({.path = "lib/modules/5/ko", .mode = 0644, .size = 0}));
    ASSERT_OK(tar.Finish());
  });
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(Add(draft, {"a.tar"}, {.destination = "/"}));
  EXPECT_THAT(Finish(draft), ElementsAre("d usr 755 0:0 implied", "d usr/lib 755 0:0 implied",
                                         "d usr/lib/modules 755 0:0", "d usr/lib/modules/5 755 0:0",
                                         "f usr/lib/modules/5/ko 644 0:0"));
}

TEST_F(UnpackTest, AnArchiveGoesThroughLinksOfTheOneBefore) {
  const auto archive = [](const std::function<void(TarWriter&)>& fill) {
    std::string tar;
    TarWriter writer([&](std::string_view data) {
      tar.append(data);
      return absl::OkStatus();
    });
    fill(writer);
    return tar;
  };
  const std::string first = archive([](TarWriter& tar) {
    ASSERT_OK(tar.Entry({.path = "e", .type = TarHeader::Type::kDirectory, .mode = 0755}));
    ASSERT_OK(tar.Entry(
        {.path = "d", .type = TarHeader::Type::kSymlink, .mode = 0777, .link_target = "e"}));
    ASSERT_OK(tar.Finish());
  });
  const std::string second = archive([](TarWriter& tar) {
    ASSERT_OK(tar.Entry({.path = "d/f", .mode = 0644, .size = 0}));
    ASSERT_OK(tar.Finish());
  });
  Archive("unused", [](TarWriter& tar) { ASSERT_OK(tar.Finish()); });
  context_ = Files({File("1.tar", first), File("2.tar", second)});
  LayerDraft draft(&base_, kNow);
  ASSERT_OK(Add(draft, {"1.tar", "2.tar"}, {.destination = "/u/"}));
  EXPECT_THAT(Finish(draft),
              ElementsAre("d u 755 0:0", "l u/d 777 0:0", "d u/e 755 0:0", "f u/e/f 644 0:0"));
}

TEST_F(UnpackTest, AnArchiveThatCannotBeUnpackedIsNamed) {
  Archive("dir/a.tar", [](TarWriter& tar) {
    ASSERT_OK(tar.Entry({.path = "f", .mode = 0644, .size = 1000}));
    ASSERT_OK(tar.Data("the rest is missing"));
  });
  LayerDraft draft(&base_, kNow);
  const absl::Status failed = Add(draft, {"dir/a.tar"}, {.destination = "/"});
  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unpacking dir/a.tar: ")));
  EXPECT_EQ(DetailOf(failed).reason(), "TAR_EXTRACT_FAILED");
  EXPECT_EQ(DetailOf(failed).subject(), "dir/a.tar");
}

}  // namespace
}  // namespace zlayer
