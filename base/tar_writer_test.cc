#include "base/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <clocale>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

struct Item {
  TarHeader header;
  std::string content;
};

absl::StatusOr<std::string> WriteTar(const std::vector<Item>& items) {
  std::string tar;
  TarWriter writer([&](std::string_view data) {
    tar += data;
    return absl::OkStatus();
  });
  for (const Item& item : items) {
    uint64_t before = writer.offset();
    RETURN_IF_ERROR(writer.Entry(item.header));
    EXPECT_EQ(writer.offset() - before, TarHeaderSize(item.header));
    RETURN_IF_ERROR(writer.Data(item.content));
  }
  RETURN_IF_ERROR(writer.Finish());
  EXPECT_EQ(writer.offset(), tar.size());
  return tar;
}

// Reads the tar with libarchive.
std::vector<Item> ReadTar(const std::string& tar) {
  std::vector<Item> items;
  std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    Item item;
    TarHeader& header = item.header;
    header.path = archive_entry_pathname(entry);
    header.mode = archive_entry_perm(entry);
    header.uid = static_cast<uint64_t>(archive_entry_uid(entry));
    header.gid = static_cast<uint64_t>(archive_entry_gid(entry));
    header.mtime_ns = int64_t{archive_entry_mtime(entry)} * 1'000'000'000;
    header.size = static_cast<uint64_t>(archive_entry_size(entry));
    header.dev_major = static_cast<uint32_t>(archive_entry_rdevmajor(entry));
    header.dev_minor = static_cast<uint32_t>(archive_entry_rdevminor(entry));
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR:
        header.type = TarHeader::Type::kDirectory;
        break;
      case AE_IFLNK:
        header.type = TarHeader::Type::kSymlink;
        header.link_target = archive_entry_symlink(entry);
        break;
      case AE_IFCHR:
        header.type = TarHeader::Type::kCharacterDevice;
        break;
      case AE_IFBLK:
        header.type = TarHeader::Type::kBlockDevice;
        break;
      case AE_IFIFO:
        header.type = TarHeader::Type::kFifo;
        break;
      default:
        break;
    }
    if (archive_entry_hardlink(entry) != nullptr) {
      header.type = TarHeader::Type::kHardLink;
      header.link_target = archive_entry_hardlink(entry);
    }
    archive_entry_xattr_reset(entry);
    const char* name;
    const void* value;
    size_t size;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      header.xattrs[name] = std::string(static_cast<const char*>(value), size);
    }
    item.content.resize(header.size);
    if (header.size > 0) {
      EXPECT_EQ(archive_read_data(reader.get(), item.content.data(), item.content.size()),
                static_cast<la_ssize_t>(header.size));
    }
    items.push_back(std::move(item));
  }
  EXPECT_EQ(result, ARCHIVE_EOF) << archive_error_string(reader.get());
  return items;
}

// What libarchive reads back of one entry.
Item RoundTrip(const Item& item) {
  absl::StatusOr<std::string> tar = WriteTar({item});
  EXPECT_THAT(tar, IsOk());
  std::vector<Item> items = ReadTar(*tar);
  EXPECT_EQ(items.size(), 1u);
  return items.empty() ? Item() : items[0];
}

Item File(const std::string& path, const std::string& content) {
  Item item;
  item.header.path = path;
  item.header.size = content.size();
  item.content = content;
  return item;
}

TEST(TarWriterTest, EveryTypeIsReadBack) {
  std::vector<Item> items = {File("etc/passwd", "root:x:0:0"), File("empty", "")};
  TarHeader header;
  header.uid = 1000;
  header.gid = 100;
  header.mtime_ns = 1'700'000'000'999'999'999;
  header.mode = 04755;
  for (auto type :
       {TarHeader::Type::kDirectory, TarHeader::Type::kSymlink, TarHeader::Type::kHardLink,
        TarHeader::Type::kCharacterDevice, TarHeader::Type::kBlockDevice, TarHeader::Type::kFifo}) {
    header.type = type;
    header.path = std::string("type-") + static_cast<char>(type);
    bool link = type == TarHeader::Type::kSymlink || type == TarHeader::Type::kHardLink;
    header.link_target = link ? "etc/passwd" : "";
    bool device =
        type == TarHeader::Type::kCharacterDevice || type == TarHeader::Type::kBlockDevice;
    header.dev_major = device ? 4095 : 0;
    header.dev_minor = device ? 1'048'575 : 0;
    items.push_back({header, ""});
  }
  ASSERT_OK_AND_ASSIGN(std::string tar, WriteTar(items));
  EXPECT_EQ(tar.size(), 512u * (items.size() + 1 + 2));
  std::vector<Item> read = ReadTar(tar);
  ASSERT_EQ(read.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    TarHeader& want = items[i].header;
    const TarHeader& got = read[i].header;
    EXPECT_EQ(got.path, want.path + (want.type == TarHeader::Type::kDirectory ? "/" : ""));
    EXPECT_EQ(got.type, want.type) << want.path;
    EXPECT_EQ(got.mode, want.mode) << want.path;
    EXPECT_EQ(got.uid, want.uid) << want.path;
    EXPECT_EQ(got.gid, want.gid) << want.path;
    EXPECT_EQ(got.mtime_ns, want.mtime_ns / 1'000'000'000 * 1'000'000'000) << want.path;
    EXPECT_EQ(got.link_target, want.link_target) << want.path;
    EXPECT_EQ(got.dev_major, want.dev_major) << want.path;
    EXPECT_EQ(got.dev_minor, want.dev_minor) << want.path;
    EXPECT_EQ(read[i].content, items[i].content) << want.path;
  }
}

