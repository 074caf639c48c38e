// A file from a URL as a layer, and what the store knows of it from before.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_HTTP_SOURCE_H_
#define ZLAYER_BACKENDS_NATIVE_NET_HTTP_SOURCE_H_

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "backends/native/net/http_download.h"
#include "base/digest.h"
#include "registry/store.h"

namespace zlayer {

// One file to fetch. Not thread-safe.
class HttpSource {
 public:
  // `complete` with the last call, which comes only where something was transferred.
  using Progress = std::function<void(uint64_t done, uint64_t total, bool complete)>;

  struct Wanted {
    std::string name_space;
    RemoteUrl url;
    std::string name;  // of the file in the layer
    std::optional<Digest> checksum;  // of the content; any where it is not given
  };

  HttpSource(Store* store, const DownloadLimits& limits, Wanted wanted)
      : store_(*store), limits_(limits), wanted_(std::move(wanted)) {}

  // As RemoteSources::Http.
  absl::StatusOr<LayerRef> Fetch(const Progress& progress, std::stop_token stop);

 private:
  absl::StatusOr<std::optional<FetchedSource>> Known();
  absl::StatusOr<bool> IsUsable(const FetchedSource& fetched);
  absl::StatusOr<LayerRef> Keep(FetchedSource fetched, uint64_t size);
  absl::StatusOr<LayerRef> Request(const std::optional<FetchedSource>& known,
                                   const Progress& progress, std::stop_token stop);

  Store& store_;
  const DownloadLimits& limits_;
  const Wanted wanted_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_HTTP_SOURCE_H_
