#include "client/cli/interrupts.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace zlayer {
namespace {

// Written by the signal handler: lock-free, so that it may be.
std::atomic<int> event_fd = -1;
std::atomic<bool> interrupted = false;
std::atomic<const char*> last_words = nullptr;

void Wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(event_fd.load(), &one, sizeof one);
}

void OnSignal(int) {
  int saved = errno;
  if (interrupted.exchange(true)) {
    if (const char* text = last_words; text != nullptr) {
      [[maybe_unused]] ssize_t written = write(STDOUT_FILENO, text, strlen(text));
    }
    _exit(kInterruptedExitCode);
  }
  Wake();
  errno = saved;
}

void Handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void SayBeforeExit(const char* text) { last_words = text; }

Interrupts::Interrupts() : event_(eventfd(0, EFD_CLOEXEC)) {
  event_fd = event_.get();
  interrupted = false;
  thread_ = std::jthread([this] { Watch(); });
  Handle(OnSignal);
}

Interrupts::~Interrupts() {
  Handle(SIG_DFL);
  Wake();
  thread_.join();
  event_fd = -1;
}

void Interrupts::Watch() {
  uint64_t count;
  while (read(event_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  if (interrupted) {
    source_.request_stop();
  }
}

}  // namespace zlayer
