#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_size.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/instant.h"
#include "client/cli/session.h"
#include "client/cli/terminal.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

constexpr uint32_t kPageSize = 1000;
constexpr size_t kShownId = 12;
// All that is removed is unlinked, and another prune may be under way.
constexpr std::chrono::hours kTimeout{12};
constexpr std::string_view kFilterHelp =
    "Only what has type=record|cache-mount|fetched|image, id=BEGINNING, until=24h (unused for so "
    "long) "
    "or "
    "description=WORDS; may be repeated";

absl::StatusOr<google::protobuf::Duration> ParseDuration(std::string_view option,
                                                         const std::string& text) {
  const std::optional<uint64_t> seconds = ParseSeconds(text);
  if (!seconds.has_value()) {
    return UsageError(
        fmt::format("{} takes a duration (30m, 24h, 7d), not \"{}\"", option, ToUtf8(text)));
  }
  return TimeUtil::SecondsToDuration(static_cast<int64_t>(*seconds));
}

absl::Status AddFilter(const std::string& text, v1::CacheFilter* filter) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  if (value.empty() || !IsUtf8(value)) {
    return UsageError(fmt::format("--filter takes KEY=VALUE in UTF-8, not \"{}\"", ToUtf8(text)));
  }
  if (key == "type") {
    filter->add_types(value);
  } else if (key == "id") {
    filter->set_id(value);
  } else if (key == "until" || key == "unused-for") {
    ASSIGN_OR_RETURN(*filter->mutable_unused_for(), ParseDuration("--filter until", value));
  } else if (key == "description") {
    filter->set_description(value);
  } else {
    return UsageError(
        fmt::format("--filter knows type, id, until and description, not \"{}\"", ToUtf8(key)));
  }
  return absl::OkStatus();
}

// Of all namespaces, unless one is chosen.
absl::StatusOr<v1::CacheFilter> MakeFilter(const Session& session,
                                           const std::vector<std::string>& filters) {
  v1::CacheFilter filter;
  filter.set_namespace_(session.name_space());
  for (const std::string& text : filters) {
    RETURN_IF_ERROR(AddFilter(text, &filter));
  }
  return filter;
}

struct ListOptions {
  std::vector<std::string> filters;
  std::string format = "text";
};

std::string ShownId(const v1::CacheEntry& entry) {
  return entry.type() == "cache-mount" ? entry.id() : entry.id().substr(0, kShownId);
}

absl::Status List(Session& session, const ListOptions& options) {
  v1::ListCacheRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), MakeFilter(session, options.filters));
  request.set_page_size(kPageSize);
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  const bool json = options.format == "json";
  std::vector<std::vector<std::string>> rows = {
      {"NAMESPACE", "TYPE", "ID", "SIZE", "LAST USED", "IN USE", "DESCRIPTION"}};
  do {
    ASSIGN_OR_RETURN(v1::ListCacheResponse page, Call(*connection, connection->cache(),
                                                      &v1::CacheService::StubInterface::ListCache,
                                                      request, kTimeout, session.stop()));
    request.set_page_token(page.next_page_token());
    for (const v1::CacheEntry& entry : page.entries()) {
      if (json) {
        Print(ToJson(entry) + "\n");
      } else {
        rows.push_back({entry.namespace_(), entry.type(), ShownId(entry), FormatSize(entry.bytes()),
                        FormatTimestamp(entry.last_used()), entry.in_use() ? "yes" : "-",
                        entry.description()});
      }
    }
  } while (!request.page_token().empty());
  if (!json) {
    const size_t description = rows.front().size() - 1;
    Print(FitTable(std::move(rows), description, TerminalWidth()));
  }
  return absl::OkStatus();
}

struct PruneOptions {
  std::vector<std::string> filters;
  bool all = false;
  std::string keep_duration;
  std::string reserved;
  std::string max_used;
  std::string min_free;
  bool dry_run = false;
  std::string format = "text";
};

absl::StatusOr<uint64_t> ParseSize(std::string_view option, const std::string& text) {
  if (text.empty()) {
    return 0;
  }
  const std::optional<uint64_t> bytes = ParseByteSize(text);
  if (!bytes.has_value()) {
    return UsageError(
        fmt::format("{} takes a size (10GB, 512MiB), not \"{}\"", option, ToUtf8(text)));
  }
  return *bytes;
}

