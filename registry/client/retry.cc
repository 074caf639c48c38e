#include "registry/client/retry.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kMsPerSecond = 1000;

absl::Status Sleep(int64_t ms, const std::stop_token& stop) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  never.WaitFor(&mutex, std::chrono::milliseconds(ms), stop, [] { return false; });
  return stop.stop_requested() ? TransferCancelled() : absl::OkStatus();
}

int64_t Seconds(int64_t ms) { return ms / kMsPerSecond + (ms % kMsPerSecond != 0 ? 1 : 0); }

}  // namespace

absl::Status TransferCancelled() { return Cancelled("the transfer was canceled"); }

bool MayPass(int http_status) {
  switch (http_status) {
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

std::optional<int64_t> ParseRetryAfter(std::string_view text, int64_t now_ns) {
  text = Trim(text);
  if (const std::optional<uint64_t> seconds = ParseUint(text)) {
    constexpr uint64_t kMost = std::numeric_limits<int64_t>::max() / kMsPerSecond;
    return static_cast<int64_t>(std::min(*seconds, kMost)) * kMsPerSecond;
  }
  tm parts = {};
  const std::string date(text);
  const char* end = strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') {
    return std::nullopt;
  }
  return std::max<int64_t>(0, timegm(&parts) * kMsPerSecond - now_ns / kNsPerMs);
}

Retry::Retry(RetryLimits limits, uint64_t seed)
    : limits_(limits), random_(seed != 0 ? seed : std::random_device()()) {}

int64_t Retry::DelayMs(int attempt, int64_t retry_after_ms) {
  int64_t delay = std::min(limits_.delay_ms, limits_.max_delay_ms);
  for (int i = 1; i < attempt && delay < limits_.max_delay_ms; ++i) {
    delay = std::min(2 * delay, limits_.max_delay_ms);
  }
  MutexLock lock(&mutex_);
  const int64_t pause = std::uniform_int_distribution<int64_t>(delay / 2, delay)(random_);
  return std::max(pause, retry_after_ms);
}

absl::Status Retry::Run(std::string_view who, const std::function<Outcome()>& attempt,
                        std::stop_token stop) {
  for (int count = 1;; ++count) {
    if (stop.stop_requested()) {
      return TransferCancelled();
    }
    const Outcome outcome = attempt();
    count = outcome.advanced ? 1 : count;
    if (outcome.ok() || !outcome.may_pass) {
      return outcome.status;
    }
    if (outcome.retry_after_ms > limits_.max_asked_ms) {
      return absl::Status(
          outcome.status.code(),
          fmt::format("{}; it wants to be asked again in {} s, which is too long to "
                      "wait for",
                      Message(outcome.status), Seconds(outcome.retry_after_ms)));
    }
    if (count >= limits_.attempts) {
      return outcome.status;
    }
    if (outcome.retry_after_ms > limits_.max_delay_ms) {
      Log(LogModule::kStore)
          .Info("a registry wants to be asked again later",
                {{"repository", who},
                 {"seconds", Seconds(outcome.retry_after_ms)},
                 {"error", outcome.status}});
    }
    if (absl::Status slept = Sleep(DelayMs(count, outcome.retry_after_ms), stop); !slept.ok()) {
      return slept;
    }
  }
}

}  // namespace zlayer
