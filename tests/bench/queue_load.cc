// The client of queue.sh: many calls in flight over several connections, and how long they took.
//
//   queue_load ADDRESS submit COUNT    submits small builds that nobody watches; prints their ids
//   queue_load ADDRESS cancel          cancels the builds whose ids are on standard input
//
// Calls a second go to standard error.
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "zlayer/v1/build.grpc.pb.h"

namespace zlayer {
namespace {

constexpr size_t kConnections = 4;
constexpr size_t kCallsInFlight = 64;

class Load {
 public:
  explicit Load(const std::string& address) {
    for (size_t i = 0; i < kConnections; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
      stubs_.push_back(v1::BuildService::NewStub(
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
    }
  }

  // Calls `start` for 0 to `count` - 1, some at a time; each call ends with `done`. Returns how
  // many failed.
  using Start = std::function<void(v1::BuildService::Stub& stub, size_t number,
                                   std::function<void(const grpc::Status&)> done)>;
  size_t Run(size_t count, Start start) {
    count_ = count;
    start_ = std::move(start);
    left_ = count;
    const int64_t begin = MonotonicNs();
    for (size_t i = 0; i < std::min(count, kCallsInFlight); ++i) {
      Next();
    }
    if (count > 0) {
      all_.get_future().wait();
    }
    const double seconds = static_cast<double>(MonotonicNs() - begin) / 1e9;
    fmt::print(stderr, "{} calls in {:.2f} s, {:.0f} a second, {} failed\n", count, seconds,
               static_cast<double>(count) / seconds, failed_.load());
    return failed_;
  }

 private:
  void Next() {
    const size_t number = next_++;
    if (number >= count_) {
      return;
    }
    start_(*stubs_[number % kConnections], number, [this](const grpc::Status& status) {
      if (!status.ok() && failed_++ == 0) {
        fmt::print(stderr, "{}\n", status.error_message());
      }
      Next();
      if (--left_ == 0) {
        all_.set_value();
      }
    });
  }

  std::vector<std::unique_ptr<v1::BuildService::Stub>> stubs_;
  Start start_;
  size_t count_ = 0;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> left_{0};
  std::atomic<size_t> failed_{0};
  std::promise<void> all_;
};

template <typename Request, typename Response>
struct Call {
  grpc::ClientContext context;
  Request request;
  Response response;
};

int Submit(Load& load, size_t count) {
  std::vector<std::string> ids(count);
  size_t failed = load.Run(count, [&ids](v1::BuildService::Stub& stub, size_t number, auto done) {
    auto call = std::make_shared<Call<v1::SubmitBuildRequest, v1::SubmitBuildResponse>>();
    v1::BuildSpec& spec = *call->request.mutable_spec();
    spec.add_tags(fmt::format("load:{}", number));
    spec.mutable_dockerfile_inline()->set_content("FROM scratch\nLABEL load=1\n");
    call->request.set_namespace_(fmt::format("load-{}", number % 4));
    stub.async()->SubmitBuild(&call->context, &call->request, &call->response,
                              [&ids, number, call, done](const grpc::Status& status) {
                                ids[number] = call->response.build_id();
                                done(status);
                              });
  });
  for (const std::string& id : ids) {
    fmt::print("{}\n", id);
  }
  return failed == 0 ? 0 : 1;
}

int Cancel(Load& load) {
  std::vector<std::string> ids;
  for (std::string id; std::getline(std::cin, id);) {
    ids.push_back(id);
  }
  return load.Run(ids.size(),
                  [&ids](v1::BuildService::Stub& stub, size_t number, auto done) {
                    auto call = std::make_shared<Call<v1::CancelBuildRequest, v1::BuildStatus>>();
                    call->request.set_build_id(ids[number]);
                    stub.async()->CancelBuild(
                        &call->context, &call->request, &call->response,
                        [call, done](const grpc::Status& status) { done(status); });
                  }) == 0
             ? 0
             : 1;
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[1] == "submit" && ParseUint(arguments[2]).has_value()) {
    Load load(arguments[0]);
    return Submit(load, *ParseUint(arguments[2]));
  }
  if (arguments.size() == 2 && arguments[1] == "cancel") {
    Load load(arguments[0]);
    return Cancel(load);
  }
  fmt::print(stderr, "queue_load ADDRESS submit COUNT | queue_load ADDRESS cancel\n");
  return 2;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  return zlayer::Main(std::vector<std::string>(argv + 1, argv + argc));
}
