// What runs a build. The daemon knows backends only through this header.
#ifndef ZLAYER_BACKENDS_API_BACKEND_H_
#define ZLAYER_BACKENDS_API_BACKEND_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "backends/api/event_sink.h"
#include "backends/api/span_sink.h"
#include "registry/image/image_store.h"
#include "registry/layer/layer_tar.h"
#include "zlayer/v1/graph.pb.h"
#include "zlayer/v1/system.pb.h"

namespace zlayer {

// What of an image has a layer of its own.
enum class Layering {
  kPerInstruction,
  kOneForBuild,  // all that the build made, on the base's layers
  kOneForImage,  // the base's layers too
};

// One build, with everything it may use.
struct BuildJob {
  std::string build_id;
  std::string name_space;
  std::shared_ptr<const v1::Graph> graph;       // validated (backends/graph/validate.h)
  std::map<std::string, std::string> contexts;  // name to id in the ContextStore
  // Each step that runs is explained by what changed since the nearest of the last builds that had
  // one of these names, too.
  std::vector<std::string> histories;
  // Builds of something else may have them.
  bool history_is_shared = false;
  bool no_cache = false;
  std::vector<std::string> no_cache_stages;  // only these, by name
  // What is cached and older counts as not there.
  std::optional<std::chrono::nanoseconds> cache_ttl;
  std::vector<std::string> entitlements;  // that the request grants: "security.insecure"
  // Fetches layers of base images that are not here; needed only where there are such.
  BlobFetcher fetch_blob;
  TarEpoch layer_epoch;  // of the tars that the image's own layers will be described by
  // Who asked for the build puts the image's layers together so. A backend returns them as they
  // are, but with kOneForImage those of the base are in the store, too.
  Layering layering = Layering::kPerInstruction;
  // How often a RUN that failed is tried again.
  uint32_t retries = 0;
  std::shared_ptr<SpanSink> spans;  // what took its time; may be null
};

// Thread-safe: builds run at the same time.
class Backend {
 public:
  virtual ~Backend() = default;

  // Its name, whether it can run here (or why not), and what it can do.
  virtual v1::BackendInfo Info() const = 0;

  // Runs the graph and returns the target's image, not yet committed; its layers are in the store.
  // Emits BuildStarted, BuildPlan and the events of stages and instructions, never a terminal one.
  // kCancelled once `stop` is requested; no process, mount
  // or temporary file of the build is left by the time this returns. An error carries an
  // ErrorDetail with source, instruction and stage.
  virtual absl::StatusOr<NewImage> Build(const BuildJob& job, EventSink& events,
                                         std::stop_token stop) = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_API_BACKEND_H_
