#include "registry/layer/layer_tar.h"

#include "registry/layer/testing/entries.h"
#include "registry/layer/testing/memory_contents.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

class LayerTarTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Tar(const std::vector<Entry>& entries, std::stop_token stop = {},
                                  TarEpoch epoch = {}) {
    std::string tar;
    absl::Status written = WriteLayerTar(
        {*MakeIndex(entries),
         [this](const Entry& file) {
           opened_.push_back(file.path);
           return pack_.Open(file.content);
         },
         epoch},
        [&tar](std::string_view piece) {
          tar += piece;
          return absl::OkStatus();
        },
        stop);
    return written.ok() ? absl::StatusOr<std::string>(tar) : written;
  }

  MemoryPack pack_;
  std::vector<std::string> opened_;
};

// Names and types of the 512-byte headers of a tar without pax records.
std::vector<std::string> Headers(std::string_view tar) {
  std::vector<std::string> headers;
  for (size_t at = 0; at < tar.size() && tar[at] != '\0';) {
    headers.push_back(std::string(tar.substr(at, 100).data()) + " " + tar[at + 156]);
    size_t size = std::stoul(std::string(tar.substr(at + 124, 11)), nullptr, 8);
    at += 512 + (size + 511) / 512 * 512;
  }
  return headers;
}

TEST_F(LayerTarTest, MarksLinksAndOrder) {
  pack_.Put("content");
  ASSERT_OK_AND_ASSIGN(
      std::string tar,
      Tar({DirectoryEntry(""), OpaqueEntry("d"), FileEntry("d/f", "content"), WhiteoutEntry("d-"),
           WhiteoutEntry("gone"), HardLinkEntry("z", "d/f"), SymlinkEntry("s", "d/f")}));
  EXPECT_THAT(Headers(tar), ElementsAre("./ 5", "d/ 5", "d/.wh..wh..opq 0", "d/f 0", ".wh.d- 0",
                                        ".wh.gone 0", "s 2", "z 1"));
  EXPECT_THAT(opened_, ElementsAre("d/f"));
}

TEST_F(LayerTarTest, MarksHaveNoMetadata) {
  ASSERT_OK_AND_ASSIGN(std::string tar, Tar({WhiteoutEntry("gone")}));
  EXPECT_EQ(tar.size(), 3 * 512u);
  EXPECT_EQ(tar.substr(100, 8), std::string("0000000\0", 8));        // mode
  EXPECT_EQ(tar.substr(136, 12), std::string("00000000000\0", 12));  // time
}

TEST_F(LayerTarTest, BytesOfAnEmptyLayer) {
  EXPECT_THAT(Tar({}), IsOkAndHolds(std::string(1024, '\0')));
}

// The diff ids of all images depend on these bytes: a change needs a new kTarFormat.
TEST_F(LayerTarTest, Format1IsFrozen) {
  pack_.Put("hello\n");
  Entry file = FileEntry("etc/hello", "hello\n");
  file.mtime_ns = 1'700'000'000'999'999'999;
  file.uid = 1000;
  file.xattrs = {{"security.capability", std::string("\1\0", 2)}};
  ASSERT_OK_AND_ASSIGN(std::string tar, Tar({DirectoryEntry("etc"), file, WhiteoutEntry("etc/x")}));
  EXPECT_EQ(kTarFormat, 1);
  EXPECT_EQ(Digest::Of(tar).ToString(),
            "sha256:c28789ee6d8ab2eca41e36f8b9478e4bd8a22b45406e1be4adf381cca12bda12");
}

