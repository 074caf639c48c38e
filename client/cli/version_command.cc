#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "base/version.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kTimeout{5};

std::string Json(const std::string& address, const absl::StatusOr<v1::SystemInfo>& info) {
  google::protobuf::Struct versions;
  auto& fields = *versions.mutable_fields();
  fields["zlayer"].set_string_value(std::string(kVersion));
  fields["address"].set_string_value(address);
  if (info.ok()) {
    fields["zlayerd"].set_string_value(info->version());
  } else {
    fields["zlayerd"].set_null_value(google::protobuf::NULL_VALUE);
  }
  return ToJson(versions) + "\n";
}

absl::Status Version(Session& session, bool json) {
  if (!json) {
    Print(fmt::format("zlayer {}\n", kVersion));
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  auto info = Call(*connection, connection->system(), &v1::SystemService::StubInterface::Info,
                   v1::InfoRequest(), kTimeout, session.stop());
  if (json) {
    Print(Json(connection->address(), info));
  } else if (info.ok()) {
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
  auto format = std::make_shared<std::string>("text");
  version.Choice({"--format", "", "Lines, or one JSON document"}, format.get(), {"text", "json"});
  version.Run([format](Session& session) { return Version(session, *format == "json"); });
}

}  // namespace zlayer
