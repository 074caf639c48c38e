#include "client/progress/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>

#include "base/strings.h"

namespace zlayer {
namespace {

// Written by signal handlers: lock-free, so that they may be.
std::atomic<bool> suspend = false;
std::atomic<bool> continued = false;

void OnSuspend(int) { suspend = true; }
void OnContinue(int) { continued = true; }

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool SaysUtf8(const EnvironmentReader& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = ToLower(environment(name).value_or(""));
    if (!value.empty()) {
      return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
    }
  }
  return false;
}

}  // namespace

std::optional<View> DrawableTerminal(int fd, const EnvironmentReader& environment) {
  const std::string kind = environment("TERM").value_or("");
  if (isatty(fd) == 0 || kind.empty() || kind == "dumb") {
    return std::nullopt;
  }
  View view;
  view.colour = environment("NO_COLOR").value_or("").empty();
  view.unicode = SaysUtf8(environment);
  return view;
}

void ReadSize(int fd, View* view) {
  struct winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    view->width = size.ws_col;
    view->height = size.ws_row;
  }
}

bool IsForeground(int fd) {
  const pid_t group = tcgetpgrp(fd);
  return group < 0 || group == getpgrp();  // negative: the terminal of another session
}

JobSignals::JobSignals() {
  suspend = false;
  continued = false;
  struct sigaction before = {};
  sigaction(SIGTSTP, nullptr, &before);
  handles_suspend_ = before.sa_handler != SIG_IGN;
  if (handles_suspend_) {
    Handle(SIGTSTP, OnSuspend);
  }
  Handle(SIGCONT, OnContinue);
}

JobSignals::~JobSignals() {
  if (handles_suspend_) {
    Handle(SIGTSTP, SIG_DFL);
  }
  Handle(SIGCONT, SIG_DFL);
}

bool JobSignals::TakeSuspend() { return suspend.exchange(false); }
bool JobSignals::TakeContinue() { return continued.exchange(false); }

void JobSignals::Suspend() {
  Handle(SIGTSTP, SIG_DFL);
  raise(SIGTSTP);  // to this thread, so that the process has stopped once this returns
  Handle(SIGTSTP, OnSuspend);
}

}  // namespace zlayer
