#include "client/cli/source_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>

#include "client/cli/session.h"
#include "client/progress/terminal.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr int kRule = 20;

}  // namespace

View ViewOf(int fd) {
  std::optional<View> terminal = DrawableTerminal(fd, [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
  if (terminal.has_value()) {
    ReadSize(fd, &*terminal);
    return *terminal;
  }
  View view;
  view.width = std::numeric_limits<int>::max();
  view.unicode = true;
  return view;
}

std::string SourceText(const v1::SourceRange& source, const v1::SourceExcerpt& excerpt,
                       const View& view) {
  if (excerpt.lines().empty()) {
    return "";
  }
  std::string text;
  const auto add = [&](const Row& row) { text += row.Text(view) + "\n"; };
  const std::string rule(kRule, '-');
  const uint32_t last = std::max(source.first_line(), source.last_line());
  add(Row().Add(last == source.first_line()
                    ? fmt::format("{}:{}", source.file(), source.first_line())
                    : fmt::format("{}:{}-{}", source.file(), source.first_line(), last),
                Style::kBold));
  add(Row().Add(rule, Style::kDim));
  uint32_t number = excerpt.first_line();
  for (const std::string& line : excerpt.lines()) {
    const bool meant = number >= source.first_line() && number <= last;
    add(Row()
            .Add(fmt::format("{:>4} | ", number), Style::kDim)
            .Add(meant ? ">>> " : "    ", Style::kBad)
            .Add(line, meant ? Style::kBold : Style::kPlain));
    ++number;
  }
  return text + Row().Add(rule, Style::kDim).Text(view) + "\n";
}

absl::Status ShowSource(absl::Status status) {
  if (!status.ok() && isatty(STDERR_FILENO) == 0) {
    const v1::ErrorDetail detail = DetailOf(status);
    Print(SourceText(detail.source(), detail.excerpt(), ViewOf(STDOUT_FILENO)));
  }
  return status;
}

}  // namespace zlayer
