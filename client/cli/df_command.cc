#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

// The daemon reads all of its directories.
constexpr std::chrono::minutes kTimeout{10};

struct Options {
  bool verbose = false;
  std::string format = "text";
};

using Rows = std::vector<std::vector<std::string>>;

// What no image with a name, and no work under way, would miss.
bool IsReclaimable(std::string_view category) {
  return category == "nameless" || category == "cache" || category == "unused";
}

std::string Summary(const v1::DiskUsageResponse& usage) {
  Rows rows = {{"CATEGORY", "OBJECTS", "SIZE", "RECLAIMABLE"}};
  uint64_t objects = 0;
  uint64_t reclaimable = 0;
  for (const v1::DiskUsageCategory& category : usage.categories()) {
    const uint64_t may_go = IsReclaimable(category.name()) ? category.bytes() : 0;
    objects += category.objects();
    reclaimable += may_go;
    rows.push_back({category.name(), std::to_string(category.objects()),
                    FormatSize(category.bytes()), may_go == 0 ? "-" : FormatSize(may_go)});
  }
  rows.push_back(
      {"total", std::to_string(objects), FormatSize(usage.total_bytes()), FormatSize(reclaimable)});
  return FormatTable(rows) + fmt::format("\n{} of the disk's {} are free.\n",
                                         FormatSize(usage.disk_free_bytes()),
                                         FormatSize(usage.disk_total_bytes()));
}

std::string Items(const v1::DiskUsageResponse& usage) {
  Rows rows = {{"CATEGORY", "KIND", "SIZE", "NAME", "HELD BY"}};
  for (const v1::DiskUsageItem& item : usage.items()) {
    const std::string held_by =
        Join(std::vector<std::string>(item.held_by().begin(), item.held_by().end()), ", ");
    rows.push_back({item.category(), item.kind(), FormatSize(item.bytes()), item.name(),
                    held_by.empty() ? "-" : held_by});
  }
  uint64_t objects = 0;
  for (const v1::DiskUsageCategory& category : usage.categories()) {
    objects += category.objects();
  }
  const auto listed = static_cast<uint64_t>(usage.items_size());
  return "\n" + FormatTable(rows) +
         (objects > listed ? fmt::format("and {} smaller\n", objects - listed) : "");
}

absl::Status ShowUsage(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::DiskUsageRequest request;
  request.set_items(options.verbose);
  ASSIGN_OR_RETURN(v1::DiskUsageResponse usage, Call(*connection, connection->system(),
                                                     &v1::SystemService::StubInterface::DiskUsage,
                                                     request, kTimeout, session.stop()));
  if (options.format == "json") {
    Print(ToJson(usage) + "\n");
    return absl::OkStatus();
  }
  Print(Summary(usage) + (options.verbose ? Items(usage) : ""));
  return absl::OkStatus();
}

}  // namespace

void AddDfCommand(Command& root) {
  Command df = root.Sub("df", "Show what holds the daemon's disk space", "zlayer df -v");
  auto options = std::make_shared<Options>();
  df.Flag({"-v,--verbose", "", "The largest things too, and what holds each"}, &options->verbose)
      .Choice({"--format", "", "One JSON document, or a table"}, &options->format,
              {"text", "json"});
  df.Run([options](Session& session) { return ShowUsage(session, *options); });
}

}  // namespace zlayer
