// What is kept of a submitted pipeline. Pure functions.
#ifndef ZLAYER_DAEMON_PIPELINE_STORED_PIPELINE_H_
#define ZLAYER_DAEMON_PIPELINE_STORED_PIPELINE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "daemon/queue/stored_request.h"
#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

struct StoredPipelineImage {
  std::string name;
  std::vector<size_t> depends_on;  // positions, each once
  bool pushes = false;
  bool needs_login = false;  // credentials came along for a registry that it is sent to
  // The build that it will be, without secrets; whether it had some. No idempotency key.
  StoredRequest build;
};

struct StoredPipeline {
  v1::SubmitPipelineRequest request;  // without specs; with its namespace
  std::vector<StoredPipelineImage> images;
  // Of the original: equal for requests that differ at most in values of secrets, passwords,
  // tokens.
  Digest digest;
};

// The dependencies of the request are good (FindDependencyError).
StoredPipeline ToStored(const v1::SubmitPipelineRequest& request);

// As ContentDigest of a build, made from those of the images, in order.
Digest ContentDigest(const StoredPipeline& pipeline, const std::vector<Digest>& images);

// Ids of the uploaded contexts, each once.
std::vector<std::string> UploadedContexts(const StoredPipeline& pipeline);

// The tags that say which registry they are of: where a pipeline sends the image.
std::vector<std::string> PushedTags(const v1::BuildSpec& spec);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_PIPELINE_STORED_PIPELINE_H_
