// The first byte chooses options, the rest is a word: its expansion is bounded, and the words that
// it falls into are parts of it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/words.h"
#include "tests/fuzz/check.h"

namespace {

std::optional<std::string> Lookup(std::string_view name) {
  if (name == "A") {
    return "a value/of \"A\" with *";
  }
  if (name == "EMPTY") {
    return "";
  }
  return name == "\u00e9" ? std::make_optional<std::string>("\xff\u00fc") : std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  zlayer::WordOptions options;
  options.escape = (data[0] & 1) != 0 ? '`' : '\\';
  options.raw_quotes = (data[0] & 2) != 0;
  options.raw_escapes = (data[0] & 4) != 0;
  options.plain_quotes = (data[0] & 8) != 0;
  options.keep_unset = (data[0] & 16) != 0;
  options.join_heredoc = (data[0] & 32) != 0;
  const std::string_view word(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::StatusOr<zlayer::ExpandedWord> expanded = zlayer::ExpandWord(word, Lookup, options);
  if (!expanded.ok()) {
    return 0;
  }
  FUZZ_CHECK(expanded->text.size() <= (2 << 20));
  size_t at = 0;
  for (const std::string& part : expanded->words) {
    FUZZ_CHECK(!part.empty());
    at = expanded->text.find(part, at);
    FUZZ_CHECK(at != std::string::npos);
    at += part.size();
  }
  return 0;
}
