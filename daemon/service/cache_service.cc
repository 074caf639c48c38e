#include "daemon/service/cache_service.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "daemon/service/request_check.h"
#include "daemon/service/unary_call.h"
#include "registry/usage/disk_walker.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kDefaultPage = 100;
constexpr size_t kMostEntries = 1000;
constexpr size_t kMostText = 1000;  // of a description: a page fits one message
// Both kinds of calls may take long, and one kind is not to wait for the other.
constexpr size_t kListThreads = 2;
constexpr size_t kPruneThreads = 4;  // all but one of them wait
constexpr int64_t kMostSeconds = 9'000'000'000;
// A token: version, digest of the filter, last use, type, key in hex.
constexpr std::string_view kVersion = "1";
constexpr size_t kTokenParts = 5;

absl::StatusOr<int64_t> NanosecondsOf(std::string_view field,
                                      const google::protobuf::Duration& duration) {
  if (duration.seconds() < 0 || duration.seconds() > kMostSeconds || duration.nanos() < 0 ||
      duration.nanos() > 999'999'999) {
    return InvalidOption(field, "it is not a duration from nothing to 285 years");
  }
  return TimeUtil::DurationToNanoseconds(duration);
}

absl::StatusOr<CacheFilter> ToFilter(const v1::CacheFilter& message) {
  CacheFilter filter;
  if (!message.namespace_().empty()) {
    ASSIGN_OR_RETURN(filter.name_space, NamespaceOf(message.namespace_()));
  }
  for (const std::string& name : message.types()) {
    const std::optional<CacheType> type = ParseCacheType(name);
    if (!type.has_value()) {
      return InvalidOption(
          "filter.types",
          fmt::format(
              "\"{}\" is not a type of cache entries: record, cache-mount, fetched and image are",
              ToUtf8(name)));
    }
    filter.types.push_back(*type);
  }
  filter.id = message.id();
  ASSIGN_OR_RETURN(filter.unused_ns, NanosecondsOf("filter.unused_for", message.unused_for()));
  for (const std::string_view word : Split(message.description(), ' ')) {
    if (!word.empty()) {
      filter.words.emplace_back(word);
    }
  }
  return filter;
}

std::string DigestOf(const v1::CacheFilter& filter) {
  return Digest::Of(filter.SerializeAsString()).Hex().substr(0, 16);
}

std::string TokenOf(const v1::CacheFilter& filter, const CachePosition& position) {
  std::string key;
  for (const char byte : position.key) {
    key += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  }
  return fmt::format("{}.{}.{}.{}.{}", kVersion, DigestOf(filter), position.used_ns,
                     static_cast<int>(position.type), key);
}

