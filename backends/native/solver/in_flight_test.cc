#include "backends/native/solver/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "backends/native/testing/gate.h"
#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

const Digest kKey = Digest::Of("key");

v1::BuildEvent Line(std::string text) {
  v1::BuildEvent event;
  event.mutable_output()->set_data(std::move(text));
  return event;
}

// One who wants the work, on a task of the pool.
class Caller {
 public:
  void Start(ThreadPool* pool, InFlight* flights, const Digest& key, std::string build,
             const InFlight::Work& work) {
    pool->Submit([=, this, build = std::move(build)] {
      result = flights->Share(
          key, build, work, [this](v1::BuildEvent event) { Hear(std::move(event)); },
          stop.get_token());
      done.Open();
    });
  }

  void Hear(v1::BuildEvent event) {
    if (event.has_instruction_waiting()) {
      waits_for = event.instruction_waiting().build_id();
      waiting.Open();
    } else {
      lines.push_back(event.output().data());
      heard.Open();
    }
  }

  absl::StatusOr<FlightResult> result = Internal("not ended");
  std::vector<std::string> lines;
  std::string waits_for;
  std::stop_source stop;
  Gate waiting;
  Gate heard;
  Gate done;
};

class InFlightTest : public ::testing::Test {
 protected:
  ThreadPool pool_{4};
  InFlight flights_{&pool_};
  std::atomic<int> runs_ = 0;
  Gate begun_;
  Gate may_end_;

  // Says "one", waits for the test, says "two" and ends.
  InFlight::Work Talk() {
    return [this](const StepSink& sink, std::stop_token stop) -> absl::StatusOr<StepResult> {
      ++runs_;
      sink(Line("one"));
      begun_.Open();
      if (!may_end_.Wait(stop)) {
        return Cancelled("stopped");
      }
      sink(Line("two"));
      StepResult result;
      result.created_ns = 7;
      return result;
    };
  }
};

TEST_F(InFlightTest, WhatSeveralWantIsDoneOnceAndToldToAll) {
  Caller first, second, third;
  first.Start(&pool_, &flights_, kKey, "a", Talk());
  first.heard.Wait();
  second.Start(&pool_, &flights_, kKey, "b", Talk());
  third.Start(&pool_, &flights_, kKey, "c", Talk());
  second.waiting.Wait();
  third.waiting.Wait();
  may_end_.Open();
  for (Caller* caller : {&first, &second, &third}) {
    caller->done.Wait();
    ASSERT_OK(caller->result);
    EXPECT_EQ(caller->result->result.created_ns, 7);
    EXPECT_THAT(caller->lines, ElementsAre("one", "two"));
  }
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(first.result->shared_with, "");
  EXPECT_EQ(second.result->shared_with, "a");
  EXPECT_EQ(second.waits_for, "a");
}

TEST_F(InFlightTest, OtherKeysAreOtherWork) {
  Caller first, second;
  first.Start(&pool_, &flights_, kKey, "a", Talk());
  second.Start(&pool_, &flights_, Digest::Of("other"), "b", Talk());
  first.heard.Wait();
  second.heard.Wait();
  may_end_.Open();
  first.done.Wait();
  second.done.Wait();
  EXPECT_EQ(runs_, 2);
}

TEST_F(InFlightTest, WhoComesLaterBeginsAnew) {
  may_end_.Open();
  for (int i = 1; i <= 3; ++i) {
    Caller caller;
    caller.Start(&pool_, &flights_, kKey, "a", Talk());
    caller.done.Wait();
    EXPECT_OK(caller.result);
    EXPECT_EQ(runs_, i);
  }
}

TEST_F(InFlightTest, TheWorkGoesOnWhenTheOneWhoBeganItGoes) {
  Caller first, second;
  first.Start(&pool_, &flights_, kKey, "a", Talk());
  first.heard.Wait();
  second.Start(&pool_, &flights_, kKey, "b", Talk());
  second.waiting.Wait();
  first.stop.request_stop();
  first.done.Wait();
  EXPECT_THAT(first.result, StatusIs(absl::StatusCode::kCancelled));
  may_end_.Open();
  second.done.Wait();
  ASSERT_OK(second.result);
  EXPECT_THAT(second.lines, ElementsAre("one", "two"));
  EXPECT_EQ(runs_, 1);
}

