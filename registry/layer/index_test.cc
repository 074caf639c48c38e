#include "registry/layer/index.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <functional>

#include "base/crc32c.h"
#include "base/files.h"
#include "registry/layer/index_format.h"
#include "registry/layer/index_writer.h"
#include "registry/layer/testing/entries.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using index_format::Header;
using index_format::Record;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PathsTest, OrderIsPreOrderByComponent) {
  EXPECT_TRUE(ComparePaths("", "a") < 0);
  EXPECT_TRUE(ComparePaths("a", "a/b") < 0);
  EXPECT_TRUE(ComparePaths("a/b", "a-b") < 0);
  EXPECT_TRUE(ComparePaths("a/b", "a!") < 0);
  EXPECT_TRUE(ComparePaths("a\x7f", "a\x80") < 0);
  EXPECT_TRUE(ComparePaths("a-b", "ab") < 0);
  EXPECT_TRUE(ComparePaths("a/b", "a/b") == 0);
  EXPECT_TRUE(ComparePaths("abcdefghijk/z", "abcdefghijk/y") > 0);
}

TEST(PathsTest, ParentBaseAndBelow) {
  EXPECT_EQ(ParentPath("a/b/c"), "a/b");
  EXPECT_EQ(ParentPath("a"), "");
  EXPECT_EQ(BaseName("a/b/c"), "c");
  EXPECT_TRUE(IsAtOrBelow("a/b", "a"));
  EXPECT_TRUE(IsAtOrBelow("a", "a"));
  EXPECT_FALSE(IsAtOrBelow("ab", "a"));
  EXPECT_TRUE(IsAtOrBelow("x", ""));
}

TEST(PathsTest, CleanStaysBelowTheRoot) {
  EXPECT_EQ(CleanPath("/a/./b/../c/"), "a/c");
  EXPECT_EQ(CleanPath("../../etc/passwd"), "etc/passwd");
  EXPECT_EQ(CleanPath("a/../../b"), "b");
  EXPECT_EQ(CleanPath("/"), "");
  EXPECT_EQ(CleanPath("..."), "...");
}

Entry RichEntry() {
  Entry entry = FileEntry("dir/file", "content", 04755);
  entry.uid = 1000;
  entry.gid = 4'000'000'000;
  entry.mtime_ns = -1'500'000'001;
  entry.xattrs = {{"security.capability", std::string("\0\1\2", 3)}, {"user.a", ""}};
  entry.pax = {{"MSWINDOWS.rawsd", "AQAA"}};
  return entry;
}

std::vector<Entry> OddEntries() {
  Entry device = MakeEntry("dir/null", EntryType::kCharacterDevice, 0666);
  device.device = makedev(1, 3);
  Entry implied = DirectoryEntry("dir", 01777);
  implied.implied_parent = true;
  Entry opaque = OpaqueEntry("opaque");
  return {DirectoryEntry("", 0700),
          implied,
          RichEntry(),
          SymlinkEntry("dir/link", "../\xff\xfe"),
          device,
          MakeEntry("dir/pipe", EntryType::kFifo, 0600),
          opaque,
          WhiteoutEntry("gone"),
          FileEntry("empty\n\xc3\xa9")};
}

TEST(IndexTest, EveryFieldComesBack) {
  std::vector<Entry> entries = OddEntries();
  auto index = MakeIndex(entries);
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return ComparePaths(a.path, b.path) < 0; });
  EXPECT_EQ(EntriesOf(*index), entries);
  EXPECT_EQ(index->TypeAt(index->Find("gone")), EntryType::kWhiteout);
  EXPECT_EQ(index->content_bytes(), 7u);
}

TEST(IndexTest, BytesDoNotDependOnTheOrderOfAdding) {
  std::vector<Entry> entries = OddEntries();
  std::string forward = SerializeEntries(entries);
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(SerializeEntries(entries), forward);
}

