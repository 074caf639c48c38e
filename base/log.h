// The daemon's log: one line an event, on standard error, for people or for programs.
//
//   Log(LogModule::kQueue).Info("build ended", {{"build", id}, {"seconds", 1.25}});
//
//   2026-11-21T00:30:02.123Z info  queue: build ended build=0a1b2c seconds=1.25
//   {"time":"2026-11-21T00:30:02.123Z","level":"info","module":"queue","message":"build ended",
//    "build":"0a1b2c","seconds":1.25}                                          (all in one line)
//
// The message is a constant and what it is about is in the fields, so that lines can be searched.
// Keys that mean the same everywhere: `build` (an id, in every line that is about one), `error` (a
// status: its code, then its sentence). Never logged: secrets, credentials, the output of builds.
#ifndef ZLAYER_BASE_LOG_H_
#define ZLAYER_BASE_LOG_H_

#include <absl/status/status.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace zlayer {

enum class LogModule { kDaemon, kService, kQueue, kBuild, kStore, kExecutor };
enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

// Their names in configurations and in the log, each at the place of its value.
inline constexpr std::pair<std::string_view, LogModule> kLogModules[] = {
    {"daemon", LogModule::kDaemon}, {"service", LogModule::kService},
    {"queue", LogModule::kQueue},   {"build", LogModule::kBuild},
    {"store", LogModule::kStore},   {"executor", LogModule::kExecutor},
};
inline constexpr std::pair<std::string_view, LogLevel> kLogLevels[] = {
    {"trace", LogLevel::kTrace}, {"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo},
    {"warn", LogLevel::kWarn},   {"error", LogLevel::kError},
};
inline constexpr std::pair<std::string_view, LogFormat> kLogFormats[] = {
    {"text", LogFormat::kText},
    {"json", LogFormat::kJson},
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  // Of single modules, by number; they win over `level`.
  std::array<std::optional<LogLevel>, std::size(kLogModules)> levels;
};

// For the whole process. Before it is called, the defaults hold. Call it before there are threads.
void SetUpLog(const LogOptions& options);

// A named value. It refers to what it was made of, which must outlive the call that logs it (a
// temporary in the call does).
class LogField {
 public:
  using Value = std::variant<std::string_view, int64_t, uint64_t, double, const absl::Status*>;

  template <typename Text>
  requires std::convertible_to<const Text&, std::string_view> LogField(std::string_view key,
                                                                       const Text& text)
      : key_(key), value_(std::string_view(text)) {}
  template <std::signed_integral Number>
  LogField(std::string_view key, Number number) : key_(key), value_(int64_t{number}) {}
  template <std::unsigned_integral Number>
  LogField(std::string_view key, Number number) : key_(key), value_(uint64_t{number}) {}
  LogField(std::string_view key, double number) : key_(key), value_(number) {}
  LogField(std::string_view key, const absl::Status& status) : key_(key), value_(&status) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string_view key_;
  Value value_;
};

// Where a module writes to the log. Cheap to make; below its level a call costs a comparison.
// Nothing that is logged can break a line, reach a terminal as a control character, or be longer
// than 4 KiB a value: it is escaped and cut. Thread-safe.
class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  explicit constexpr Log(LogModule module) : module_(module) {}

  bool Enabled(LogLevel level) const;
  void Write(LogLevel level, std::string_view message, Fields fields) const;

  void Debug(std::string_view message, Fields fields = {}) const {
    Write(LogLevel::kDebug, message, fields);
  }
  void Info(std::string_view message, Fields fields = {}) const {
    Write(LogLevel::kInfo, message, fields);
  }
  void Warn(std::string_view message, Fields fields = {}) const {
    Write(LogLevel::kWarn, message, fields);
  }
  void Error(std::string_view message, Fields fields = {}) const {
    Write(LogLevel::kError, message, fields);
  }

 private:
  LogModule module_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_LOG_H_
