#include "client/cli/build_followers.h"

#include <utility>

namespace zlayer {
namespace {

constexpr size_t kMostAtOnce = 32;

}  // namespace

void BuildFollowers::Begin(const std::string& image, const std::string& build_id) {
  Finish(image);
  waiting_[image] = build_id;
  StartWaiting();
}

void BuildFollowers::Finish(const std::string& image) {
  if (auto waiting = waiting_.find(image); waiting != waiting_.end()) {
    Follow(image, waiting->second);
    waiting_.erase(waiting);
  }
  running_.erase(image);  // joins
  StartWaiting();
}

void BuildFollowers::StartWaiting() {
  while (!waiting_.empty() && running_.size() < kMostAtOnce) {
    auto next = waiting_.extract(waiting_.begin());
    running_[next.key()] =
        std::jthread([this, image = next.key(), build = next.mapped()] { Follow(image, build); });
  }
}

// What it cannot be told of a build the pipeline's own events say.
void BuildFollowers::Follow(const std::string& image, const std::string& build_id) {
  v1::WatchBuildRequest request;
  request.set_build_id(build_id);
  FollowBuild(
      connection_, request, [&](const v1::BuildEvent& event) { handler_(image, event); },
      FollowOptions(), stop_)
      .status()
      .IgnoreError();
}

}  // namespace zlayer
