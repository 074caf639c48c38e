#include "daemon/events/event_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/mutex.h"
#include "daemon/events/record_reader.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class FakeClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_.fetch_add(1'000'000'000); }

 private:
  mutable std::atomic<int64_t> now_ns_{1'700'000'000'000'000'000};
};

v1::BuildEvent Output(std::string data) {
  v1::BuildEvent event;
  event.mutable_output()->set_data(std::move(data));
  return event;
}

v1::BuildEvent Complete() {
  v1::BuildEvent event;
  event.mutable_build_complete()->set_image_id("sha256:1");
  return event;
}

class EventLogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "events"));
    Reopen();
  }

  // As a daemon that was killed and started again.
  void Reopen() { logs_ = OpenEventLogs(directory_.path(), &clock_); }

  std::string Path(const std::string& id = "b1") {
    return directory_.path() + "/" + id + "/events";
  }

  void Fill(int count) {
    for (int i = 1; i <= count; ++i) {
      ASSERT_OK(logs_->Append("b1", Output("line " + std::to_string(i))));
    }
  }

  std::vector<uint64_t> Sequences(const std::string& id = "b1", uint64_t after = 0) {
    auto reader = std::move(logs_->Read(id, after)).value();
    return Rest(reader.get());
  }

  static std::vector<uint64_t> Rest(EventReader* reader) {
    std::vector<uint64_t> sequences;
    v1::BuildEvent event;
    while (true) {
      absl::StatusOr<bool> found = reader->Next(&event);
      EXPECT_OK(found);
      if (!found.ok() || !*found) {
        return sequences;
      }
      sequences.push_back(event.sequence());
    }
  }

  void WriteLog(const std::string& content) {
    logs_.reset();
    ASSERT_OK(MakeDirectories(directory_.path() + "/b1"));
    ASSERT_OK(WriteFileAtomically(Path(), content));
    Reopen();
  }

  std::string LogContent() { return std::move(ReadFile(Path())).value(); }

  FakeClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<EventLogs> logs_;
};

TEST_F(EventLogTest, AppendFillsInWhoWhenAndWhich) {
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent first, logs_->Append("b1", Output("a")));
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent second, logs_->Append("b1", Output("b")));
  EXPECT_EQ(first.build_id(), "b1");
  EXPECT_EQ(first.sequence(), 1u);
  EXPECT_EQ(second.sequence(), 2u);
  EXPECT_EQ(google::protobuf::util::TimeUtil::ToString(second.time()), "2023-11-14T22:13:21Z");

  auto reader = std::move(logs_->Read("b1", 0)).value();
  v1::BuildEvent event;
  ASSERT_THAT(reader->Next(&event), IsOkAndHolds(true));
  EXPECT_EQ(event.SerializeAsString(), first.SerializeAsString());
}

TEST_F(EventLogTest, AReaderKnowsWithoutReadingThatNothingIsLeft) {
  auto reader = std::move(logs_->Read("b1", 0)).value();
  ASSERT_OK(logs_->Append("b1", Output("a")));
  EXPECT_TRUE(reader->MayHaveNext());
  v1::BuildEvent event;
  ASSERT_THAT(reader->Next(&event), IsOkAndHolds(true));
  EXPECT_FALSE(reader->MayHaveNext());
  ASSERT_OK(logs_->Append("b1", Output("b")));
  EXPECT_TRUE(reader->MayHaveNext());
}

TEST_F(EventLogTest, BuildsDoNotMix) {
  ASSERT_OK(logs_->Append("b1", Output("a")));
  ASSERT_OK(logs_->Append("b2", Output("b")));
  ASSERT_OK(logs_->Append("b2", Output("c")));
  EXPECT_THAT(Sequences("b1"), ElementsAre(1));
  EXPECT_THAT(Sequences("b2"), ElementsAre(1, 2));
}

TEST_F(EventLogTest, AMissingLogIsEmptyAndIsFollowedOnceItIsThere) {
  auto reader = std::move(logs_->Read("b1", 0)).value();
  EXPECT_THAT(Rest(reader.get()), ElementsAre());
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Last("b1"));
  EXPECT_EQ(last.sequence(), 0u);
  EXPECT_NE(access(Path().c_str(), F_OK), 0);
  Fill(2);
  EXPECT_THAT(Rest(reader.get()), ElementsAre(1, 2));
  Fill(1);
  EXPECT_THAT(Rest(reader.get()), ElementsAre(3));
}

