#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

struct Options {
  std::string reference;
  std::string format = "text";
};

std::string Quoted(const v1::Words& words) {
  std::string text;
  for (const std::string& word : words.words()) {
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", word);
  }
  return "[" + text + "]";
}

void AddConfig(const v1::ImageConfig& config, std::vector<std::vector<std::string>>* rows) {
  auto add = [rows](const std::string& name, const std::string& value) {
    if (!value.empty()) {
      rows->push_back({name, value});
    }
  };
  add("Entrypoint:", config.has_entrypoint() ? Quoted(config.entrypoint()) : "");
  add("Command:", config.has_cmd() ? Quoted(config.cmd()) : "");
  add("User:", config.user());
  add("Working directory:", config.working_dir());
  add("Stop signal:", config.stop_signal());
  for (const std::string& env : config.env()) {
    add("Environment:", env);
  }
  for (const auto& label :
       std::map<std::string, std::string>(config.labels().begin(), config.labels().end())) {
    add("Label:", label.first + "=" + label.second);
  }
  for (const std::string& port : config.exposed_ports()) {
    add("Port:", port);
  }
  for (const std::string& volume : config.volumes()) {
    add("Volume:", volume);
  }
}

std::string Describe(const v1::ImageDetail& detail) {
  const v1::Image& image = detail.image();
  std::vector<std::vector<std::string>> rows;
  for (const std::string& reference : detail.references()) {
    rows.push_back({"Reference:", reference});
  }
  const v1::Platform& platform = image.platform();
  rows.push_back({"Manifest digest:", image.manifest_digest()});
  rows.push_back({"Config digest:", image.config_digest()});
  rows.push_back(
      {"Platform:", fmt::format("{}/{}{}{}{}", platform.os(), platform.architecture(),
                                platform.variant().empty() ? "" : "/", platform.variant(),
                                platform.os_version().empty() ? "" : " " + platform.os_version())});
  rows.push_back({"Created:", FormatTimestamp(image.created())});
  rows.push_back({"Size:", FormatSize(image.size_bytes())});
  AddConfig(detail.config(), &rows);
  for (const v1::LayerDetail& layer : detail.layers()) {
    rows.push_back(
        {"Layer:", fmt::format("{} {}", layer.digest(), FormatSize(layer.size_bytes()))});
  }
  for (const v1::HistoryEntry& entry : detail.history()) {
    rows.push_back({"History:", entry.created_by()});
  }
  return FormatTable(rows);
}

absl::Status Inspect(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::InspectImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.reference);
  ASSIGN_OR_RETURN(v1::ImageDetail detail, Call(*connection, connection->images(),
                                                &v1::ImageService::StubInterface::InspectImage,
                                                request, kCallTimeout, session.stop()));
  Print(options.format == "json" ? ToJson(detail) + "\n" : Describe(detail));
  return absl::OkStatus();
}

}  // namespace

void AddInspectCommand(Command& root) {
  Command inspect =
      root.Sub("inspect", "Show what an image is made of", "zlayer inspect debian:bookworm");
  auto options = std::make_shared<Options>();
  inspect.Argument({"REF", "", "Reference or digest of the image"}, &options->reference)
      .Choice({"--format", "", "One JSON document, or lines"}, &options->format, {"text", "json"});
  inspect.Run([options](Session& session) { return Inspect(session, *options); });
}

}  // namespace zlayer
