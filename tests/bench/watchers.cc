// Follows one build with many watchers at once and reports how late its output reaches them.
//
//   watchers ADDRESS BUILD WATCHERS CONNECTIONS
//
// Counts the output that was written after every watcher had its first event, so that it is the
// daemon's following that is measured and not its replay. Exits with 1 where a watcher missed an
// event or saw one twice.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "zlayer/v1/build.grpc.pb.h"

namespace zlayer {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Shared {
  explicit Shared(ptrdiff_t watchers) : waiting(watchers), done(watchers) {}
  std::atomic<ptrdiff_t> waiting;  // for their first event
  std::atomic<int64_t> all_follow_ns{0};
  std::atomic<uint64_t> wrong{0};
  std::latch done;
};

class Watcher : public grpc::ClientReadReactor<v1::BuildEvent> {
 public:
  Watcher(v1::BuildService::Stub* stub, const std::string& build, Shared* shared)
      : shared_(*shared) {
    request_.set_build_id(build);
    stub->async()->WatchBuild(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return;
    }
    if (event_.sequence() != ++sequence_) {
      ++shared_.wrong;
    }
    if (sequence_ == 1 && --shared_.waiting == 0) {
      shared_.all_follow_ns = NowNs();
    }
    const int64_t written = event_.time().seconds() * 1'000'000'000 + event_.time().nanos();
    const int64_t from = shared_.all_follow_ns;
    if (event_.has_output() && from != 0 && written > from) {
      delays_ns_.push_back(NowNs() - written);
    }
    ended_ = event_.has_build_complete();
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    if (!status.ok() || !ended_) {
      fmt::print(stderr, "a watcher ended early: {}\n", status.error_message());
      ++shared_.wrong;
    }
    shared_.done.count_down();
  }

  const std::vector<int64_t>& delays_ns() const { return delays_ns_; }

 private:
  Shared& shared_;
  grpc::ClientContext context_;
  v1::WatchBuildRequest request_;
  v1::BuildEvent event_;
  uint64_t sequence_ = 0;
  bool ended_ = false;
  std::vector<int64_t> delays_ns_;
};

int Run(const std::string& address, const std::string& build, int watchers, int connections) {
  std::vector<std::unique_ptr<v1::BuildService::Stub>> stubs;
  for (int i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    stubs.push_back(v1::BuildService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
  }
  Shared shared(watchers);
  std::vector<std::unique_ptr<Watcher>> all;
  for (int i = 0; i < watchers; ++i) {
    all.push_back(std::make_unique<Watcher>(stubs[static_cast<size_t>(i % connections)].get(),
                                            build, &shared));
  }
  shared.done.wait();
  std::vector<int64_t> delays;
  for (const auto& watcher : all) {
    delays.insert(delays.end(), watcher->delays_ns().begin(), watcher->delays_ns().end());
  }
  std::sort(delays.begin(), delays.end());
  if (delays.empty()) {
    fmt::print(stderr, "the build wrote nothing while all watched\n");
    return 1;
  }
  auto at = [&delays](double share) {
    const auto last = static_cast<double>(delays.size() - 1);
    return static_cast<double>(delays[static_cast<size_t>(last * share)]) / 1e6;
  };
  fmt::print(
      "{} watchers, {} events each: delay 50 % {:.1f} ms, 99 % {:.1f} ms, max {:.1f} ms; {} "
      "wrong\n",
      watchers, delays.size() / static_cast<size_t>(watchers), at(0.5), at(0.99), at(1),
      shared.wrong.load());
  return shared.wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: watchers ADDRESS BUILD WATCHERS CONNECTIONS\n");
    return 2;
  }
  return zlayer::Run(argv[1], argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
}