TEST_F(EventLogTest, BeginWritesTheFirstEventOnceWithItsOwnTime) {
  v1::BuildEvent first;
  first.mutable_build_queued()->set_attempt(1);
  first.mutable_time()->set_seconds(1'600'000'000);
  std::atomic<int> wakes{0};
  auto subscription = logs_->Subscribe("b1", [&] { ++wakes; });
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        absl::StatusOr<v1::BuildEvent> last = logs_->Begin("b1", first);
        ASSERT_OK(last);
        EXPECT_EQ(last->sequence(), 1u);
        EXPECT_EQ(last->time().seconds(), 1'600'000'000);
        EXPECT_EQ(last->build_id(), "b1");
      });
    }
  }
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(Sequences(), ElementsAre(1));

  // A log that goes on, open or not, stays as it is.
  Fill(1);
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Begin("b1", first));
  EXPECT_EQ(last.sequence(), 2u);
  subscription.reset();
  Reopen();
  ASSERT_OK_AND_ASSIGN(last, logs_->Begin("b1", first));
  EXPECT_EQ(last.output().data(), "line 1");
  EXPECT_THAT(logs_->Begin("B/1", first), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(EventLogTest, BeginDoesNotReviveABuildThatEnded) {
  Fill(1);
  ASSERT_OK(logs_->Append("b1", Complete()));
  Reopen();
  v1::BuildEvent first;
  first.mutable_build_queued();
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Begin("b1", first));
  EXPECT_TRUE(last.has_build_complete());
  EXPECT_THAT(Sequences(), ElementsAre(1, 2));
}

TEST_F(EventLogTest, SaysWhoIsWatched) {
  EXPECT_THAT(logs_->Watched(), IsEmpty());
  Fill(1);
  auto reader = std::move(logs_->Read("b1", 0)).value();
  EXPECT_THAT(logs_->Watched(), IsEmpty());
  auto one = logs_->Subscribe("b1", [] {});
  auto two = logs_->Subscribe("b1", [] {});
  auto other = logs_->Subscribe("no-log-yet", [] {});
  EXPECT_THAT(logs_->Watched(), UnorderedElementsAre("b1", "no-log-yet"));
  one.reset();
  other.reset();
  EXPECT_THAT(logs_->Watched(), ElementsAre("b1"));
  two.reset();
  EXPECT_THAT(logs_->Watched(), IsEmpty());
}

TEST_F(EventLogTest, NamesAllLogs) {
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(IsEmpty()));
  Fill(1);
  ASSERT_OK(logs_->Append("b2", Complete()));
  ASSERT_OK(MakeDirectories(directory_.path() + "/Not-An-Id"));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(UnorderedElementsAre("b1", "b2")));
  ASSERT_OK(logs_->Remove("b1"));
  EXPECT_THAT(logs_->Ids(), IsOkAndHolds(ElementsAre("b2")));
}

TEST_F(EventLogTest, ReadsFromEveryAfter) {
  Fill(20);
  for (uint64_t after = 0; after <= 21; ++after) {
    std::vector<uint64_t> expected;
    for (uint64_t sequence = after + 1; sequence <= 20; ++sequence) {
      expected.push_back(sequence);
    }
    EXPECT_EQ(Sequences("b1", after), expected) << after;
  }
}

TEST_F(EventLogTest, AReaderThatIsAheadWaitsForItsEvent) {
  Fill(2);
  auto reader = std::move(logs_->Read("b1", 4)).value();
  EXPECT_THAT(Rest(reader.get()), ElementsAre());
  Fill(3);
  EXPECT_THAT(Rest(reader.get()), ElementsAre(5));
}

TEST_F(EventLogTest, NumbersGoOnAfterARestart) {
  Fill(3);
  Reopen();
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Last("b1"));
  EXPECT_EQ(last.output().data(), "line 3");
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent event, logs_->Append("b1", Output("x")));
  EXPECT_EQ(event.sequence(), 4u);
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3, 4));
}

TEST_F(EventLogTest, NumbersGoOnAfterClose) {
  Fill(2);
  auto reader = std::move(logs_->Read("b1", 0)).value();
  logs_->Close("b1");
  Fill(1);
  EXPECT_THAT(Rest(reader.get()), ElementsAre(1, 2, 3));
  logs_->Close("b1");
  logs_->Close("b1");
  logs_->Close("never-seen");
}

