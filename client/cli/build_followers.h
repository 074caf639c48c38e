// Follows the builds of a pipeline's images, several at a time.
#ifndef ZLAYER_CLIENT_CLI_BUILD_FOLLOWERS_H_
#define ZLAYER_CLIENT_CLI_BUILD_FOLLOWERS_H_

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <thread>

#include "client/lib/build_follower.h"
#include "client/lib/connection.h"

namespace zlayer {

// Of one thread, but that `handler` is called by threads of this object, several at a time for
// several images.
class BuildFollowers {
 public:
  using Handler = std::function<void(const std::string& image, const v1::BuildEvent& event)>;

  // Nothing is followed after `stop`.
  BuildFollowers(Connection& connection, Handler handler, std::stop_token stop)
      : connection_(connection), handler_(std::move(handler)), stop_(std::move(stop)) {}
  // Waits for what is followed; builds that go on hold it up until `stop`.
  ~BuildFollowers() = default;

  // The image has this build now. Beyond some builds at a time it is followed later.
  void Begin(const std::string& image, const std::string& build_id);
  // The image's build has ended: returns when all of its events were handled.
  void Finish(const std::string& image);

 private:
  void Follow(const std::string& image, const std::string& build_id);
  void StartWaiting();

  Connection& connection_;
  const Handler handler_;
  const std::stop_token stop_;
  std::map<std::string, std::string> waiting_;  // builds by image
  std::map<std::string, std::jthread> running_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_BUILD_FOLLOWERS_H_