TEST_F(LayerTarTest, AnEpochClampsLaterTimes) {
  auto at = [this](int64_t mtime_ns, TarEpoch epoch) {
    Entry entry = DirectoryEntry("d");
    entry.mtime_ns = mtime_ns;
    absl::StatusOr<std::string> tar = Tar({entry}, {}, epoch);
    return tar.ok() ? std::stoll(tar->substr(136, 11), nullptr, 8) : -1;
  };
  EXPECT_EQ(at(1'700'000'000'999'999'999, 1'600'000'000), 1'600'000'000);
  EXPECT_EQ(at(1'600'000'000'000'000'001, 1'600'000'000), 1'600'000'000);
  EXPECT_EQ(at(1'500'000'000'000'000'000, 1'600'000'000), 1'500'000'000);
  EXPECT_EQ(at(1'500'000'000'000'000'000, 0), 0);
  EXPECT_EQ(at(1'500'000'000'000'000'000, 253'402'300'799), 1'500'000'000);
}

TEST_F(LayerTarTest, DigestsWhatItWouldWrite) {
  const std::string large(3'000'001, 'l');
  pack_.Put(large);
  pack_.Put("x");
  const std::vector<Entry> entries = {DirectoryEntry("d"),        FileEntry("d/large", large),
                                      FileEntry("empty", ""),     FileEntry("x", "x"),
                                      HardLinkEntry("y", "x"),    SymlinkEntry("s", "x"),
                                      WhiteoutEntry("d/whiteout")};
  ASSERT_OK_AND_ASSIGN(std::string tar, Tar(entries));
  const auto open = [this](const Entry& file) { return pack_.Open(file.content); };
  const auto index = MakeIndex(entries);
  ASSERT_OK_AND_ASSIGN(TarIdentity found, DigestLayerTar({*index, open, {}}, {}));
  EXPECT_EQ(found.diff_id, Digest::Of(tar));
  EXPECT_EQ(found.size, tar.size());
}

TEST_F(LayerTarTest, DigestsContentsAndTarInOneRead) {
  const std::map<std::string, std::string> files = {
      {"a", "content of a"}, {"d/b", std::string(2'000'000, 'b')}, {"empty", ""}};
  LayerIndexBuilder unknown;
  LayerIndexBuilder known;
  ASSERT_OK(unknown.Add(DirectoryEntry("d")));
  ASSERT_OK(known.Add(DirectoryEntry("d")));
  for (const auto& [path, content] : files) {
    Entry entry = FileEntry(path, content);
    ASSERT_OK(known.Add(entry));
    entry.content = Digest();
    ASSERT_OK(unknown.Add(entry));
    pack_.Put(content);
  }
  // Of a group of links the first is the one that is read.
  ASSERT_OK(known.Add(HardLinkEntry("0", "a")));
  ASSERT_OK(unknown.Add(HardLinkEntry("0", "a")));
  const auto open = [&](const Entry& file) {
    opened_.push_back(file.path);
    return pack_.Open(Digest::Of(files.at(file.path == "0" ? "a" : file.path)));
  };
  ASSERT_OK_AND_ASSIGN(TarIdentity found, DigestContents(&unknown, open, {}));
  EXPECT_THAT(opened_, ElementsAre("0", "d/b"));
  ASSERT_OK_AND_ASSIGN(std::string index, unknown.Serialize());
  EXPECT_THAT(known.Serialize(), IsOkAndHolds(index));
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const LayerIndex> layer, LayerIndex::FromBytes(index));
  ASSERT_OK_AND_ASSIGN(TarIdentity again, DigestLayerTar({*layer, open, {}}, {}));
  EXPECT_EQ(found.diff_id, again.diff_id);
  EXPECT_EQ(found.size, again.size);
}

TEST_F(LayerTarTest, DigestsFindDamageAndStop) {
  const std::string content = "not that";
  const auto open = [&](const Entry&) -> absl::StatusOr<ContentFile> {
    return MemoryFile(content);
  };
  const auto index = MakeIndex({FileEntry("f", "expected")});
  EXPECT_THAT(DigestLayerTar({*index, open, {}}, {}), StatusIs(absl::StatusCode::kDataLoss));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(DigestLayerTar({*index, open, {}}, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  LayerIndexBuilder builder;
  ASSERT_OK(builder.Add(FileEntry("f", "expected")));
  EXPECT_THAT(DigestContents(&builder, open, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LayerTarTest, FromAnyOffsetOnItIsTheEndOfTheWhole) {
  const std::map<std::string, std::string> files = {
      {"a", std::string(700, 'a')}, {"b", ""}, {"c", std::string(512, 'c')}};
  const auto index = MakeIndex({FileEntry("a", files.at("a")), FileEntry("b", ""),
                                FileEntry("c", files.at("c")), DirectoryEntry("d")});
  std::vector<std::string> opened;
  const auto tar_from = [&](uint64_t from) {
    std::string tar;
    opened.clear();
    EXPECT_OK(WriteLayerTar({*index,
                             [&](const Entry& file) -> absl::StatusOr<ContentFile> {
                               opened.push_back(file.path);
                               return MemoryFile(files.at(file.path));
                             },
                             {},
                             from},
                            [&tar](std::string_view piece) {
                              tar += piece;
                              return absl::OkStatus();
                            },
                            {}));
    return tar;
  };
  const std::string whole = tar_from(0);
  for (size_t from = 0; from <= whole.size(); ++from) {
    ASSERT_EQ(tar_from(from), whole.substr(from)) << from;
  }
  tar_from(512 + 1024);
  EXPECT_THAT(opened, ElementsAre("c"));
}

TEST_F(LayerTarTest, DamagedContentShowsInTheDigest) {
  const Digest wrong = Digest::Of("right");
  const auto index = MakeIndex({FileEntry("f", "right")});
  const auto tar_with = [&](const char* content) {
    std::string tar;
    EXPECT_OK(WriteLayerTar(
        {*index,
         [&](const Entry&) -> absl::StatusOr<ContentFile> { return MemoryFile(content); },
         {}},
        [&tar](std::string_view piece) {
          tar += piece;
          return absl::OkStatus();
        },
        {}));
    return Digest::Of(tar);
  };
  EXPECT_NE(tar_with("wrong"), tar_with("right"));
  EXPECT_THAT(DigestLayerTar(
                  {*index,
                   [](const Entry&) -> absl::StatusOr<ContentFile> { return MemoryFile("wrong"); },
                   {}},
                  {}),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr(wrong.Hex())));
}

TEST_F(LayerTarTest, ErrorsOfSinkAndStop) {
  EXPECT_THAT(
      WriteLayerTar({*MakeIndex({DirectoryEntry("d")}),
                     [](const Entry&) -> absl::StatusOr<ContentFile> { return MemoryFile(""); },
                     {}},
                    [](std::string_view) { return absl::ResourceExhaustedError("full"); }, {}),
      StatusIs(absl::StatusCode::kResourceExhausted));
  std::stop_source source;
  source.request_stop();
  EXPECT_THAT(Tar({DirectoryEntry("d")}, source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace zlayer
