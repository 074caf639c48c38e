#include "backends/native/file/unpacked_archives.h"

#include <gmock/gmock.h>

#include <stop_token>
#include <string>

#include "backends/native/testing/store_fixture.h"
#include "base/tar_writer.h"
#include "registry/layer/layer_store.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;

class UnpackedArchivesTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    std::string tar;
    TarWriter writer([&](std::string_view data) {
      tar.append(data);
      return absl::OkStatus();
    });
    ASSERT_OK(writer.Entry({.path = "f", .mode = 0644, .size = 2}));
    ASSERT_OK(writer.Data("hi"));
    ASSERT_OK(writer.Finish());
    Layer({File("a.tar", tar)});
    archive_ = {.name = "a.tar", .file = {}, .content = Digest::Of(tar)};
    ASSERT_OK_AND_ASSIGN(archive_.file, store_->contents().Open(archive_.content));
  }

  ArchiveFile archive_;
};

TEST_F(UnpackedArchivesTest, IsUnpackedOnceForANamespace) {
  ASSERT_OK_AND_ASSIGN(
      const LayerRef first,
      UnpackedArchives(store_.get(), SystemClock(), nullptr).Get({"default", "b"}, archive_, {}));
  EXPECT_THAT(PathsOf(*first), ElementsAre("f"));
  EXPECT_OK(store_->contents().Open(Digest::Of("hi")));
  // Not read again, also by another daemon: the file that is there now is no archive.
  UnpackedArchives later(store_.get(), SystemClock(), nullptr);
  Layer({File("other", "no archive")});
  ASSERT_OK_AND_ASSIGN(archive_.file, store_->contents().Open(Digest::Of("no archive")));
  ASSERT_OK_AND_ASSIGN(const LayerRef again, later.Get({"default", "c"}, archive_, {}));
  EXPECT_EQ(again->id(), first->id());
  EXPECT_THAT(later.Get({"other", "c"}, archive_, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(UnpackedArchivesTest, AStopLeavesNothing) {
  UnpackedArchives archives(store_.get(), SystemClock(), nullptr);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(archives.Get({"default", "b"}, archive_, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_OK(archives.Get({"default", "b"}, archive_, {}));
}

}  // namespace
}  // namespace zlayer
