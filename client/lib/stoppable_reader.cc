#include "client/lib/stoppable_reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kChunk = size_t{64} << 10;

}  // namespace

void StoppableReader::Wake::operator()() const {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(fd, &one, sizeof one);
}

StoppableReader::StoppableReader(int fd, std::stop_token stop)
    : fd_(fd),
      stop_(stop),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      callback_(std::move(stop), Wake{wake_.get()}) {}

absl::StatusOr<size_t> StoppableReader::Read(char* buffer, size_t size) {
  while (true) {
    pollfd waits[2] = {{fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) {
      return ErrnoError("waiting for input");
    }
    if (stop_.stop_requested()) {
      return Cancelled("the reading of the input was interrupted");
    }
    if (waits[0].revents == 0) {
      continue;
    }
    ssize_t count = read(fd_, buffer, size);
    if (count >= 0) {
      return static_cast<size_t>(count);
    }
    if (errno != EINTR && errno != EAGAIN) {
      return ErrnoError("reading");
    }
  }
}

absl::StatusOr<std::string> StoppableReader::ReadAll(size_t limit) {
  std::string content;
  std::vector<char> buffer(kChunk);
  while (true) {
    ASSIGN_OR_RETURN(size_t count, Read(buffer.data(), buffer.size()));
    if (count == 0) {
      return content;
    }
    if (content.size() + count > limit) {
      return ResourceExhausted(fmt::format("larger than the limit of {} bytes", limit));
    }
    content.append(buffer.data(), count);
  }
}

}  // namespace zlayer