TEST_F(EventLogTest, NothingFollowsTheTerminalEvent) {
  Fill(1);
  ASSERT_OK(logs_->Append("b1", Complete()));
  EXPECT_THAT(logs_->Append("b1", Output("late")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("build b1 has ended")));
  logs_->Close("b1");
  EXPECT_THAT(logs_->Append("b1", Complete()), StatusIs(absl::StatusCode::kFailedPrecondition));
  Reopen();
  EXPECT_THAT(logs_->Append("b1", Complete()), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Last("b1"));
  EXPECT_TRUE(last.has_build_complete());
  EXPECT_EQ(last.sequence(), 2u);
  EXPECT_THAT(Sequences(), ElementsAre(1, 2));
}

TEST_F(EventLogTest, TerminalEventsAreThree) {
  v1::BuildEvent event;
  EXPECT_FALSE(IsTerminal(event));
  event.mutable_build_queued();
  EXPECT_FALSE(IsTerminal(event));
  event.mutable_build_failed();
  EXPECT_TRUE(IsTerminal(event));
  event.mutable_build_canceled();
  EXPECT_TRUE(IsTerminal(event));
  EXPECT_TRUE(IsTerminal(Complete()));
}

TEST_F(EventLogTest, ATornTailIsCutWhereverItIsTorn) {
  Fill(2);
  std::string two = LogContent();
  ASSERT_OK(logs_->Append("b1", Complete()));
  std::string three = LogContent();
  for (size_t size = two.size(); size < three.size(); ++size) {
    WriteLog(three.substr(0, size));
    EXPECT_THAT(Sequences(), ElementsAre(1, 2)) << size;
    auto early = std::move(logs_->Read("b1", 0)).value();
    EXPECT_THAT(Rest(early.get()), ElementsAre(1, 2)) << size;
    ASSERT_OK_AND_ASSIGN(v1::BuildEvent last, logs_->Last("b1"));
    EXPECT_EQ(last.sequence(), 2u);
    EXPECT_EQ(LogContent(), two);
    ASSERT_OK_AND_ASSIGN(v1::BuildEvent event, logs_->Append("b1", Output("again")));
    EXPECT_EQ(event.sequence(), 3u);
    EXPECT_THAT(Rest(early.get()), ElementsAre(3)) << size;
    EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3)) << size;
  }
}

TEST_F(EventLogTest, AppendCutsATornTailToo) {
  Fill(1);
  std::string one = LogContent();
  Fill(1);
  WriteLog(LogContent().substr(0, one.size() + 15));
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent event, logs_->Append("b1", Output("x")));
  EXPECT_EQ(event.sequence(), 2u);
  EXPECT_THAT(Sequences(), ElementsAre(1, 2));
}

TEST_F(EventLogTest, DamageInTheMiddleIsReportedAndLeftAlone) {
  Fill(1);
  size_t one = LogContent().size();
  Fill(1);
  size_t two = LogContent().size();
  Fill(1);
  std::string content = LogContent();
  for (size_t i = one; i < two; ++i) {
    std::string damaged = content;
    damaged[i] ^= 1;
    WriteLog(damaged);
    auto reader = std::move(logs_->Read("b1", 0)).value();
    v1::BuildEvent event;
    EXPECT_THAT(reader->Next(&event), IsOkAndHolds(true)) << i;
    EXPECT_THAT(reader->Next(&event), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Path())));
    EXPECT_THAT(logs_->Last("b1"), StatusIs(absl::StatusCode::kDataLoss)) << i;
    EXPECT_THAT(logs_->Append("b1", Output("x")), StatusIs(absl::StatusCode::kDataLoss)) << i;
    EXPECT_EQ(LogContent(), damaged);
  }
}

