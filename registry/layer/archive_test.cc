#include "registry/layer/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <random>

#include "base/files.h"
#include "base/tar_writer.h"
#include "registry/layer/layer_tar.h"
#include "registry/layer/testing/entries.h"
#include "registry/layer/testing/memory_contents.h"
#include "registry/layer/testing/odd_tree.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// Collects a tar.
class Tar {
 public:
  Tar& Add(const TarHeader& header, std::string_view data = "") {
    EXPECT_OK(writer_.Entry(header));
    if (!data.empty()) {
      EXPECT_OK(writer_.Data(data));
    }
    return *this;
  }
  Tar& File(const std::string& path, std::string_view data = "") {
    TarHeader header;
    header.path = path;
    header.size = data.size();
    return Add(header, data);
  }
  Tar& Link(const std::string& path, const std::string& target,
            TarHeader::Type type = TarHeader::Type::kHardLink) {
    TarHeader header;
    header.path = path;
    header.type = type;
    header.link_target = target;
    return Add(header);
  }
  std::string Finish() {
    EXPECT_OK(writer_.Finish());
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  TarWriter writer_{[this](std::string_view piece) {
    bytes_ += piece;
    return absl::OkStatus();
  }};
};

std::string Compressed(const std::string& bytes, int filter) {
  std::string buffer(bytes.size() * 2 + 100'000, '\0');
  size_t used = 0;
  archive* writer = archive_write_new();
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  EXPECT_EQ(archive_write_add_filter(writer, filter), ARCHIVE_OK);
  EXPECT_EQ(archive_write_set_format_raw(writer), ARCHIVE_OK);
  EXPECT_EQ(archive_write_set_bytes_in_last_block(writer, 1), ARCHIVE_OK);
  EXPECT_EQ(archive_write_open_memory(writer, buffer.data(), buffer.size(), &used), ARCHIVE_OK);
  EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(writer, bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_entry_free(entry);
  archive_write_free(writer);
  return buffer.substr(0, used);
}

constexpr int kFilters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ,
                            ARCHIVE_FILTER_ZSTD};

class ArchiveTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const LayerIndex>> Read(const std::string& bytes) {
    ContentFile file = MemoryFile(bytes);
    LayerIndexBuilder builder;
    RETURN_IF_ERROR(Read(file, &builder));
    ASSIGN_OR_RETURN(std::string index, builder.Serialize());
    return LayerIndex::FromBytes(std::move(index));
  }
  absl::Status Read(const ContentFile& file, LayerIndexBuilder* builder) {
    ASSIGN_OR_RETURN(result_,
                     ReadArchive(file, options_, in_place_, &pack_, builder, stop_.get_token()));
    return absl::OkStatus();
  }

  ArchiveOptions options_;
  bool in_place_ = false;
  MemoryPack pack_;
  std::stop_source stop_;
  ArchiveResult result_;
};

TEST_F(ArchiveTest, OddLayersComeBackThroughTheirTars) {
  ASSERT_OK_AND_ASSIGN(ScopedDirectory directory, ScopedDirectory::Make("/tmp", "archive-test-"));
  if (!CanMakeTrees(directory.path())) {
    GTEST_SKIP() << "needs root";
  }
  MakeOddTree(directory.path(), true);
  LayerIndexBuilder builder;
  ASSERT_OK(ScanTree(directory.path(), &builder, {}));
  ASSERT_OK_AND_ASSIGN(std::string bytes, builder.Serialize());
  ASSERT_OK_AND_ASSIGN(auto index, LayerIndex::FromBytes(bytes));
  std::string tar;
  ASSERT_OK(WriteLayerTar({*index, TreeOpener(directory.path()), {}},
                          [&tar](std::string_view piece) {
                            tar += piece;
                            return absl::OkStatus();
                          },
                          {}));
  options_.layer = true;
  for (bool in_place : {true, false}) {
    in_place_ = in_place;
    ASSERT_OK_AND_ASSIGN(auto again, Read(tar));
    EXPECT_EQ(EntriesOf(*again), EntriesOf(*index));
    EXPECT_EQ(again->id(), index->id());
    EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
    EXPECT_EQ(result_.uncompressed, in_place);
    EXPECT_EQ(pack_.contents().empty(), in_place);
  }
  ASSERT_OK_AND_ASSIGN(auto packed, Read(Compressed(tar, ARCHIVE_FILTER_ZSTD)));
  EXPECT_EQ(packed->id(), index->id());
}

TEST_F(ArchiveTest, RangesLieWhereTheContentsAre) {
  in_place_ = true;
  TarHeader header;
  header.path = std::string(150, 'n');
  header.size = 700'000;
  std::string large(700'000, 'l');
  std::string tar = Tar().File("a", "first").Add(header, large).File("empty").Finish();
  ASSERT_OK_AND_ASSIGN(auto index, Read(tar));
  ASSERT_THAT(result_.ranges, SizeIs(3));
  for (const ContentStore::BlobRange& range : result_.ranges) {
    EXPECT_EQ(Digest::Of(std::string_view(tar).substr(range.offset, range.size)), range.content);
  }
  EXPECT_EQ(result_.ranges[0].content, index->At(index->Find("a")).content);
  EXPECT_THAT(pack_.contents(), IsEmpty());
}

TEST_F(ArchiveTest, AnArchiveInTheMiddleOfAFile) {
  in_place_ = true;
  std::string tar = Tar().File("a", "content").Finish();
  ContentFile file = MemoryFile("before" + tar + "after");
  file.offset = 6;
  file.size = tar.size();
  LayerIndexBuilder builder;
  ASSERT_OK(Read(file, &builder));
  EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
  EXPECT_EQ(result_.ranges.at(0).offset, 512u);
}

TEST_F(ArchiveTest, EveryCompression) {
  std::string content(300'000, 'c');
  std::string tar = Tar().File("d/a", content).File("b", "x").Finish();
  in_place_ = true;
  for (int filter : kFilters) {
    pack_ = MemoryPack();
    ASSERT_OK_AND_ASSIGN(auto index, Read(Compressed(tar, filter)));
    EXPECT_THAT(PathsOf(*index), ElementsAre("b", "d", "d/a"));
    EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
    EXPECT_EQ(result_.tar_size, tar.size());
    EXPECT_FALSE(result_.uncompressed);
    EXPECT_THAT(result_.ranges, IsEmpty());
    EXPECT_EQ(pack_.contents().count(Digest::Of(content)), 1u);
  }
}

TEST_F(ArchiveTest, TheDigestCoversWhatFollowsTheEnd) {
  std::string tar = Tar().File("a").Finish() + std::string(20'000, '\0') + "trailing bytes";
  ASSERT_OK(Read(tar).status());
  EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
  EXPECT_EQ(result_.tar_size, tar.size());
  ASSERT_OK(Read(Compressed(tar, ARCHIVE_FILTER_GZIP)).status());
  EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
}

TEST_F(ArchiveTest, GzipOfSeveralMembers) {
  std::string tar = Tar().File("a", "one").File("b", "two").Finish();
  ASSERT_OK_AND_ASSIGN(auto index, Read(Compressed(tar.substr(0, 700), ARCHIVE_FILTER_GZIP) +
                                        Compressed(tar.substr(700), ARCHIVE_FILTER_GZIP)));
  EXPECT_EQ(index->size(), 2u);
  EXPECT_EQ(result_.tar_digest, Digest::Of(tar));
}

TEST_F(ArchiveTest, MetadataAndRecords) {
  TarHeader header;
  header.path = "f\xc3\xa9\xff";
  header.mode = 04711;
  header.uid = 4'294'967'295;
  header.gid = 12;
  header.xattrs = {{"user.a", std::string("\0=\n", 3)}, {"trusted.overlay.redirect", "/etc"}};
  header.pax = {{"mtime", "-1.25"}, {"MSWINDOWS.rawsd", "AQ=="}, {"atime", "5"}};
  TarHeader device;
  device.path = "dev";
  device.type = TarHeader::Type::kBlockDevice;
  device.dev_major = 8;
  device.dev_minor = 300;
  std::string tar = Tar().Add(header).Add(device).Finish();
  for (const std::string& bytes : {tar, Compressed(tar, ARCHIVE_FILTER_GZIP)}) {
    ASSERT_OK_AND_ASSIGN(auto index, Read(bytes));
    Entry file = index->At(index->Find(header.path));
    EXPECT_EQ(file.path, "f\xc3\xa9\xff");
    EXPECT_EQ(file.mode, 04711u);
    EXPECT_EQ(file.uid, 4'294'967'295u);
    EXPECT_THAT(file.xattrs, ElementsAre(Pair("user.a", std::string("\0=\n", 3))));
    EXPECT_THAT(file.pax, ElementsAre(Pair("MSWINDOWS.rawsd", "AQ==")));
    EXPECT_EQ(index->At(index->Find("dev")).device, makedev(8, 300));
  }
  header.pax = {{"mtime", "1700000000.123456789"}};
  ASSERT_OK_AND_ASSIGN(auto later, Read(Tar().Add(header).Finish()));
  EXPECT_EQ(later->At(0).mtime_ns, 1'700'000'000'123'456'789);
}

TEST_F(ArchiveTest, TimesThatDoNotFitAreTheNearest) {
  TarHeader header;
  header.path = "f";
  header.pax = {{"mtime", "99999999999999"}};
  ASSERT_OK_AND_ASSIGN(auto index, Read(Tar().Add(header).Finish()));
  EXPECT_EQ(index->At(0).mtime_ns, INT64_MAX);
}

TEST_F(ArchiveTest, NamesInExtensionHeadersKeepTheirBytes) {
  std::string name = "d/" + std::string(120, 'x') + "\xc3\xa9\xff";
  std::string target = std::string(130, 't') + "\xe2\x82\xac\xfe";
  std::string tar =
      Tar().File(name).Link("l", target, TarHeader::Type::kSymlink).Link("h\xff", name).Finish();
  ASSERT_OK_AND_ASSIGN(auto index, Read(tar));
  EXPECT_THAT(PathsOf(*index), ElementsAre("d", name, "h\xff", "l"));
  EXPECT_EQ(index->At(3).link_target, target);
  EXPECT_EQ(index->At(2).hard_link, name);
}

// A file of old GNU tar's sparse type: `size` bytes with `data` at `at`.
std::string SparseTar(uint64_t size, uint64_t at, const std::string& data) {
  TarHeader header;
  header.path = "sparse";
  header.size = data.size();
  std::string tar = Tar().Add(header, data).File("next", "n").Finish();
  std::copy_n("ustar  ", 8, tar.begin() + 257);
  tar[156] = 'S';
  auto put = [&tar](size_t offset, const std::string& text) {
    std::copy(text.begin(), text.end(), tar.begin() + static_cast<ptrdiff_t>(offset));
  };
  put(329, std::string(171, '\0'));
  put(386, fmt::format("{:011o} {:011o} ", at, data.size()));
  put(483, fmt::format("{:011o} ", size));
  put(148, "        ");
  uint32_t sum = 0;
  for (size_t i = 0; i < 512; ++i) {
    sum += static_cast<unsigned char>(tar[i]);
  }
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return tar;
}

TEST_F(ArchiveTest, HolesOfSparseFilesAreZeros) {
  in_place_ = true;
  ASSERT_OK_AND_ASSIGN(auto index, Read(SparseTar(600'000, 500'000, "data")));
  std::string expected(600'000, '\0');
  expected.replace(500'000, 4, "data");
  Entry file = index->At(index->Find("sparse"));
  EXPECT_EQ(file.size, expected.size());
  EXPECT_EQ(file.content, Digest::Of(expected));
  EXPECT_EQ(pack_.contents().count(file.content), 1u);
  EXPECT_THAT(result_.ranges, SizeIs(1));  // of "next"
  EXPECT_TRUE(result_.uncompressed);
}

TEST_F(ArchiveTest, HoleBombsAreStopped) {
  EXPECT_THAT(Read(SparseTar(uint64_t{4} << 30, 0, "data")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bomb")));
}

TEST_F(ArchiveTest, Limits) {
  options_.limits.entries = 2;
  EXPECT_OK(Read(Tar().File("a").File("b").Finish()).status());
  EXPECT_THAT(Read(Tar().File("a").File("b").File("c").Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 entries")));
  options_.limits = ArchiveLimits();
  options_.limits.bytes = 10;
  EXPECT_OK(Read(Tar().File("a", "12345").File("b", "12345").Finish()).status());
  EXPECT_THAT(Read(Tar().File("a", "12345").File("b", "123456").Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10 bytes")));
}

TEST_F(ArchiveTest, DecompressionBombsAreStopped) {
  std::string zeros(uint64_t{150} << 20, '\0');
  std::string bomb = Compressed(Tar().File("zeros", zeros).Finish(), ARCHIVE_FILTER_ZSTD);
  EXPECT_THAT(Read(bomb), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bomb")));
  std::string tail = Compressed(Tar().File("a").Finish() + zeros, ARCHIVE_FILTER_ZSTD);
  EXPECT_THAT(Read(tail), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bomb")));
  EXPECT_THAT(Read(Compressed(bomb, ARCHIVE_FILTER_GZIP)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than once")));
}

TEST_F(ArchiveTest, ErrorsNameTheEntry) {
  EXPECT_THAT(
      Read(Tar().File("a").Link("b", "nothing").Finish()),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("'b'"), HasSubstr("nothing"))));
  TarHeader owner;
  owner.path = "o";
  owner.pax = {{"uid", "99999999999"}};
  EXPECT_THAT(Read(Tar().Add(owner).Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'o'")));
  TarHeader device;
  device.path = "w";
  device.type = TarHeader::Type::kCharacterDevice;
  EXPECT_THAT(Read(Tar().Add(device).Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0:0")));
}

TEST_F(ArchiveTest, AFileWithoutANameIsNotTheRoot) {
  ASSERT_OK_AND_ASSIGN(auto index, Read(Tar().File(".").File("a", "x").Finish()));
  EXPECT_EQ(index->size(), 1u);
}

TEST_F(ArchiveTest, WhatIsNoArchive) {
  for (const std::string& bytes : {std::string(), std::string("text"), std::string(4096, 'x'),
                                   Compressed("no tar", ARCHIVE_FILTER_GZIP)}) {
    EXPECT_THAT(Read(bytes), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_FALSE(IsArchive(MemoryFile(bytes)));
  }
  EXPECT_FALSE(IsArchive(MemoryFile(std::string(10240, '\0'))));
  std::string tar = Tar().File("a").Finish();
  EXPECT_TRUE(IsArchive(MemoryFile(tar)));
  for (int filter : kFilters) {
    EXPECT_TRUE(IsArchive(MemoryFile(Compressed(tar, filter))));
  }
}

TEST_F(ArchiveTest, TruncatedArchivesAreErrors) {
  std::string content(3000, 'c');
  std::string tar = Tar().File("a", content).File("b", content).Finish();
  std::string zipped = Compressed(tar, ARCHIVE_FILTER_GZIP);
  for (size_t size = 1; size < 512 + 3000; size += 100) {
    EXPECT_THAT(Read(tar.substr(0, size)), StatusIs(absl::StatusCode::kInvalidArgument)) << size;
  }
  for (size_t size = 1; size < zipped.size() - 12; size += 3) {
    EXPECT_THAT(Read(zipped.substr(0, size)), StatusIs(absl::StatusCode::kInvalidArgument)) << size;
  }
}

TEST_F(ArchiveTest, AnArchiveThatBreaksOffIsStillOne) {
  std::mt19937 random(7);
  std::string content(3000, '\0');
  std::generate(content.begin(), content.end(), [&random] { return static_cast<char>(random()); });
  const std::string zipped =
      Compressed(Tar().File("a", content).Finish(), ARCHIVE_FILTER_GZIP).substr(0, 1000);
  EXPECT_TRUE(IsArchive(MemoryFile(zipped)));
  EXPECT_THAT(Read(zipped), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("truncated")));
  EXPECT_FALSE(IsArchive(MemoryFile(zipped.substr(0, 20))));  // nothing tells what it was
  EXPECT_FALSE(IsArchive(MemoryFile(Compressed(content, ARCHIVE_FILTER_GZIP).substr(0, 1000))));
}

TEST_F(ArchiveTest, AFileThatEndsBeforeItsSizeIsDataLoss) {
  ContentFile file = MemoryFile(Tar().File("a", "content").Finish());
  file.size += 100;
  LayerIndexBuilder builder;
  EXPECT_THAT(Read(file, &builder), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ArchiveTest, DamagedArchivesNeverCrash) {
  options_.layer = true;
  in_place_ = true;
  TarHeader rich;
  rich.path = std::string(120, 'r');
  rich.xattrs = {{"user.a", "b"}};
  rich.pax = {{"GNU.sparse.major", "1"}, {"vendor.x", "y"}};
  rich.size = 5;
  std::string tar = Tar()
                        .File("d/.wh.x")
                        .Add(rich, "1\n0\n1")
                        .Link("h", rich.path)
                        .Link("s", "d", TarHeader::Type::kSymlink)
                        .File("s/x", "content")
                        .Finish();
  std::mt19937 random(11);
  size_t errors = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = tar;
    for (int change = 0; change < 3; ++change) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    auto index = Read(damaged);
    if (!index.ok()) {
      EXPECT_THAT(index, StatusIs(absl::StatusCode::kInvalidArgument));
      ++errors;
    }
  }
  EXPECT_GT(errors, 100u);
}

TEST_F(ArchiveTest, ReadingStops) {
  stop_.request_stop();
  EXPECT_THAT(Read(Tar().File("a").Finish()), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ArchiveTest, FilesOfAnArchive) {
  std::string tar = Tar()
                        .File("./oci-layout", "layout")
                        .Link("l", "x", TarHeader::Type::kSymlink)
                        .File("blobs/sha256/a", "blob a")
                        .File("blobs/sha256/b", "blob b")
                        .Finish();
  std::vector<std::string> seen;
  ASSERT_OK(ReadArchiveFiles(
      MemoryFile(tar), ArchiveLimits(),
      [&seen](const ArchivedFile& entry, const ArchiveFileReader& read) {
        std::string content;
        seen.push_back(fmt::format("{} {}{}", entry.path, entry.size, entry.target));
        if (entry.path == "blobs/sha256/a" || entry.kind != ArchivedFile::Kind::kFile) {
          return absl::OkStatus();
        }
        RETURN_IF_ERROR(read([&content](std::string_view piece) {
          content += piece;
          return absl::OkStatus();
        }));
        seen.push_back(content);
        return absl::OkStatus();
      },
      {}));
  EXPECT_THAT(seen, ElementsAre("oci-layout 6", "layout", "l 0x", "blobs/sha256/a 6",
                                "blobs/sha256/b 6", "blob b"));
  EXPECT_THAT(ReadArchiveFiles(MemoryFile(tar), ArchiveLimits(),
                               [](const ArchivedFile&, const ArchiveFileReader&) {
                                 return absl::AbortedError("enough");
                               },
                               {}),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(ArchiveTest, WhatIsBehindACompression) {
  const std::string tar = Tar().File("f", "content").Finish();
  const auto read = [](const std::string& bytes) {
    std::string content;
    EXPECT_OK(ReadUncompressed(MemoryFile(bytes), ArchiveLimits(),
                               [&content](std::string_view piece) {
                                 content += piece;
                                 return absl::OkStatus();
                               },
                               {}));
    return content;
  };
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string("{\"a\":1}"), tar}) {
    EXPECT_THAT(IsCompressed(MemoryFile(bytes)), IsOkAndHolds(false));
    EXPECT_EQ(read(bytes), bytes);
  }
  const std::string packed = Compressed(tar, ARCHIVE_FILTER_GZIP);
  EXPECT_THAT(IsCompressed(MemoryFile(packed)), IsOkAndHolds(true));
  EXPECT_EQ(read(packed), tar);
  EXPECT_THAT(ReadUncompressed(MemoryFile(packed.substr(0, packed.size() - 8)), ArchiveLimits(),
                               [](std::string_view) { return absl::OkStatus(); }, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
