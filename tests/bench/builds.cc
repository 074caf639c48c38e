// Many builds over one connection: how long they took, and how often something was executed.
//
//   builds ADDRESS COUNT PARALLEL < DOCKERFILE
//
// In the Dockerfile, "@N@" becomes the build's number, from 0. Prints one line: seconds,
// instructions that were executed (not found in the cache, and not taken over from another build),
// images that differ.
#include <fmt/format.h>

#include <atomic>
#include <iostream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "client/lib/client.h"

namespace zlayer {
namespace {

std::string Numbered(std::string text, size_t number) {
  constexpr std::string_view kMark = "@N@";
  for (size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.replace(at, kMark.size(), fmt::format("{}", number));
  }
  return text;
}

class Builds {
 public:
  Builds(Client& client, std::string dockerfile, size_t count)
      : client_(client), dockerfile_(std::move(dockerfile)), count_(count) {}

  // On as many threads as builds are to be under way.
  void Run() {
    for (size_t number = next_++; number < count_; number = next_++) {
      v1::SubmitBuildRequest request;
      request.mutable_spec()->add_tags(fmt::format("builds:{}", number));
      request.mutable_spec()->mutable_dockerfile_inline()->set_content(
          Numbered(dockerfile_, number));
      absl::StatusOr<v1::BuildComplete> image =
          client_.Build(request, [this](const v1::BuildEvent& event) {
            if (event.has_instruction_complete() && !event.instruction_complete().cached()) {
              ++executed_;
            }
          });
      MutexLock lock(&mutex_);
      if (image.ok()) {
        images_.insert(image->image_id());
      } else if (error_.empty()) {
        error_ = Message(image.status());
      }
    }
  }

  // After all threads ended.
  size_t executed() const { return executed_; }
  size_t images() {
    MutexLock lock(&mutex_);
    return images_.size();
  }
  std::string error() {
    MutexLock lock(&mutex_);
    return error_;
  }

 private:
  Client& client_;
  const std::string dockerfile_;
  const size_t count_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> executed_{0};

  Mutex mutex_;
  std::set<std::string> images_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);
};

int Main(const std::vector<std::string>& arguments) {
  if (arguments.size() != 3 || !ParseUint(arguments[1]) || !ParseUint(arguments[2])) {
    fmt::print(stderr, "builds ADDRESS COUNT PARALLEL < DOCKERFILE\n");
    return 2;
  }
  auto client = Client::Open({.address = arguments[0]});
  if (!client.ok()) {
    fmt::print(stderr, "{}\n", Message(client.status()));
    return 1;
  }
  std::string dockerfile{std::istreambuf_iterator<char>(std::cin), {}};
  Builds builds(**client, std::move(dockerfile), *ParseUint(arguments[1]));
  const int64_t begin = MonotonicNs();
  std::vector<std::jthread> threads(*ParseUint(arguments[2]));
  for (std::jthread& thread : threads) {
    thread = std::jthread([&builds] { builds.Run(); });
  }
  threads.clear();
  fmt::print("{:.6f} {} {}\n", static_cast<double>(MonotonicNs() - begin) / 1e9, builds.executed(),
             builds.images());
  if (!builds.error().empty()) {
    fmt::print(stderr, "{}\n", builds.error());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  return zlayer::Main(std::vector<std::string>(argv + 1, argv + argc));
}
