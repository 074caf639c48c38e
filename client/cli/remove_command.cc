#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

// Stops at the first name that cannot be removed.
absl::Status Remove(Session& session, const std::vector<std::string>& references) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  for (const std::string& reference : references) {
    v1::RemoveImageRequest request;
    request.set_namespace_(session.name_space());
    request.set_reference(reference);
    ASSIGN_OR_RETURN(
        v1::RemoveImageResponse response,
        Call(*connection, connection->images(), &v1::ImageService::StubInterface::RemoveImage,
             request, kCallTimeout, session.stop()));
    for (const std::string& name : response.untagged()) {
      Print(fmt::format("untagged {}\n", name));
    }
    if (!response.removed().empty()) {
      Print(fmt::format("removed {}\n", response.removed()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddRemoveCommand(Command& root) {
  Command remove =
      root.Sub("rmi", "Remove names of images; an image goes with its last", "zlayer rmi app:1");
  auto references = std::make_shared<std::vector<std::string>>();
  remove.Arguments({"REF", "", "Reference or digest of an image"}, references.get());
  remove.Run([references](Session& session) { return Remove(session, *references); });
}

}  // namespace zlayer
