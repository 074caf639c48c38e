#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

absl::Status Untag(Session& session, const std::string& reference) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::UntagImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(reference);
  ASSIGN_OR_RETURN(v1::Image image, Call(*connection, connection->images(),
                                         &v1::ImageService::StubInterface::UntagImage, request,
                                         kCallTimeout, session.stop()));
  Print(fmt::format("{}  {}  {}\n", image.reference().empty() ? "<none>" : image.reference(),
                    image.manifest_digest(), image.config_digest()));
  return absl::OkStatus();
}

}  // namespace

void AddUntagCommand(Command& root) {
  Command untag = root.Sub("untag", "Take a name from an image, which stays even without one",
                           "zlayer untag app:stable");
  auto reference = std::make_shared<std::string>();
  untag.Argument({"REF", "", "The name"}, reference.get());
  untag.Run([reference](Session& session) { return Untag(session, *reference); });
}

}  // namespace zlayer