absl::StatusOr<v1::PruneCacheRequest> MakeRequest(const Session& session,
                                                  const PruneOptions& options) {
  v1::PruneCacheRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), MakeFilter(session, options.filters));
  if (!options.keep_duration.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_keep_duration(),
                     ParseDuration("--keep-duration", options.keep_duration));
  }
  ASSIGN_OR_RETURN(const uint64_t reserved, ParseSize("--reserved-space", options.reserved));
  ASSIGN_OR_RETURN(const uint64_t max_used, ParseSize("--max-used-space", options.max_used));
  ASSIGN_OR_RETURN(const uint64_t min_free, ParseSize("--min-free-space", options.min_free));
  request.set_reserved_bytes(reserved);
  request.set_max_used_bytes(max_used);
  request.set_min_free_bytes(min_free);
  request.set_dry_run(options.dry_run);
  const bool limited = request.has_keep_duration() || reserved > 0 || max_used > 0 || min_free > 0;
  if (options.all && (limited || !options.filters.empty())) {
    return UsageError("--all removes the whole cache: give it, or what to keep");
  }
  return request;
}

absl::Status Prune(Session& session, const PruneOptions& options) {
  ASSIGN_OR_RETURN(const v1::PruneCacheRequest request, MakeRequest(session, options));
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(
      v1::PruneCacheResponse response,
      Call(*connection, connection->cache(), &v1::CacheService::StubInterface::PruneCache, request,
           kTimeout, session.stop()));
  if (options.format == "json") {
    Print(ToJson(response) + "\n");
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"TYPE", "OBJECTS", "SIZE"}};
  for (const v1::PruneCacheResponse::Removed& removed : response.removed()) {
    rows.push_back({removed.type(), std::to_string(removed.objects()),
                    removed.bytes() == 0 ? "-" : FormatSize(removed.bytes())});
  }
  const std::string table = rows.size() > 1 ? FormatTable(rows) + "\n" : "";
  Print(options.dry_run ? table + "Nothing was removed: this is what would go.\n"
                        : table + fmt::format("{} of the disk are free now that were not.\n",
                                              FormatSize(response.freed_bytes())));
  return absl::OkStatus();
}

void AddList(Command& cache) {
  Command ls = cache.Sub("ls", "List what is cached, the least recently used first",
                         "zlayer cache ls --filter type=record --filter until=24h");
  auto options = std::make_shared<ListOptions>();
  ls.Option({"--filter", "KEY=VALUE", std::string(kFilterHelp)}, &options->filters)
      .Choice({"--format", "", "A table, or a line of JSON for each entry"}, &options->format,
              {"text", "json"});
  ls.Run([options](Session& session) { return List(session, *options); });
}

void AddPrune(Command& cache) {
  Command prune = cache.Sub("prune",
                            "Remove what is cached, the least recently used first, and free what "
                            "nothing holds; images with names and what running builds use "
                            "stay",
                            "zlayer cache prune --keep-duration 7d --max-used-space 20GB");
  auto options = std::make_shared<PruneOptions>();
  prune.Section("What goes")
      .Flag({"-a,--all", "", "All of it, as without any of the following"}, &options->all)
      .Option({"--filter", "KEY=VALUE", std::string(kFilterHelp)}, &options->filters)
      .Option({"--keep-duration", "TIME", "Keep what was used within this time: 30m, 24h, 7d"},
              &options->keep_duration)
      .Option({"--keep-storage,--reserved-space", "SIZE",
               "Remove nothing while the cache has no more bytes than this: 10GB, 512MiB"},
              &options->reserved)
      .Option({"--max-used,--max-used-space", "SIZE", "Remove until the cache has at most so many"},
              &options->max_used)
      .Option({"--min-free,--min-free-space", "SIZE", "Remove until so many are free on the disk"},
              &options->min_free)
      .Flag({"--dry-run", "", "Only say what would go"}, &options->dry_run);
  prune.Section("Output").Choice({"--format", "", "A table, or one JSON document"},
                                 &options->format, {"text", "json"});
  prune.Run([options](Session& session) { return Prune(session, *options); });
}

}  // namespace

void AddCacheCommand(Command& root) {
  Command cache = root.Sub("cache", "See and shrink the build cache", "zlayer cache ls");
  cache.RequireSub();
  AddList(cache);
  AddPrune(cache);
}

}  // namespace zlayer
