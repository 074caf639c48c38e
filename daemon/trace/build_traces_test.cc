#include "daemon/trace/build_traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Property;
using ::testing::SizeIs;
using ::testing::StrEq;

class NoonClock : public Clock {
 public:
  int64_t NowNs() const override { return 1'700'000'000'000'000'000; }
};

class BuildTracesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "traces-"));
    ASSERT_OK(MakeDirectories(directory_.path() + "/b1"));
    traces_ = std::make_unique<BuildTraces>(directory_.path(), &clock_);
  }

  std::vector<v1::Span> Spans() {
    std::vector<v1::Span> spans;
    absl::StatusOr<std::string> encoded = traces_->Read("b1");
    EXPECT_OK(encoded);
    EXPECT_OK(ForEachSpan(encoded.ok() ? *encoded : "", [&](v1::Span span) {
      spans.push_back(std::move(span));
      return absl::OkStatus();
    }));
    return spans;
  }

  std::string File() const { return directory_.path() + "/b1/trace"; }

  NoonClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<BuildTraces> traces_;
};

TEST_F(BuildTracesTest, SpansAreThereWhileTheBuildRunsAndAfter) {
  std::shared_ptr<SpanSink> sink = traces_->Begin("b1");
  EXPECT_THAT(Spans(), IsEmpty());
  const int64_t now = MonotonicNs();
  sink->Add("plan", "the \xff file", now, now + 1'500'000);
  { const ScopedSpan span(sink.get(), "commit"); }
  { const ScopedSpan span(nullptr, "ignored", "x"); }
  for (bool ended : {false, true}) {
    const std::vector<v1::Span> spans = Spans();
    ASSERT_THAT(spans, SizeIs(2)) << ended;
    EXPECT_EQ(spans[0].name(), "plan");
    EXPECT_EQ(spans[0].subject(), "the \xEF\xBF\xBD file");
    EXPECT_EQ(spans[0].begin().seconds(), 1'700'000'000);
    EXPECT_EQ(spans[0].duration().nanos(), 1'500'000);
    EXPECT_EQ(spans[1].name(), "commit");
    EXPECT_EQ(spans[1].lane(), spans[0].lane());
    traces_->End("b1");
  }
  sink->Add("digest", "too late", now, now);
  EXPECT_THAT(Spans(), SizeIs(2));
}

TEST_F(BuildTracesTest, EachThreadIsALane) {
  std::shared_ptr<SpanSink> sink = traces_->Begin("b1");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) {
          const ScopedSpan span(sink.get(), "step", "RUN x");
        }
      });
    }
  }
  std::map<uint32_t, int> lanes;
  for (const v1::Span& span : Spans()) {
    ++lanes[span.lane()];
  }
  EXPECT_LE(lanes.size(), 4u);
  EXPECT_LT(lanes.rbegin()->first, 4u);
}

TEST_F(BuildTracesTest, TooManyAreCounted) {
  std::shared_ptr<SpanSink> sink = traces_->Begin("b1");
  for (size_t i = 0; i < BuildTraces::kMaxSpans + 7; ++i) {
    sink->Add("step", std::string(1000, 'x'), 5, 9);
  }
  traces_->End("b1");
  std::vector<v1::Span> spans = Spans();
  ASSERT_THAT(spans, SizeIs(BuildTraces::kMaxSpans + 1));
  EXPECT_EQ(spans.back().name(), "dropped");
  EXPECT_EQ(spans.back().subject(), "7 further spans");
  EXPECT_EQ(spans.back().duration().nanos(), 4);
  spans.pop_back();
  EXPECT_THAT(spans, Each(Property(&v1::Span::subject, StrEq(std::string(100, 'x')))));
}

TEST_F(BuildTracesTest, ATornFileIsReadAsFarAsItGoes) {
  std::shared_ptr<SpanSink> sink = traces_->Begin("b1");
  for (int i = 0; i < 3; ++i) {
    sink->Add("step", "x", 0, 1);
  }
  traces_->End("b1");
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(File()));
  ASSERT_OK(WriteFileAtomically(File(), bytes.substr(0, bytes.size() - 4)));
  EXPECT_THAT(Spans(), SizeIs(2));
  ASSERT_OK(WriteFileAtomically(File(), "\xff\xff\xff\xff\xff\xff"));
  EXPECT_THAT(Spans(), IsEmpty());
}

TEST_F(BuildTracesTest, WithoutADirectoryThereIsNoTrace) {
  traces_->Begin("deleted");
  traces_->End("deleted");
  EXPECT_THAT(traces_->Read("deleted"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(traces_->Read("b1"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace zlayer
