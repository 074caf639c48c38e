// The input stands behind the keyword of an instruction that may have heredocs, so its first line
// announces them and the others are their text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  zlayer::ParseHeredocWord(text).IgnoreError();
  for (const std::string_view keyword : {"RUN ", "COPY ", "ADD ", "ONBUILD RUN "}) {
    const auto lexed = zlayer::LexDockerfile(std::string(keyword) + text, "f");
    if (!lexed.ok()) {
      continue;
    }
    for (const zlayer::DockerfileHeredoc& heredoc : lexed->nodes[0].heredocs) {
      FUZZ_CHECK(text.find(heredoc.content) != std::string::npos);
      const std::string chomped = zlayer::HeredocText(heredoc, true);
      FUZZ_CHECK(!chomped.starts_with('\t'));
      FUZZ_CHECK(chomped.find("\n\t") == std::string::npos);
      FUZZ_CHECK(zlayer::HeredocText(heredoc, false) == heredoc.content);
    }
  }
  return 0;
}
