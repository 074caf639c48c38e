#include "registry/layer/content_ahead.h"

#include <string>

#include "registry/layer/testing/entries.h"
#include "registry/layer/testing/memory_contents.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMiB = size_t{1} << 20;

std::string Text(size_t size, char seed) {
  std::string text(size, seed);
  for (size_t i = 0; i < size; i += 997) {
    text[i] = static_cast<char>(seed + i % 61);
  }
  return text;
}

class ContentAheadTest : public ::testing::Test {
 protected:
  void Add(const std::string& path, const std::string& content) {
    pack_.Put(content);
    entries_.push_back(FileEntry(path, content));
  }

  absl::StatusOr<std::string> Take(ContentAhead& contents) {
    std::string taken;
    absl::Status status = contents.Take([&](std::string_view piece) {
      taken += piece;
      return absl::OkStatus();
    });
    return status.ok() ? absl::StatusOr<std::string>(taken) : status;
  }

  MemoryPack pack_;
  std::vector<Entry> entries_;
  ContentOpener open_ = [this](const Entry& file) { return pack_.Open(file.content); };
};

TEST_F(ContentAheadTest, GivesTheContentsInOrder) {
  const std::string large = Text(9 * kMiB + 1, 'L');
  Add("a", "first");
  Add("b", large);
  Add("d/c", "third");
  entries_.push_back(DirectoryEntry("d"));
  entries_.push_back(FileEntry("d/empty", ""));
  entries_.push_back(HardLinkEntry("e", "a"));
  Add("f", Text(kMiB, 'f'));
  Add("g", "last");
  const auto layer = MakeIndex(entries_);
  ContentAhead contents(*layer, open_, {});
  EXPECT_THAT(Take(contents), IsOkAndHolds("first"));
  EXPECT_THAT(Take(contents), IsOkAndHolds(large));
  EXPECT_THAT(Take(contents), IsOkAndHolds("third"));
  EXPECT_THAT(Take(contents), IsOkAndHolds(Text(kMiB, 'f')));
  EXPECT_THAT(Take(contents), IsOkAndHolds("last"));
}

TEST_F(ContentAheadTest, SaysWhatIsVerified) {
  Add("a", "one");
  Add("b", "other");
  const auto layer = MakeIndex(entries_);
  const ContentOpener open = [this](const Entry& file) -> absl::StatusOr<ContentFile> {
    auto content = pack_.Open(file.content);
    content->verified = file.path == "b";
    return content;
  };
  ContentAhead contents(*layer, open, {});
  EXPECT_THAT(contents.NextIsVerified(), IsOkAndHolds(false));
  EXPECT_THAT(Take(contents), IsOkAndHolds("one"));
  EXPECT_THAT(contents.NextIsVerified(), IsOkAndHolds(true));
  EXPECT_THAT(Take(contents), IsOkAndHolds("other"));
}

TEST_F(ContentAheadTest, AnErrorComesAfterWhatWasReadBeforeIt) {
  for (const size_t size : {size_t{10}, 2 * kMiB}) {
    entries_.clear();
    Add("a", Text(size, 'a'));
    entries_.push_back(FileEntry("b", "lost"));
    const auto layer = MakeIndex(entries_);
    ContentAhead contents(*layer, open_, {});
    EXPECT_THAT(Take(contents), IsOkAndHolds(Text(size, 'a')));
    EXPECT_THAT(Take(contents), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(ContentAheadTest, AContentOfAnotherSizeIsDamage) {
  entries_.push_back(FileEntry("a", "expected"));
  const auto layer = MakeIndex(entries_);
  const std::string much(20 * kMiB, 'x');
  const ContentOpener open = [&](const Entry&) -> absl::StatusOr<ContentFile> {
    return MemoryFile(much);
  };
  ContentAhead contents(*layer, open, {});
  EXPECT_THAT(contents.NextIsVerified(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("20971520 bytes instead of 8")));
}

TEST_F(ContentAheadTest, MayBeLeftWithTheReaderAhead) {
  Add("a", Text(30 * kMiB, 'a'));
  const auto layer = MakeIndex(entries_);
  ContentAhead contents(*layer, open_, {});
  EXPECT_THAT(contents.NextIsVerified(), IsOkAndHolds(false));
}

TEST_F(ContentAheadTest, AStopEndsTheWait) {
  Add("a", Text(2 * kMiB, 'a'));
  const auto layer = MakeIndex(entries_);
  std::stop_source stop;
  const ContentOpener open = [&](const Entry& file) {
    stop.request_stop();
    return pack_.Open(file.content);
  };
  ContentAhead contents(*layer, open, stop.get_token());
  while (!stop.stop_requested()) {
    std::this_thread::yield();
  }
  absl::StatusOr<std::string> taken = Take(contents);
  EXPECT_TRUE(taken.ok() || absl::IsCancelled(taken.status())) << taken.status();
}

}  // namespace
}  // namespace zlayer