TEST(IndexTest, IdIsTheDigestOfTheFile) {
  std::string bytes = SerializeEntries(OddEntries());
  ASSERT_OK_AND_ASSIGN(ScopedDirectory directory, ScopedDirectory::Make("/tmp", "index-test-"));
  std::string file = directory.path() + "/index";
  ASSERT_OK(WriteFileAtomically(file, bytes));
  ASSERT_OK_AND_ASSIGN(auto index, LayerIndex::Open(file));
  EXPECT_EQ(index->id(), Digest::Of(bytes));
  EXPECT_EQ(EntriesOf(*index), EntriesOf(*MakeIndex(OddEntries())));
  ASSERT_OK_AND_ASSIGN(auto named, LayerIndex::Open(file, Digest::Of(bytes)));
  EXPECT_EQ(named->id(), index->id());
  EXPECT_THAT(LayerIndex::Open(directory.path() + "/none"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(IndexTest, ContentDigestLeavesOutTimesOnly) {
  Entry entry = RichEntry();
  auto base = MakeIndex({DirectoryEntry("dir"), entry});
  entry.mtime_ns += 1;
  auto later = MakeIndex({DirectoryEntry("dir"), entry});
  EXPECT_NE(later->id(), base->id());
  EXPECT_EQ(later->ContentDigest(), base->ContentDigest());
  entry.mode = 0600;
  EXPECT_NE(MakeIndex({DirectoryEntry("dir"), entry})->ContentDigest(), base->ContentDigest());
}

TEST(IndexTest, LookupsAndSubtrees) {
  auto index = MakeIndex({DirectoryEntry("a"), DirectoryEntry("a/b"), FileEntry("a/b/c"),
                          FileEntry("a/b-d"), FileEntry("a-e"), FileEntry("b")});
  EXPECT_THAT(PathsOf(*index), ElementsAre("a", "a/b", "a/b/c", "a/b-d", "a-e", "b"));
  EXPECT_EQ(index->Find("a/b/c"), 2u);
  EXPECT_EQ(index->Find("a/c"), index->size());
  EXPECT_EQ(index->LowerBound("a/c"), 4u);
  EXPECT_EQ(index->SubtreeEnd("a"), 4u);
  EXPECT_EQ(index->SubtreeEnd("a/b"), 3u);
  EXPECT_EQ(index->SubtreeEnd("a/b/c"), 3u);
  EXPECT_EQ(index->SubtreeEnd(""), 6u);
  EXPECT_EQ(index->SubtreeEnd("zz"), 6u);
}

TEST(IndexTest, SubtreeEndOfEverySize) {
  for (size_t children = 0; children < 40; ++children) {
    std::vector<Entry> entries = {DirectoryEntry("a"), DirectoryEntry("b"), FileEntry("c")};
    for (size_t i = 0; i < children; ++i) {
      entries.push_back(FileEntry(fmt::format("b/{:02}", i)));
    }
    auto index = MakeIndex(entries);
    EXPECT_EQ(index->SubtreeEnd("b"), 2 + children);
    EXPECT_EQ(index->SubtreeEnd("c"), 3 + children);
  }
}

TEST(IndexTest, EmptyIndex) {
  auto index = MakeIndex({});
  EXPECT_EQ(index->size(), 0u);
  EXPECT_EQ(index->Find(""), 0u);
  EXPECT_EQ(index->SubtreeEnd(""), 0u);
}

TEST(BuilderTest, RefusesWhatAnIndexCannotHold) {
  for (const std::string& path :
       {std::string("/a"), std::string("a/"), std::string("a//b"), std::string("a/./b"),
        std::string("../a"), std::string("a/.wh.b"), std::string(".wh.b/c"), std::string("a\0b", 3),
        std::string(256, 'x'), std::string(2048, 'x') + "/" + std::string(2048, 'y')}) {
    LayerIndexBuilder builder;
    EXPECT_THAT(builder.Add(DirectoryEntry(path)), StatusIs(absl::StatusCode::kInvalidArgument))
        << path;
  }
  LayerIndexBuilder builder;
  EXPECT_THAT(builder.Add(FileEntry("")), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(builder.Add(SymlinkEntry("a", "")), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(builder.Add(FileEntry(std::string(255, 'x'))));
}

TEST(BuilderTest, ParentsMustBeDirectories) {
  LayerIndexBuilder missing;
  ASSERT_OK(missing.Add(FileEntry("a/b")));
  EXPECT_THAT(missing.Serialize(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'a/b'")));
  LayerIndexBuilder file;
  ASSERT_OK(file.Add(FileEntry("a/b")));
  ASSERT_OK(file.Add(SymlinkEntry("a", "x")));
  EXPECT_THAT(file.Serialize(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a directory")));
  LayerIndexBuilder deeper;
  ASSERT_OK(deeper.Add(DirectoryEntry("a")));
  ASSERT_OK(deeper.Add(FileEntry("a/b/c")));
  EXPECT_THAT(deeper.Serialize(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(BuilderTest, DirectoryKeepsChildrenOnlyUnderADirectory) {
  LayerIndexBuilder builder;
  ASSERT_OK(builder.Add(DirectoryEntry("a")));
  ASSERT_OK(builder.Add(FileEntry("a/b")));
  ASSERT_OK(builder.Add(DirectoryEntry("a", 0700)));
  ASSERT_NE(builder.Find("a/b"), nullptr);
  EXPECT_EQ(builder.Find("a")->mode, 0700u);
  ASSERT_OK(builder.Add(FileEntry("a")));
  EXPECT_EQ(builder.Find("a/b"), nullptr);
  EXPECT_EQ(builder.size(), 1u);
}

TEST(BuilderTest, RemoveSubtreeLeavesNeighbours) {
  LayerIndexBuilder builder;
  for (const char* path : {"a", "a/b", "a/b/c", "a/b-", "ab"}) {
    ASSERT_OK(builder.Add(DirectoryEntry(path)));
  }
  builder.RemoveSubtree("a/b");
  EXPECT_EQ(builder.size(), 3u);
  EXPECT_NE(builder.Find("a/b-"), nullptr);
  EXPECT_NE(builder.Find("ab"), nullptr);
}

TEST(BuilderTest, FirstOfAGroupLeadsAndMetadataIsShared) {
  Entry leader = RichEntry();
  leader.path = "m";
  auto index = MakeIndex({HardLinkEntry("z", "m"), HardLinkEntry("a", "z"), leader});
  EXPECT_EQ(index->At(0).hard_link, "");
  EXPECT_EQ(index->At(1).hard_link, "a");
  EXPECT_EQ(index->At(2).hard_link, "a");
  EXPECT_EQ(index->At(2).xattrs, leader.xattrs);
  EXPECT_EQ(index->At(0).content, leader.content);
  EXPECT_EQ(index->content_bytes(), 7u);
}

TEST(BuilderTest, AFileThatIsReplacedLivesOnUnderItsOtherNames) {
  for (const bool removed : {false, true}) {
    LayerIndexBuilder builder;
    ASSERT_OK(builder.Add(DirectoryEntry("d")));
    ASSERT_OK(builder.Add(FileEntry("d/a", "one", 0600)));
    for (const auto& [path, target] :
         {std::pair("x", "d/a"), std::pair("y", "d/a"), std::pair("z", "y")}) {
      Entry link = FileEntry(path, "one");
      link.hard_link = target;
      ASSERT_OK(builder.Add(std::move(link)));
    }
    if (removed) {
      builder.RemoveSubtree("d");
    } else {
      ASSERT_OK(builder.Add(FileEntry("d/a", "two")));
    }
    ASSERT_OK(builder.Add(FileEntry("y", "three")));
    ASSERT_OK(builder.Settle());
    EXPECT_EQ(builder.Find("x")->content, Digest::Of("one"));
    EXPECT_EQ(builder.Find("x")->mode, 0600u);
    EXPECT_EQ(builder.Find("x")->hard_link, "");
    EXPECT_EQ(builder.Find("z")->hard_link, "x");
    EXPECT_EQ(builder.Find("y")->content, Digest::Of("three"));
  }
}

TEST(BuilderTest, OfADirectoryNothingLivesOnUnderALink) {
  LayerIndexBuilder builder;
  ASSERT_OK(builder.Add(DirectoryEntry("d")));
  ASSERT_OK(builder.Add(HardLinkEntry("l", "d")));
  ASSERT_OK(builder.Add(FileEntry("d", "file")));
  ASSERT_OK(builder.Settle());
  EXPECT_EQ(builder.Find("l")->type, EntryType::kFile);
  EXPECT_EQ(builder.Find("l")->content, Digest::Of("file"));
  EXPECT_EQ(builder.Find("l")->hard_link, "d");
}

TEST(BuilderTest, HardLinksMustEndAtAFile) {
  LayerIndexBuilder missing;
  ASSERT_OK(missing.Add(HardLinkEntry("a", "b")));
  EXPECT_THAT(missing.Serialize(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b'")));
  LayerIndexBuilder loop;
  ASSERT_OK(loop.Add(HardLinkEntry("a", "b")));
  ASSERT_OK(loop.Add(HardLinkEntry("b", "a")));
  EXPECT_THAT(loop.Serialize(), StatusIs(absl::StatusCode::kInvalidArgument));
  LayerIndexBuilder directory;
  ASSERT_OK(directory.Add(HardLinkEntry("a", "b")));
  ASSERT_OK(directory.Add(DirectoryEntry("b")));
  EXPECT_THAT(directory.Serialize(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(BuilderTest, OverlayAndSelinuxXattrsAreDropped) {
  Entry entry = DirectoryEntry("a");
  entry.xattrs = {
      {"trusted.overlay.redirect", "/x"}, {"security.selinux", "y"}, {"trusted.kept", "z"}};
  auto index = MakeIndex({entry});
  EXPECT_THAT(index->At(0).xattrs, ElementsAre(std::pair("trusted.kept", "z")));
}

// What FORMAT.md says of these entries, put together by another program.
TEST(WriterTest, BytesAreThoseOfTheFormat) {
  Entry directory = DirectoryEntry("d");
  directory.mtime_ns = 5;
  Entry file = FileEntry("d/f", "abc");
  file.mtime_ns = 1'700'000'000'000'000'001;
  file.xattrs = {{"user.k", "v"}};
  Entry link = file;
  link.path = "d/g";
  link.hard_link = "d/f";
  LayerIndexWriter writer;
  for (const Entry& entry : {directory, file, link}) {
    ASSERT_OK(writer.Append(entry));
  }
  const std::string bytes = writer.Finish();
  EXPECT_EQ(Digest::Of(bytes).Hex(),
            "40252fb13659473a3d248962f6d602a5ce698571e939312a7bec641f9bc05505");
  EXPECT_EQ(bytes, SerializeEntries({link, file, directory}));
}

TEST(WriterTest, ALinkStandsAfterItsLeader) {
  LayerIndexWriter writer;
  EXPECT_THAT(writer.Append(HardLinkEntry("a", "b")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'a'")));
}

TEST(WriterTest, AReaderRefusesWhatCameOutOfOrder) {
  LayerIndexWriter writer;
  ASSERT_OK(writer.Append(FileEntry("b")));
  ASSERT_OK(writer.Append(FileEntry("a")));
  EXPECT_THAT(LayerIndex::FromBytes(writer.Finish()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(DamageTest, EveryTruncationIsDataLoss) {
  std::string bytes = SerializeEntries(OddEntries());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(LayerIndex::FromBytes(bytes.substr(0, size)), StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
  EXPECT_THAT(LayerIndex::FromBytes(bytes + "x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(DamageTest, EveryFlippedBitIsDataLoss) {
  std::string bytes = SerializeEntries(OddEntries());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_THAT(LayerIndex::FromBytes(damaged), StatusIs(absl::StatusCode::kDataLoss)) << bit;
  }
}

// With a checksum that is right.
std::string Sealed(std::string bytes) {
  uint32_t checksum = Crc32c(std::string_view(bytes).substr(index_format::kChecksummed));
  std::memcpy(bytes.data() + offsetof(Header, checksum), &checksum, sizeof(checksum));
  return bytes;
}

TEST(DamageTest, HostileBytesUnderARightChecksumNeverCrash) {
  std::string bytes = SerializeEntries(OddEntries());
  size_t refused = 0;
  for (size_t bit = offsetof(Header, entries) * 8; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    auto index = LayerIndex::FromBytes(Sealed(damaged));
    if (!index.ok()) {
      EXPECT_THAT(index, StatusIs(absl::StatusCode::kDataLoss));
      ++refused;
      continue;
    }
    EXPECT_EQ(EntriesOf(**index).size(), (*index)->size());
    EXPECT_LE((*index)->SubtreeEnd("dir"), (*index)->size());
  }
  EXPECT_GT(refused, 2000u);
}

// The index of OddEntries with entry `i` changed by `change`, under a right checksum.
std::string WithRecord(size_t i, const std::function<void(Record*)>& change) {
  std::string bytes = SerializeEntries({DirectoryEntry("d"), FileEntry("d/f", "x"),
                                        HardLinkEntry("d/g", "d/f"), SymlinkEntry("s", "t")});
  Record record;
  char* at = bytes.data() + sizeof(Header) + i * sizeof(Record);
  std::memcpy(&record, at, sizeof(record));
  change(&record);
  std::memcpy(at, &record, sizeof(record));
  return Sealed(bytes);
}

TEST(DamageTest, RulesOfTheFormatAreChecked) {
  EXPECT_OK(LayerIndex::FromBytes(WithRecord(0, [](Record*) {})));
  std::vector<std::pair<std::string, std::string>> cases = {
      {WithRecord(0, [](Record* r) { r->type = 7; }), "unknown type"},
      {WithRecord(0, [](Record* r) { r->type = 3; }), "not a directory"},
      {WithRecord(0, [](Record* r) { r->path_offset = 0xffffffff; }), "outside"},
      {WithRecord(0, [](Record* r) { r->path_offset = 1, r->path_length = 3; }), "missing"},
      {WithRecord(1, [](Record* r) { r->path_length = 1; }), "out of order"},
      {WithRecord(1, [](Record* r) { r->path_length = 2; }), "impossible path"},
      {WithRecord(1, [](Record* r) { r->mode = 010000; }), "type cannot have"},
      {WithRecord(1, [](Record* r) { r->size = UINT64_MAX; }), "impossible size"},
      {WithRecord(1, [](Record* r) { r->size = 2; }), "no equal file"},
      {WithRecord(2, [](Record* r) { r->leader = 3; }), "follows"},
      {WithRecord(2, [](Record* r) { r->leader = 1; }), "no equal file"},
      {WithRecord(2, [](Record* r) { r->leader = 0; }), "sum of its file sizes"},
      {WithRecord(3, [](Record* r) { r->link_length = 0; }), "symlink target"},
      {WithRecord(3, [](Record* r) { r->link_length = 0xffffffff; }), "outside"},
      {WithRecord(3, [](Record* r) { r->attributes_length = 1; }), "broken attributes"},
  };
  for (const auto& [bytes, message] : cases) {
    EXPECT_THAT(LayerIndex::FromBytes(bytes),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message)));
  }
}

TEST(IndexTest, ManyEntries) {
  LayerIndexBuilder builder;
  for (int i = 0; i < 200; ++i) {
    std::string directory = fmt::format("usr/share/directory-with-a-long-name-{}", i);
    if (i == 0) {
      ASSERT_OK(builder.Add(DirectoryEntry("usr")));
      ASSERT_OK(builder.Add(DirectoryEntry("usr/share")));
    }
    ASSERT_OK(builder.Add(DirectoryEntry(directory)));
    for (int j = 0; j < 200; ++j) {
      ASSERT_OK(builder.Add(FileEntry(fmt::format("{}/file-{}", directory, j), "x")));
    }
  }
  ASSERT_OK_AND_ASSIGN(std::string bytes, builder.Serialize());
  ASSERT_OK_AND_ASSIGN(auto index, LayerIndex::FromBytes(std::move(bytes)));
  EXPECT_EQ(index->size(), builder.size());
  for (size_t i = 0; i < index->size(); i += 97) {
    EXPECT_EQ(index->Find(index->PathAt(i)), i);
  }
}

}  // namespace
}  // namespace zlayer
