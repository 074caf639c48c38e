#include <memory>
#include <string>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

struct Options {
  std::string source;
  std::string target;
};

absl::Status Tag(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::TagImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_source(options.source);
  request.set_target(options.target);
  return Call(*connection, connection->images(), &v1::ImageService::StubInterface::TagImage,
              request, kCallTimeout, session.stop())
      .status();
}

}  // namespace

void AddTagCommand(Command& root) {
  Command tag = root.Sub("tag", "Give an image another name", "zlayer tag app:1 app:stable");
  auto options = std::make_shared<Options>();
  tag.Argument({"SRC", "", "Reference or digest of the image"}, &options->source)
      .Argument({"DST", "", "Its new name"}, &options->target);
  tag.Run([options](Session& session) { return Tag(session, *options); });
}

}  // namespace zlayer