// Around the sizes of blocks, in one piece and in many.
TEST(TarWriterTest, ContentsOfAnySizeArePadded) {
  for (size_t size : {1, 511, 512, 513, 1023, 1024, 100'000}) {
    const std::string content(size, 'x');
    EXPECT_EQ(RoundTrip(File("file", content)).content, content);
    std::string tar;
    TarWriter writer([&](std::string_view data) {
      tar += data;
      return absl::OkStatus();
    });
    ASSERT_OK(writer.Entry(File("file", content).header));
    for (size_t i = 0; i < size; i += 100) {
      ASSERT_OK(writer.Data(std::string_view(content).substr(i, 100)));
    }
    ASSERT_OK(writer.Finish());
    EXPECT_THAT(WriteTar({File("file", content)}), IsOkAndHolds(tar));
  }
}

// Lengths on both sides of the field's, and of every length of a pax record's own length.
TEST(TarWriterTest, LongPathsAndTargetsAreReadBack) {
  for (size_t size : {99, 100, 101, 155, 200, 255, 256, 980, 985, 990, 995, 1000, 4000}) {
    std::string path;
    while (path.size() < size) {
      path += "directory/";
    }
    path.resize(size);
    path.back() = 'x';
    Item link;
    link.header.path = path;
    link.header.type = TarHeader::Type::kSymlink;
    link.header.link_target = "../" + path;
    TarHeader read = RoundTrip(link).header;
    EXPECT_EQ(read.path, path);
    EXPECT_EQ(read.link_target, "../" + path);
    EXPECT_EQ(TarHeaderSize(File(path, "").header) > 512, size > 100) << size;
  }
}

TEST(TarWriterTest, ADirectorysSlashCountsForItsLength) {
  Item directory;
  directory.header.type = TarHeader::Type::kDirectory;
  directory.header.path = std::string(99, 'd');
  EXPECT_EQ(TarHeaderSize(directory.header), 512u);
  directory.header.path += 'd';
  EXPECT_GT(TarHeaderSize(directory.header), 512u);
  EXPECT_EQ(RoundTrip(directory).header.path, directory.header.path + "/");
}

TEST(TarWriterTest, NamesThatAreNotAsciiAreReadBack) {
  setlocale(LC_ALL, "C.UTF-8");
  EXPECT_EQ(RoundTrip(File("caf\xc3\xa9/\xe6\x97\xa5", "x")).header.path,
            "caf\xc3\xa9/\xe6\x97\xa5");
}

TEST(TarWriterTest, ValuesThatNoOctalFieldHoldsAreReadBack) {
  Item item = File("file", "");
  item.header.uid = 07777777;
  EXPECT_EQ(TarHeaderSize(item.header), 512u);
  item.header.uid = 010000000;
  item.header.gid = 4'294'967'294;
  item.header.mtime_ns = -1'500'000'000;
  TarHeader read = RoundTrip(item).header;
  EXPECT_EQ(read.uid, item.header.uid);
  EXPECT_EQ(read.gid, item.header.gid);
  EXPECT_EQ(read.mtime_ns, -2'000'000'000);
}

TEST(TarWriterTest, TimesAreRoundedDownToTheEndsOfTheRange) {
  Item item = File("file", "");
  item.header.mtime_ns = INT64_MIN;
  ASSERT_OK_AND_ASSIGN(std::string tar, WriteTar({item}));
  EXPECT_THAT(tar, HasSubstr(" mtime=-9223372037\n"));
  item.header.mtime_ns = INT64_MAX;
  EXPECT_EQ(RoundTrip(item).header.mtime_ns / 1'000'000'000, 9'223'372'036);
}

TEST(TarWriterTest, AHugeSizeIsInAPaxRecord) {
  Item item = File("file", "");
  item.header.size = (uint64_t{1} << 33) - 1;
  EXPECT_EQ(TarHeaderSize(item.header), 512u);
  item.header.size = uint64_t{1} << 33;
  std::string tar;
  TarWriter writer([&](std::string_view data) {
    tar += data;
    return absl::OkStatus();
  });
  ASSERT_OK(writer.Entry(item.header));
  EXPECT_THAT(tar, HasSubstr("19 size=8589934592\n"));
}

TEST(TarWriterTest, XattrsAndFurtherRecordsAreWritten) {
  Item item = File("file", "x");
  item.header.xattrs = {{"user.b", std::string("\0\1\n=", 4)}, {"security.capability", "\x01"}};
  item.header.pax = {{"VENDOR.key", "value"}};
  TarHeader read = RoundTrip(item).header;
  EXPECT_EQ(read.xattrs, item.header.xattrs);
  ASSERT_OK_AND_ASSIGN(std::string tar, WriteTar({item}));
  size_t security = tar.find("SCHILY.xattr.security.capability=");
  size_t user = tar.find("SCHILY.xattr.user.b=");
  size_t vendor = tar.find("20 VENDOR.key=value\n");
  EXPECT_LT(security, user);
  EXPECT_LT(user, vendor);
  EXPECT_NE(vendor, std::string::npos);
}

// A record's length counts its own digits: 9 + 1 would be 10, which has two.
TEST(TarWriterTest, ARecordsLengthCountsItself) {
  for (size_t size = 1; size < 1100; ++size) {
    Item item = File("file", "");
    item.header.pax = {{"k", std::string(size, 'v')}};
    ASSERT_OK_AND_ASSIGN(std::string tar, WriteTar({item}));
    size_t length = std::stoul(tar.substr(512));
    EXPECT_EQ(tar[512 + length - 1], '\n') << size;
    EXPECT_EQ(length, std::to_string(length).size() + 1 + 2 + size + 1) << size;
  }
}

TEST(TarWriterTest, OnlyFilesHaveASize) {
  Item item;
  item.header.type = TarHeader::Type::kDirectory;
  item.header.path = "directory";
  item.header.size = 4096;
  EXPECT_EQ(RoundTrip(item).header.size, 0u);
}

TEST(TarWriterTest, AContentOfAnotherLengthThanPromisedIsAnError) {
  auto sink = [](std::string_view) { return absl::OkStatus(); };
  Item item = File("promised", "12345");
  TarWriter longer(sink);
  ASSERT_OK(longer.Entry(item.header));
  EXPECT_THAT(longer.Data("123456"), StatusIs(absl::StatusCode::kInternal));
  TarWriter shorter(sink);
  ASSERT_OK(shorter.Entry(item.header));
  ASSERT_OK(shorter.Data("1234"));
  EXPECT_THAT(shorter.Entry(File("next", "").header),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("next")));
  EXPECT_THAT(shorter.Finish(), StatusIs(absl::StatusCode::kInternal));
}

TEST(TarWriterTest, AnErrorOfTheSinkIsReturned) {
  TarWriter writer([](std::string_view) { return ResourceExhausted("full"); });
  EXPECT_THAT(writer.Entry(File("file", "").header),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
}

TEST(TarWriterTest, AnEmptyTarIsTwoBlocksOfZeros) {
  EXPECT_THAT(WriteTar({}), IsOkAndHolds(std::string(1024, '\0')));
}

// The bytes of format 1 never change: diff ids that are stored somewhere depend on them.
TEST(TarWriterTest, TheBytesAreAlwaysTheSame) {
  Item directory;
  directory.header.type = TarHeader::Type::kDirectory;
  directory.header.path = "etc";
  directory.header.mode = 0755;
  directory.header.mtime_ns = 1'700'000'000'000'000'000;
  Item file = File("etc/\xc3\xa9", "content");
  file.header.xattrs = {{"user.a", "b"}};
  file.header.uid = 3'000'000;
  ASSERT_OK_AND_ASSIGN(std::string tar, WriteTar({directory, file}));
  EXPECT_EQ(Digest::Of(tar).Hex(),
            "4e6671ef73020bda754c4bdf54dfc64f055c7503ce5f2414663f39b63eba8d53");
}

}  // namespace
}  // namespace zlayer
