#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr uint32_t kPageSize = 1000;

struct Options {
  std::string pattern;
  bool nameless = false;
  std::string format = "text";
};

void AddRows(const v1::ListImagesResponse& page, std::vector<std::vector<std::string>>* rows) {
  for (const v1::Image& image : page.images()) {
    std::string name = image.familiar_name().empty() ? image.reference() : image.familiar_name();
    rows->push_back({name.empty() ? "<none>" : name, image.manifest_digest(), image.config_digest(),
                     FormatTimestamp(image.created()), FormatSize(image.size_bytes())});
  }
}

absl::Status ListImages(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::ListImagesRequest request;
  request.set_namespace_(session.name_space());
  request.set_pattern(options.pattern);
  request.set_nameless(options.nameless);
  request.set_page_size(kPageSize);
  const bool json = options.format == "json";
  std::vector<std::vector<std::string>> rows = {
      {"REFERENCE", "MANIFEST DIGEST", "CONFIG DIGEST", "CREATED", "SIZE"}};
  do {
    ASSIGN_OR_RETURN(v1::ListImagesResponse page, Call(*connection, connection->images(),
                                                       &v1::ImageService::StubInterface::ListImages,
                                                       request, kCallTimeout, session.stop()));
    request.set_page_token(page.next_page_token());
    if (!json) {
      AddRows(page, &rows);
      continue;
    }
    for (const v1::Image& image : page.images()) {
      Print(ToJson(image) + "\n");
    }
  } while (!request.page_token().empty());
  if (!json) {
    Print(FormatTable(rows));
  }
  return absl::OkStatus();
}

}  // namespace

void AddImagesCommand(Command& root) {
  Command images = root.Sub("images", "List the images", "zlayer images 'app*'");
  auto options = std::make_shared<Options>();
  images
      .Argument(
          {"PATTERN", "", "Only names like this, with their tag or without; * is anything but a /"},
          &options->pattern, /*required=*/false)
      .Flag({"--nameless", "", "Only images without a name"}, &options->nameless)
      .Choice({"--format", "", "One line of JSON for each image, or a table"}, &options->format,
              {"text", "json"});
  images.Run([options](Session& session) { return ListImages(session, *options); });
}

}  // namespace zlayer