TEST_F(EventLogTest, ARecordWithAnotherNumberIsDamage) {
  v1::BuildEvent event;
  event.set_sequence(2);
  std::string payload = event.SerializeAsString();
  WriteLog(RecordHeader(payload) + payload);
  auto reader = std::move(logs_->Read("b1", 0)).value();
  EXPECT_THAT(reader->Next(&event), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(logs_->Last("b1"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(EventLogTest, BigEventsUpToTheLimit) {
  Fill(1);
  ASSERT_OK(logs_->Append("b1", Output(std::string(size_t{4'000'000}, 'x'))));
  EXPECT_THAT(logs_->Append("b1", Output(std::string(kMaxRecordPayload, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("limit of 4194304")));
  Fill(1);
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3));
  EXPECT_THAT(Sequences("b1", 2), ElementsAre(3));
}

TEST_F(EventLogTest, BytesStayAndTextBecomesUtf8) {
  v1::BuildEvent event;
  event.mutable_build_failed()->set_error("cannot open \"caf\xe9\"");
  event.mutable_build_failed()->mutable_detail()->set_subject("\xff");
  ASSERT_OK(logs_->Append("b1", Output("\xff\xfe")));
  ASSERT_OK(logs_->Append("b1", event));
  auto reader = std::move(logs_->Read("b1", 0)).value();
  ASSERT_THAT(reader->Next(&event), IsOkAndHolds(true));
  EXPECT_EQ(event.output().data(), "\xff\xfe");
  ASSERT_THAT(reader->Next(&event), IsOkAndHolds(true));
  EXPECT_EQ(event.build_failed().error(), "cannot open \"caf\xef\xbf\xbd\"");
  EXPECT_EQ(event.build_failed().detail().subject(), "\xef\xbf\xbd");
}

TEST_F(EventLogTest, RepeatedTextBecomesUtf8) {
  v1::BuildEvent event;
  event.mutable_build_plan()->add_stages()->add_instructions("RUN \xff");
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent written, logs_->Append("b1", event));
  EXPECT_EQ(written.build_plan().stages(0).instructions(0), "RUN \xef\xbf\xbd");
  EXPECT_THAT(Sequences(), ElementsAre(1));
}

TEST_F(EventLogTest, IdsThatAreNoFileNamesAreRefused) {
  for (const char* id : {"", "..", "../b1", "B1", "a/b", "a.b"}) {
    EXPECT_THAT(logs_->Append(id, Output("x")), StatusIs(absl::StatusCode::kInvalidArgument)) << id;
    EXPECT_THAT(logs_->Read(id, 0), StatusIs(absl::StatusCode::kInvalidArgument)) << id;
    EXPECT_THAT(logs_->Last(id), StatusIs(absl::StatusCode::kInvalidArgument)) << id;
    EXPECT_THAT(logs_->Remove(id), StatusIs(absl::StatusCode::kInvalidArgument)) << id;
  }
}

TEST_F(EventLogTest, RemoveTakesTheLogAndReadersGoOn) {
  Fill(2);
  auto reader = std::move(logs_->Read("b1", 1)).value();
  EXPECT_THAT(Rest(reader.get()), ElementsAre(2));
  ASSERT_OK(logs_->Remove("b1"));
  EXPECT_NE(access(Path().c_str(), F_OK), 0);
  v1::BuildEvent event;
  EXPECT_THAT(reader->Next(&event), StatusIs(absl::StatusCode::kNotFound, "the build was deleted"));
  ASSERT_OK(logs_->Remove("b1"));
}

TEST_F(EventLogTest, ARemovedLogIsReadToItsEndByWhoHasItOpen) {
  Fill(2);
  v1::BuildEvent event;
  event.mutable_build_canceled();
  ASSERT_OK(logs_->Append("b1", event));
  auto reader = std::move(logs_->Read("b1", 0)).value();
  ASSERT_THAT(reader->Next(&event), IsOkAndHolds(true));
  ASSERT_OK(logs_->Remove("b1"));
  EXPECT_THAT(Rest(reader.get()), ElementsAre(2, 3));
  EXPECT_THAT(reader->Next(&event), IsOkAndHolds(false));
}

TEST_F(EventLogTest, RemoveWakesWhoWaitsForALogToBegin) {
  std::atomic<int> wakes = 0;
  auto subscription = logs_->Subscribe("b1", [&] { ++wakes; });
  auto reader = std::move(logs_->Read("b1", 0)).value();
  v1::BuildEvent event;
  EXPECT_THAT(reader->Next(&event), IsOkAndHolds(false));
  ASSERT_OK(logs_->Remove("b1"));
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(reader->Next(&event), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(EventLogTest, AFailedWriteLeavesNothing) {
  Fill(2);
  std::string before = LogContent();
  // The file may grow by 100 bytes more: a part of the record is written, then EFBIG.
  signal(SIGXFSZ, SIG_IGN);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit tight = old;
  tight.rlim_cur = before.size() + 100;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  absl::Status status = logs_->Append("b1", Output(std::string(10'000, 'x'))).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(LogContent(), before);
  ASSERT_OK_AND_ASSIGN(v1::BuildEvent event, logs_->Append("b1", Output("x")));
  EXPECT_EQ(event.sequence(), 3u);
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3));
}

TEST_F(EventLogTest, TwoSubscribersAreWokenUntilTheyGo) {
  int first = 0;
  int second = 0;
  auto one = logs_->Subscribe("b1", [&first] { ++first; });
  auto two = logs_->Subscribe("b1", [&second] { ++second; });
  Fill(2);
  ASSERT_OK(logs_->Append("b2", Output("of another build")));
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 2);
  one.reset();
  Fill(1);
  logs_->Close("b1");
  Fill(1);
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 4);
  EXPECT_THAT(logs_->Append("b1", Output(std::string(kMaxRecordPayload, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(second, 4);
}

TEST_F(EventLogTest, AnEventIsReadableWhenItsWatcherIsWoken) {
  auto reader = std::move(logs_->Read("b1", 0)).value();
  std::vector<uint64_t> seen;
  auto subscription = logs_->Subscribe("b1", [&] {
    for (uint64_t sequence : Rest(reader.get())) {
      seen.push_back(sequence);
    }
  });
  Fill(2);
  ASSERT_OK(logs_->Append("b1", Complete()));
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

TEST_F(EventLogTest, DestroyingASubscriptionWaitsForTheCallUnderWay) {
  Mutex mutex;
  CondVar changed;
  bool called = false;
  bool released = false;
  std::atomic<bool> returned{false};
  auto subscription = logs_->Subscribe("b1", [&] {
    MutexLock lock(&mutex);
    called = true;
    changed.NotifyAll();
    changed.Wait(&mutex, {}, [&] { return released; });
    returned = true;
  });
  std::jthread appender([&] { EXPECT_OK(logs_->Append("b1", Output("x"))); });
  {
    MutexLock lock(&mutex);
    changed.Wait(&mutex, {}, [&] { return called; });
  }
  std::jthread releaser([&] {
    MutexLock lock(&mutex);
    released = true;
    changed.NotifyAll();
  });
  subscription.reset();
  EXPECT_TRUE(returned);
}

// Reads to the terminal event, sleeping until woken.
void Follow(EventLogs* logs, uint64_t after, std::vector<uint64_t>* sequences) {
  Mutex mutex;
  CondVar changed;
  bool woken = false;
  auto subscription = logs->Subscribe("b1", [&] {
    MutexLock lock(&mutex);
    woken = true;
    changed.NotifyAll();
  });
  auto reader = std::move(logs->Read("b1", after)).value();
  v1::BuildEvent event;
  while (true) {
    absl::StatusOr<bool> found = reader->Next(&event);
    ASSERT_OK(found);
    if (*found) {
      sequences->push_back(event.sequence());
      if (IsTerminal(event)) {
        return;
      }
      continue;
    }
    MutexLock lock(&mutex);
    changed.Wait(&mutex, {}, [&] { return woken; });
    woken = false;
  }
}

TEST_F(EventLogTest, FollowersSeeEveryEventOfConcurrentWriters) {
  constexpr uint64_t kWriters = 4;
  constexpr uint64_t kEach = 200;
  std::vector<std::vector<uint64_t>> seen(6);
  {
    std::vector<std::jthread> followers;
    for (size_t i = 0; i < seen.size(); ++i) {
      followers.emplace_back([this, i, &seen] { Follow(logs_.get(), i, &seen[i]); });
    }
    {
      std::vector<std::jthread> writers;
      for (uint64_t i = 0; i < kWriters; ++i) {
        writers.emplace_back([this] { Fill(kEach); });
      }
    }
    ASSERT_OK(logs_->Append("b1", Complete()));
    logs_->Close("b1");
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    std::vector<uint64_t> expected;
    for (uint64_t sequence = i + 1; sequence <= kWriters * kEach + 1; ++sequence) {
      expected.push_back(sequence);
    }
    EXPECT_EQ(seen[i], expected) << i;
  }
}

}  // namespace
}  // namespace zlayer
