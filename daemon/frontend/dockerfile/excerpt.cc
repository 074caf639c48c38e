#include "daemon/frontend/dockerfile/excerpt.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr uint32_t kLinesAround = 2;
constexpr uint32_t kMaxLines = 64;
constexpr size_t kMaxLine = 1024;

// At most `limit` bytes, what is not UTF-8 replaced, without passwords of URLs.
std::string Shown(std::string_view line, size_t limit) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  const std::string text = ToUtf8(WithoutUrlCredentials(line.substr(0, limit)));
  return std::string(CutUtf8(text, limit));
}

}  // namespace

v1::SourceExcerpt ExcerptOf(std::string_view text, const v1::SourceRange& source) {
  v1::SourceExcerpt excerpt;
  if (source.first_line() == 0) {
    return excerpt;
  }
  const uint32_t first = source.first_line() - std::min(source.first_line() - 1, kLinesAround);
  const uint32_t last = std::min(std::max(source.first_line(), source.last_line()) + kLinesAround,
                                 first + kMaxLines - 1);
  excerpt.set_first_line(first);
  for (uint32_t number = 1; number <= last && !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (number >= first) {
      excerpt.add_lines(Shown(text.substr(0, end), kMaxLine));
    }
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  return excerpt.lines().empty() ? v1::SourceExcerpt() : excerpt;
}

absl::Status WithExcerpt(absl::Status status, std::string_view name, std::string_view text) {
  const v1::ErrorDetail known = DetailOf(status);
  if (status.ok() || known.has_excerpt() || known.source().file() != ToUtf8(name)) {
    return status;
  }
  v1::ErrorDetail detail;
  *detail.mutable_excerpt() = ExcerptOf(text, known.source());
  return detail.excerpt().lines().empty() ? status : WithDetail(std::move(status), detail);
}

}  // namespace zlayer
