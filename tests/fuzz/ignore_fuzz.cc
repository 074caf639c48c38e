// The input is an ignore file; behind its last NUL byte stands a path. Whoever walks a context by
// MayContainKept finds all that is kept.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "daemon/frontend/dockerfile/ignore.h"
#include "tests/fuzz/check.h"

namespace {

bool IsClean(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    path.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t nul = text.rfind('\0');
  const auto rules = zlayer::IgnoreRules::Parse(text.substr(0, nul), "ignore");
  const std::string_view path = nul == std::string_view::npos ? "a/b/c" : text.substr(nul + 1);
  if (!rules.ok() || !IsClean(path) || path.size() > 1000) {
    return 0;
  }
  const bool kept = !rules->Matches(path).ignored;
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    const std::string_view parent = path.substr(0, slash);
    const bool walked = !rules->Matches(parent).ignored || rules->MayContainKept(parent);
    FUZZ_CHECK(!kept || walked);
  }
  return 0;
}
