#include "daemon/frontend/yaml/key_table.h"

#include <spdlog/fmt/fmt.h>

#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {

absl::Status UnknownKey(const Field& entry, std::vector<std::string> known) {
  if (entry.key() == "<<") {
    return entry.ErrorAtKey("merge keys (<<) are not taken");
  }
  std::sort(known.begin(), known.end());
  std::string help = Suggestion(entry.key(), known);
  if (help.empty()) {
    help = "; there are " + Join(known, ", ");
  }
  return entry.ErrorAtKey(
      fmt::format("there is no key {}{}", GoQuote(CutUtf8(entry.key(), 64)), help));
}

}  // namespace zlayer
