#include "client/cli/outcome.h"

#include "client/cli/session.h"

namespace zlayer {

void AddProgressOption(Command& command, std::string* mode) {
  command.Choice({"--progress", "", "How to show what happens (auto and tty: as plain)"}, mode,
                 {"auto", "tty", "plain", "json"});
}

std::unique_ptr<ProgressPrinter> MakePrinter(const std::string& mode) {
  return mode == "json" ? MakeJsonPrinter(Print) : MakePlainPrinter(Print);
}

}  // namespace zlayer
