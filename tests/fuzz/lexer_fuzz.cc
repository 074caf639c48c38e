// The input is a Dockerfile: its nodes lie within it, and print.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "daemon/frontend/dockerfile/directive.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  zlayer::DetectSyntax(text);
  const absl::StatusOr<zlayer::LexedDockerfile> lexed = zlayer::LexDockerfile(text, "f");
  if (!lexed.ok()) {
    return 0;
  }
  FUZZ_CHECK(!lexed->nodes.empty());
  const auto lines = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n') + 1);
  uint32_t last_line = 0;
  for (const zlayer::DockerfileNode& node : lexed->nodes) {
    FUZZ_CHECK(node.first_line > last_line);
    FUZZ_CHECK(node.last_line >= node.first_line);
    last_line = node.last_line;
  }
  FUZZ_CHECK(last_line <= lines);
  FUZZ_CHECK(!zlayer::DumpAst(lexed->nodes).empty());
  return 0;
}
