#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

absl::Status ListImages(Session& session, bool json) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::ListImagesRequest request;
  request.set_namespace_(session.name_space());
  ASSIGN_OR_RETURN(
      v1::ListImagesResponse response,
      Call(*connection, connection->images(), &v1::ImageService::StubInterface::ListImages, request,
           kCallTimeout, session.stop()));
  std::string text;
  std::vector<std::vector<std::string>> rows = {
      {"REFERENCE", "MANIFEST DIGEST", "CONFIG DIGEST", "CREATED", "SIZE"}};
  for (const v1::Image& image : response.images()) {
    text += json ? ToJson(image) + "\n" : "";
    std::string name = image.familiar_name().empty() ? image.reference() : image.familiar_name();
    rows.push_back({name.empty() ? "<none>" : name, image.manifest_digest(), image.config_digest(),
                    FormatTimestamp(image.created()), FormatSize(image.size_bytes())});
  }
  Print(json ? text : FormatTable(rows));
  return absl::OkStatus();
}

}  // namespace

void AddImagesCommand(Command& root) {
  Command images = root.Sub("images", "List the images", "zlayer images --format json");
  auto format = std::make_shared<std::string>("text");
  images.Choice({"--format", "", "One line of JSON for each image, or a table"}, format.get(),
                {"text", "json"});
  images.Run([format](Session& session) { return ListImages(session, *format == "json"); });
}

}  // namespace zlayer
