#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxValueBytes = 4096;

// What the formatter puts before the payload; the payload closes the object of JSON.
constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %-5l %n: %v";
constexpr char kJsonPattern[] =
    "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",\"module\":\"%n\",%v}";

static_assert(static_cast<int>(LogLevel::kTrace) == SPDLOG_LEVEL_TRACE);
static_assert(static_cast<int>(LogLevel::kError) == SPDLOG_LEVEL_ERROR);

// Names as ours, where spdlog says "warning".
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string_view name = kLogLevels[message.level].first;
    out.append(name.data(), name.data() + name.size());
    for (size_t i = name.size(); i < padinfo_.width_; ++i) {
      out.push_back(' ');
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    auto copy = std::make_unique<LevelName>();
    copy->set_padding_info(padinfo_);
    return copy;
  }
};

struct Loggers {
  Loggers() {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    for (const auto& [name, module] : kLogModules) {
      modules.push_back(std::make_unique<spdlog::logger>(std::string(name), sink));
    }
    SetUp(LogOptions());
  }

  void SetUp(const LogOptions& options) {
    json = options.format == LogFormat::kJson;
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<LevelName>('l').set_pattern(json ? kJsonPattern : kTextPattern);
    modules[0]->set_formatter(std::move(formatter));  // of the one sink
    for (size_t i = 0; i < modules.size(); ++i) {
      LogLevel level = options.levels[i].value_or(options.level);
      modules[i]->set_level(static_cast<spdlog::level::level_enum>(level));
    }
  }

  std::vector<std::unique_ptr<spdlog::logger>> modules;  // by number
  std::atomic<bool> json = false;
};

// Never destroyed: threads may log to the end.
Loggers& TheLoggers() {
  static Loggers& loggers = *new Loggers;
  return loggers;
}

spdlog::logger& LoggerOf(LogModule module) {
  return *TheLoggers().modules[static_cast<size_t>(module)];
}

// C0, DEL and C1: what a terminal may take for a command, and line ends of all kinds.
bool IsControl(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) || code_point == 0x2028 ||
         code_point == 0x2029;
}

// Appends `text` as it stands within a string of JSON, which text values use, too. Bytes that are
// not UTF-8 become U+FFFD.
void AppendEscaped(std::string_view text, bool quotes, std::string* out) {
  const bool cut = text.size() > kMaxValueBytes;
  text = text.substr(0, kMaxValueBytes);
  while (!text.empty()) {
    const CodePoint next = FirstCodePoint(text);
    if (next.value == '\n') {
      *out += "\\n";
    } else if (IsControl(next.value)) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", next.value);
    } else if (next.value > 0x10ffff) {
      *out += "\xef\xbf\xbd";
    } else {
      if (quotes && (next.value == '"' || next.value == '\\')) {
        *out += '\\';
      }
      out->append(text.substr(0, next.length));
    }
    text.remove_prefix(next.length);
  }
  if (cut) {
    *out += "...";
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  AppendEscaped(text, /*quotes=*/true, out);
  *out += '"';
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=';
         });
}

void AppendText(std::string_view text, bool json, std::string* out) {
  if (json || NeedsQuotes(text)) {
    AppendQuoted(text, out);
  } else {
    AppendEscaped(text, /*quotes=*/false, out);
  }
}

void AppendValue(const LogField::Value& value, bool json, std::string* out) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    AppendText(*text, json, out);
  } else if (const auto* status = std::get_if<const absl::Status*>(&value)) {
    AppendText(
        fmt::format("{}: {}", absl::StatusCodeToString((*status)->code()), Message(**status)), json,
        out);
  } else if (const auto* number = std::get_if<double>(&value)) {
    fmt::format_to(std::back_inserter(*out), "{:.3f}", *number);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    fmt::format_to(std::back_inserter(*out), "{}", *integer);
  } else {
    fmt::format_to(std::back_inserter(*out), "{}", std::get<uint64_t>(value));
  }
}

std::string TextPayload(std::string_view message, Log::Fields fields) {
  std::string line;
  AppendEscaped(message, /*quotes=*/false, &line);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key();
    line += '=';
    AppendValue(field.value(), /*json=*/false, &line);
  }
  return line;
}

std::string JsonPayload(std::string_view message, Log::Fields fields) {
  std::string line = "\"message\":";
  AppendQuoted(message, &line);
  for (const LogField& field : fields) {
    line += ',';
    AppendQuoted(field.key(), &line);
    line += ':';
    AppendValue(field.value(), /*json=*/true, &line);
  }
  return line;
}

}  // namespace

void SetUpLog(const LogOptions& options) { TheLoggers().SetUp(options); }

bool Log::Enabled(LogLevel level) const {
  return LoggerOf(module_).should_log(static_cast<spdlog::level::level_enum>(level));
}

void Log::Write(LogLevel level, std::string_view message, Fields fields) const {
  if (!Enabled(level)) {
    return;
  }
  const std::string payload =
      TheLoggers().json ? JsonPayload(message, fields) : TextPayload(message, fields);
  // Without a format string: the payload is not one.
  LoggerOf(module_).log(static_cast<spdlog::level::level_enum>(level),
                        spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace zlayer
