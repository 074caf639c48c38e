#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kTimeout{5};

std::string JoinAll(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return Join(std::vector<std::string>(texts.begin(), texts.end()), ", ");
}

std::string Describe(const std::string& address, const v1::SystemInfo& info) {
  std::vector<std::vector<std::string>> rows = {
      {"Address:", address},
      {"Version:", info.version()},
      {"Root:", info.root()},
      {"Platform:", info.platform()},
      {"Network of RUN:", info.default_network()},
      {"Builds:", fmt::format("{} running (at most {}), {} queued", info.builds_running(),
                              info.max_running(), info.builds_queued())},
      {"Store:", fmt::format("{} images, {} layers, {} cache records", info.store().images(),
                             info.store().layers(), info.store().cache_records())}};
  for (const v1::BackendInfo& backend : info.backends()) {
    rows.push_back(
        {"Backend:",
         backend.available()
             ? fmt::format("{} for {} ({})", backend.name(), JoinAll(backend.targets()),
                           JoinAll(backend.features()))
             : fmt::format("{} not available: {}", backend.name(), backend.unavailable_reason())});
  }
  return FormatTable(rows);
}

absl::Status Info(Session& session, bool json) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(v1::SystemInfo info,
                   Call(*connection, connection->system(), &v1::SystemService::StubInterface::Info,
                        v1::InfoRequest(), kTimeout, session.stop()));
  Print(json ? ToJson(info) + "\n" : Describe(connection->address(), info));
  return info.draining() ? Unavailable("the daemon is shutting down and accepts no builds")
                         : absl::OkStatus();
}

}  // namespace

void AddInfoCommand(Command& root) {
  Command info = root.Sub("info", "Show the daemon; fails unless it serves", "zlayer info");
  auto format = std::make_shared<std::string>("text");
  info.Choice({"--format", "", "Lines, or one JSON document"}, format.get(), {"text", "json"});
  info.Run([format](Session& session) { return Info(session, *format == "json"); });
}

}  // namespace zlayer