TEST_F(InFlightTest, AWaiterWhoGoesChangesNothing) {
  Caller first, second;
  first.Start(&pool_, &flights_, kKey, "a", Talk());
  first.heard.Wait();
  second.Start(&pool_, &flights_, kKey, "b", Talk());
  second.waiting.Wait();
  second.stop.request_stop();
  second.done.Wait();
  EXPECT_THAT(second.result, StatusIs(absl::StatusCode::kCancelled));
  may_end_.Open();
  first.done.Wait();
  EXPECT_OK(first.result);
}

TEST_F(InFlightTest, TheWorkEndsBeforeTheLastOneGoes) {
  std::atomic<bool> ended = false;
  const auto held = std::make_shared<int>(0);
  Caller first, second;
  const InFlight::Work work = [&, held](const StepSink&,
                                        std::stop_token stop) -> absl::StatusOr<StepResult> {
    begun_.Open();
    may_end_.Wait(stop);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended = true;
    return Cancelled("stopped");
  };
  first.Start(&pool_, &flights_, kKey, "a", work);
  begun_.Wait();
  second.Start(&pool_, &flights_, kKey, "b", work);
  second.waiting.Wait();
  first.stop.request_stop();
  first.done.Wait();
  EXPECT_FALSE(ended);
  second.stop.request_stop();
  second.done.Wait();
  EXPECT_TRUE(ended);
}

TEST_F(InFlightTest, AFailureIsEveryones) {
  Caller first, second;
  const InFlight::Work work = [&](const StepSink&,
                                  std::stop_token stop) -> absl::StatusOr<StepResult> {
    begun_.Open();
    may_end_.Wait(stop);
    return FailedPrecondition("the disk is full");
  };
  first.Start(&pool_, &flights_, kKey, "a", work);
  begun_.Wait();
  second.Start(&pool_, &flights_, kKey, "b", work);
  second.waiting.Wait();
  may_end_.Open();
  for (Caller* caller : {&first, &second}) {
    caller->done.Wait();
    EXPECT_THAT(caller->result,
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("disk is full")));
  }
}

TEST_F(InFlightTest, MuchOutputIsHeardWholeByThoseWhoListen) {
  constexpr int kLines = 20'000;
  const std::string text(1000, 'x');
  Caller caller;
  caller.Start(&pool_, &flights_, kKey, "a",
               [&](const StepSink& sink, std::stop_token) -> absl::StatusOr<StepResult> {
                 for (int i = 0; i < kLines; ++i) {
                   sink(Line(text));
                 }
                 return StepResult();
               });
  caller.done.Wait();
  EXPECT_THAT(caller.lines, SizeIs(kLines));
}

TEST_F(InFlightTest, WhoJoinsHearsTheEndOfWhatWasSaid) {
  const std::string text(1000, 'x');
  Caller first, second;
  first.Start(&pool_, &flights_, kKey, "a",
              [&](const StepSink& sink, std::stop_token stop) -> absl::StatusOr<StepResult> {
                sink(Line("first"));
                for (int i = 0; i < 2000; ++i) {
                  sink(Line(text));
                }
                sink(Line("last"));
                begun_.Open();
                may_end_.Wait(stop);
                return StepResult();
              });
  begun_.Wait();
  second.Start(&pool_, &flights_, kKey, "b", Talk());
  second.waiting.Wait();
  may_end_.Open();
  second.done.Wait();
  first.done.Wait();
  EXPECT_THAT(first.lines, SizeIs(2002));
  ASSERT_FALSE(second.lines.empty());
  EXPECT_EQ(second.lines.back(), "last");
}

}  // namespace
}  // namespace zlayer