std::optional<std::string> FromHex(std::string_view hex) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const size_t high = kDigits.find(hex[i]);
    const size_t low = kDigits.find(hex[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return std::nullopt;
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  return hex.size() % 2 == 0 ? std::optional<std::string>(bytes) : std::nullopt;
}

absl::StatusOr<std::optional<CachePosition>> PositionOf(const v1::ListCacheRequest& request) {
  if (request.page_token().empty()) {
    return std::optional<CachePosition>();
  }
  const std::vector<std::string_view> parts = Split(request.page_token(), '.');
  const absl::Status wrong =
      InvalidOption("page_token", "it is not one that the daemon gave out for such a request");
  if (parts.size() != kTokenParts || parts[0] != kVersion ||
      parts[1] != DigestOf(request.filter())) {
    return wrong;
  }
  const std::optional<uint64_t> used = ParseUint(parts[2]);
  const std::optional<uint64_t> type = ParseUint(parts[3]);
  std::optional<std::string> key = FromHex(parts[4]);
  if (!used.has_value() || *used > INT64_MAX || !type.has_value() ||
      *type > static_cast<uint64_t>(CacheType::kRecord) || !key.has_value()) {
    return wrong;
  }
  return std::optional<CachePosition>(
      CachePosition{static_cast<int64_t>(*used), static_cast<CacheType>(*type), *std::move(key)});
}

// A stop when the call is canceled, and when the daemon stops.
class EitherStop {
 public:
  EitherStop(std::stop_token a, std::stop_token b)
      : on_a_(std::move(a), Request{&stop_}), on_b_(std::move(b), Request{&stop_}) {}
  std::stop_token token() const { return stop_.get_token(); }

 private:
  struct Request {
    std::stop_source* stop;
    void operator()() const { stop->request_stop(); }
  };
  std::stop_source stop_;
  std::stop_callback<Request> on_a_;
  std::stop_callback<Request> on_b_;
};

class StoreCacheService : public v1::CacheService::CallbackService {
 public:
  explicit StoreCacheService(const CacheServiceOptions& options) : options_(options) {}

  grpc::ServerUnaryReactor* ListCache(grpc::CallbackServerContext*,
                                      const v1::ListCacheRequest* request,
                                      v1::ListCacheResponse* response) override {
    return RunUnary<v1::ListCacheRequest, v1::ListCacheResponse>(
        &listing_, request, response,
        [this](const v1::ListCacheRequest& list, std::stop_token canceled) {
          const EitherStop stop(std::move(canceled), options_.stopping);
          return List(list, stop.token());
        });
  }

  grpc::ServerUnaryReactor* PruneCache(grpc::CallbackServerContext*,
                                       const v1::PruneCacheRequest* request,
                                       v1::PruneCacheResponse* response) override {
    return RunUnary<v1::PruneCacheRequest, v1::PruneCacheResponse>(
        &pruning_, request, response,
        [this](const v1::PruneCacheRequest& prune, std::stop_token canceled) {
          const EitherStop stop(std::move(canceled), options_.stopping);
          return Prune(prune, stop.token());
        });
  }

 private:
  absl::StatusOr<v1::ListCacheResponse> List(const v1::ListCacheRequest& request,
                                             const std::stop_token& stop) {
    ASSIGN_OR_RETURN(const CacheFilter filter, ToFilter(request.filter()));
    ASSIGN_OR_RETURN(const std::optional<CachePosition> after, PositionOf(request));
    const size_t limit = request.page_size() == 0
                             ? kDefaultPage
                             : std::min<size_t>(request.page_size(), kMostEntries);
    RETURN_IF_ERROR(options_.store->records().FlushUses());
    RETURN_IF_ERROR(options_.store->fetched().FlushUses());
    ASSIGN_OR_RETURN(const CachePage page,
                     ListCacheRows(*options_.store, filter, after, limit, options_.clock->NowNs()));
    v1::ListCacheResponse response;
    for (const CacheRow& row : page.rows) {
      ASSIGN_OR_RETURN(*response.add_entries(), ToEntry(row, stop));
    }
    if (page.next.has_value()) {
      response.set_next_page_token(TokenOf(request.filter(), *page.next));
    }
    return response;
  }

  absl::StatusOr<v1::CacheEntry> ToEntry(const CacheRow& row, const std::stop_token& stop) {
    v1::CacheEntry entry;
    entry.set_type(std::string(NameOf(row.type)));
    entry.set_id(ToUtf8(row.id));
    entry.set_namespace_(row.name_space);
    entry.set_description(std::string(CutUtf8(ToUtf8(row.description), kMostText)));
    entry.set_bytes(BytesOf(row));
    if (row.type == CacheType::kCacheMount) {
      DiskWalker walker(stop);
      ASSIGN_OR_RETURN(const DiskWalker::Directory mounts,
                       walker.Open(options_.store->root() + "/cache-mounts"));
      ASSIGN_OR_RETURN(const uint64_t bytes,
                       walker.Measure(mounts.fd, fmt::format("{}", row.number)));
      entry.set_bytes(bytes);
    }
    if (row.created_ns > 0) {
      *entry.mutable_created() = TimeUtil::NanosecondsToTimestamp(row.created_ns);
    }
    *entry.mutable_last_used() = TimeUtil::NanosecondsToTimestamp(row.used_ns);
    entry.set_in_use(row.in_use);
    return entry;
  }

  absl::StatusOr<v1::PruneCacheResponse> Prune(const v1::PruneCacheRequest& request,
                                               const std::stop_token& stop) {
    GcPolicy policy;
    ASSIGN_OR_RETURN(policy.filter, ToFilter(request.filter()));
    ASSIGN_OR_RETURN(policy.limits.keep_ns,
                     NanosecondsOf("keep_duration", request.keep_duration()));
    policy.limits.reserved_bytes = request.reserved_bytes();
    policy.limits.max_used_bytes = request.max_used_bytes();
    policy.limits.min_free_bytes = request.min_free_bytes();
    ASSIGN_OR_RETURN(const SweepResult result,
                     options_.collector->Prune(policy, request.dry_run(), stop));
    v1::PruneCacheResponse response;
    for (const auto& [type, removed] : result.removed) {
      if (removed.objects > 0) {
        v1::PruneCacheResponse::Removed& message = *response.add_removed();
        message.set_type(type);
        message.set_objects(removed.objects);
        message.set_bytes(removed.bytes);
      }
    }
    response.set_freed_bytes(result.freed_bytes);
    return response;
  }

  const CacheServiceOptions options_;
  ThreadPool listing_{kListThreads};
  ThreadPool pruning_{kPruneThreads};
};

}  // namespace

std::unique_ptr<v1::CacheService::CallbackService> MakeCacheService(
    const CacheServiceOptions& options) {
  return std::make_unique<StoreCacheService>(options);
}

}  // namespace zlayer
