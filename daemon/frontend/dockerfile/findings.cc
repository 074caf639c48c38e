#include "daemon/frontend/dockerfile/findings.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "proto/error_detail.h"

namespace zlayer {

namespace {

constexpr size_t kMaxMessage = 1000;

// Names in a build file may be long.
std::string Shown(std::string_view message) {
  return ToUtf8(message.size() <= kMaxMessage
                    ? std::string(message)
                    : std::string(message.substr(0, kMaxMessage)) + "...");
}

}  // namespace

void Findings::Add(v1::Warning warning, const v1::SourceRange& source) {
  const auto same = [&](const v1::Warning& other) {
    return other.rule() == warning.rule() && other.message() == warning.message() &&
           other.source().first_line() == source.first_line();
  };
  if (full() || std::any_of(warnings_.begin(), warnings_.end(), same)) {
    return;
  }
  if (source.first_line() != 0) {
    *warning.mutable_source() = source;
  }
  warnings_.push_back(std::move(warning));
}

void Findings::Report(CheckRule rule, std::string_view message, const v1::SourceRange& source) {
  const RuleText& text = TextOf(rule);
  if (!options_.Checks(text)) {
    return;
  }
  broken_.emplace(text.name);
  if (full()) {
    return;
  }
  v1::Warning warning;
  warning.set_rule(std::string(text.name));
  warning.set_message(Shown(message));
  warning.set_description(std::string(text.description));
  warning.set_url(text.url());
  Add(std::move(warning), source);
}

void Findings::Warn(std::string_view name, std::string_view message,
                    const v1::SourceRange& source) {
  v1::Warning warning;
  warning.set_rule(std::string(name));
  warning.set_message(Shown(message));
  Add(std::move(warning), source);
}

absl::Status Findings::Violation() const {
  if (!options_.error || broken_.empty()) {
    return absl::OkStatus();
  }
  v1::ErrorDetail detail;
  detail.set_reason("LINT_VIOLATION");
  return WithDetail(
      InvalidArgument(fmt::format(
          "lint violation found for rules: {} (with check=error=true that fails the build)",
          Join({broken_.begin(), broken_.end()}, ", "))),
      detail);
}

}  // namespace zlayer
