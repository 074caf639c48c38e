#include <fmt/format.h>

#include <chrono>
#include <string>

#include "base/status_macros.h"
#include "base/version.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kTimeout{5};

absl::Status Version(Session& session) {
  Print(fmt::format("zlayer {}\n", kVersion));
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  auto info = Call(*connection, connection->system(), &v1::SystemService::StubInterface::Info,
                   v1::InfoRequest(), kTimeout, session.stop());
  if (info.ok()) {
    Print(fmt::format("zlayerd {} at {}\n", info->version(), connection->address()));
  } else {
    Print(fmt::format("zlayerd not reached at {}\n", connection->address()));
  }
  return absl::OkStatus();
}

}  // namespace

void AddVersionCommand(Command& root) {
  Command version =
      root.Sub("version", "Print the versions of this program and of the daemon", "zlayer version");
  version.Run(Version);
}

}  // namespace zlayer
