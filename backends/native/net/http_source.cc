#include "backends/native/net/http_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/libcurl.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr uint32_t kFileMode = 0600;

Digest SourceKey(const HttpSource::Wanted& wanted) {
  return Digest::Of(fmt::format("http {} {}", wanted.url.text, wanted.name));
}

// 1970 where the server said nothing that reads as a time.
absl::StatusOr<int64_t> ModificationTime(const std::string& last_modified) {
  RETURN_IF_ERROR(LoadCurl());
  const time_t seconds = last_modified.empty() ? 0 : curl_getdate(last_modified.c_str(), nullptr);
  return TimeInNs(std::max<time_t>(seconds, 0), 0);
}

}  // namespace

absl::StatusOr<bool> HttpSource::IsUsable(const FetchedSource& fetched) {
  if (wanted_.checksum.has_value() && fetched.content != *wanted_.checksum) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::vector<bool> stored, store_.contents().Has({fetched.content}));
  return stored[0];
}

absl::StatusOr<std::optional<FetchedSource>> HttpSource::Known() {
  ASSIGN_OR_RETURN(std::optional<FetchedSource> known,
                   store_.fetched().Find(wanted_.name_space, SourceKey(wanted_)));
  if (known.has_value()) {
    ASSIGN_OR_RETURN(const bool usable, IsUsable(*known));
    if (usable) {
      return known;
    }
  }
  if (!wanted_.checksum.has_value()) {
    return std::optional<FetchedSource>();
  }
  ASSIGN_OR_RETURN(known, store_.fetched().FindContent(wanted_.name_space, *wanted_.checksum));
  if (known.has_value()) {
    ASSIGN_OR_RETURN(const bool usable, IsUsable(*known));
    if (usable) {
      // The other URL's validators are not this one's.
      known->etag.clear();
      return known;
    }
  }
  return std::optional<FetchedSource>();
}

absl::StatusOr<LayerRef> HttpSource::Keep(FetchedSource fetched, uint64_t size) {
  ASSIGN_OR_RETURN(const int64_t modified, ModificationTime(fetched.last_modified));
  LayerIndexBuilder builder;
  RETURN_IF_ERROR(builder.Add({.path = wanted_.name,
                               .type = EntryType::kFile,
                               .mode = kFileMode,
                               .mtime_ns = modified,
                               .size = size,
                               .content = fetched.content}));
  ASSIGN_OR_RETURN(const std::string index, builder.Serialize());
  ASSIGN_OR_RETURN(LayerRef layer, store_.layers().Add(index, ""));
  fetched.layer = layer->id();
  RETURN_IF_ERROR(store_.fetched().Put(wanted_.name_space, SourceKey(wanted_), fetched));
  return layer;
}

absl::StatusOr<LayerRef> HttpSource::Request(const std::optional<FetchedSource>& known,
                                             const Progress& progress, std::stop_token stop) {
  DownloadRequest request{.url = wanted_.url};
  if (known.has_value()) {
    request.etag = known->etag;
    request.last_modified = known->last_modified;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<PackWriter> pack, store_.contents().NewPack());
  const HttpBody body{
      .append = [&](std::string_view data) { return pack->Append(data); },
      .restart = [&] { pack->Abandon(); },
      .progress = [&](uint64_t done,
                      uint64_t total) { progress(done, total, /*complete=*/false); }};
  ASSIGN_OR_RETURN(const HttpAnswer answer, Download(request, limits_, body, std::move(stop)));
  if (answer.not_modified) {
    ASSIGN_OR_RETURN(const ContentFile content, store_.contents().Open(known->content));
    return Keep(*known, content.size);
  }
  ASSIGN_OR_RETURN(const Digest content, pack->End());
  if (wanted_.checksum.has_value() && content != *wanted_.checksum) {
    return FailedPrecondition(fmt::format("{}: the file has the checksum {}, and {} is wanted",
                                          wanted_.url.text, content.ToString(),
                                          wanted_.checksum->ToString()));
  }
  RETURN_IF_ERROR(pack->Commit());
  progress(answer.size, answer.size, /*complete=*/true);
  return Keep({.content = content, .etag = answer.etag, .last_modified = answer.last_modified},
              answer.size);
}

absl::StatusOr<LayerRef> HttpSource::Fetch(const Progress& progress, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::optional<FetchedSource> known, Known());
  if (known.has_value() && wanted_.checksum.has_value()) {
    ASSIGN_OR_RETURN(const ContentFile content, store_.contents().Open(known->content));
    return Keep(*known, content.size);
  }
  return Request(known, progress, std::move(stop));
}

}  // namespace zlayer
