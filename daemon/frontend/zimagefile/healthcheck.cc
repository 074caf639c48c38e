#include "daemon/frontend/zimagefile/healthcheck.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/yaml/key_table.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"

namespace zlayer {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;
constexpr int64_t kHour = 3600 * kSecond;
constexpr uint64_t kMaxRetries = 0x7fffffff;

struct Unit {
  std::string_view name;
  int64_t nanoseconds;
};

constexpr Unit kUnits[] = {{"ns", 1},
                           {"nsec", 1},
                           {"us", 1000},
                           {"usec", 1000},
                           {"ms", kMillisecond},
                           {"msec", kMillisecond},
                           {"s", kSecond},
                           {"sec", kSecond},
                           {"second", kSecond},
                           {"seconds", kSecond},
                           {"m", 60 * kSecond},
                           {"min", 60 * kSecond},
                           {"mins", 60 * kSecond},
                           {"minute", 60 * kSecond},
                           {"minutes", 60 * kSecond},
                           {"h", kHour},
                           {"hr", kHour},
                           {"hrs", kHour},
                           {"hour", kHour},
                           {"hours", kHour},
                           {"d", 24 * kHour},
                           {"day", 24 * kHour},
                           {"days", 24 * kHour}};

// What the command of a check says, in one of its three forms.
struct Check {
  v1::Healthcheck healthcheck;
  int forms = 0;
};

absl::Status SetCommand(const Field& value, const CommandLine& command, Check* check) {
  if (command.words.empty()) {
    return value.Error("there is no command to check with");
  }
  check->healthcheck.add_test(command.shell ? "CMD-SHELL" : "CMD");
  for (const std::string& word : command.words) {
    check->healthcheck.add_test(word);
  }
  return absl::OkStatus();
}

absl::Status ReadCmd(const Field& value, Check* check) {
  ++check->forms;
  ASSIGN_OR_RETURN(const CommandLine command, ReadCommand(value));
  return SetCommand(value, command, check);
}

// As in Compose files: a text for the shell, "none", or a list that says first what it is.
absl::Status ReadTest(const Field& value, Check* check) {
  ++check->forms;
  ASSIGN_OR_RETURN(CommandLine command, ReadCommand(value));
  const std::string kind = command.words.empty() ? "" : ToUpper(command.words[0]);
  if (kind == "NONE" && command.words.size() == 1) {
    check->healthcheck.add_test("NONE");
    return absl::OkStatus();
  }
  if (!command.shell) {
    if (kind != "CMD" && kind != "CMD-SHELL") {
      return value.Error("a list begins with CMD, CMD-SHELL or NONE; \"cmd\" takes words alone");
    }
    command.shell = kind == "CMD-SHELL";
    command.words.erase(command.words.begin());
    if (command.shell && command.words.size() > 1) {
      return value.Error("there is one text behind CMD-SHELL");
    }
  }
  return SetCommand(value, command, check);
}

absl::Status ReadDisable(const Field& value, Check* check) {
  ASSIGN_OR_RETURN(const bool disable, value.Boolean());
  if (disable) {
    ++check->forms;
    check->healthcheck.add_test("NONE");
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadDuration(const Field& value) {
  ASSIGN_OR_RETURN(const std::string text, value.Text());
  const std::optional<int64_t> duration = ParseDurationText(text);
  if (!duration || (*duration != 0 && *duration < kMillisecond)) {
    return value.Error(fmt::format("is a duration of at least 1ms, such as 30s or 1m30s, not {}",
                                   GoQuote(CutUtf8(text, 64))));
  }
  return *duration;
}

template <void (v1::Healthcheck::*set)(int64_t)>
absl::Status DurationKey(const Field& value, Check* check) {
  ASSIGN_OR_RETURN(const int64_t duration, ReadDuration(value));
  (check->healthcheck.*set)(duration);
  return absl::OkStatus();
}

absl::Status ReadRetries(const Field& value, Check* check) {
  ASSIGN_OR_RETURN(const uint64_t retries, value.Number(kMaxRetries));
  check->healthcheck.set_retries(static_cast<uint32_t>(retries));
  return absl::OkStatus();
}

const KeyTable<Check>& Keys() {
  static const auto* keys = new KeyTable<Check>{
      {"cmd", ReadCmd},
      {"test", ReadTest},
      {"disable", ReadDisable},
      {"interval", DurationKey<&v1::Healthcheck::set_interval_ns>},
      {"timeout", DurationKey<&v1::Healthcheck::set_timeout_ns>},
      {"start_period", DurationKey<&v1::Healthcheck::set_start_period_ns>},
      {"start_interval", DurationKey<&v1::Healthcheck::set_start_interval_ns>},
      {"retries", ReadRetries},
  };
  return *keys;
}

}  // namespace

absl::StatusOr<v1::Healthcheck> ReadHealthcheck(const Field& value) {
  if (!value.IsMap()) {
    return value.TypeError("a map with \"cmd\"");
  }
  Check check;
  RETURN_IF_ERROR(ReadMap(value, Keys(), &check));
  if (check.forms != 1) {
    return value.ErrorAtKey("a check has exactly one of \"cmd\", \"test\" and \"disable: true\"");
  }
  if (check.healthcheck.test(0) == "NONE") {
    v1::Healthcheck none;
    none.add_test("NONE");
    return none;
  }
  return std::move(check.healthcheck);
}

std::vector<std::string> HealthcheckKeys() { return KeyNames(Keys()); }

std::optional<int64_t> ParseDurationText(std::string_view text) {
  if (const std::optional<int64_t> duration = ParseGoDuration(text)) {
    return *duration >= 0 ? duration : std::nullopt;
  }
  int64_t total = 0;
  text = Trim(text);
  if (text.empty()) {
    return std::nullopt;
  }
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::optional<uint64_t> number = ParseUint(text.substr(0, digits));
    text = Trim(text.substr(digits));
    const size_t letters =
        std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), text.size());
    const std::string_view name = text.substr(0, letters);
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [name](const Unit& known) { return known.name == name; });
    int64_t part = 0;
    if (!number || *number > INT64_MAX || unit == std::end(kUnits) ||
        __builtin_mul_overflow(static_cast<int64_t>(*number), unit->nanoseconds, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return std::nullopt;
    }
    text = Trim(text.substr(letters));
  }
  return total;
}

}  // namespace zlayer
