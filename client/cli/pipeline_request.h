// From the flags of `zlayer pipeline` and a ZPipeline file to what is submitted.
#ifndef ZLAYER_CLIENT_CLI_PIPELINE_REQUEST_H_
#define ZLAYER_CLIENT_CLI_PIPELINE_REQUEST_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "zlayer/v1/pipeline.pb.h"

namespace zlayer {

struct PipelineFlags {
  std::string file;               // empty: FindPipelineFile
  std::vector<std::string> sets;  // K=V
  std::vector<std::string> only;  // names, with commas between some
  std::vector<std::string> platforms;
  bool push = false;
  bool no_push = false;
  bool keep_going = false;
  bool no_cache = false;
  int32_t jobs = 0;
  int32_t priority = 0;
};

// A directory that is the context of images, to be uploaded once for all of them.
struct PipelineUpload {
  std::string directory;  // as the user knows it
  std::string ignore_name;
  std::string ignore_text;
  std::vector<int> images;  // of the request
};

struct PipelineToSubmit {
  // Its images have a context "" that says nothing yet.
  v1::SubmitPipelineRequest request;
  std::vector<PipelineUpload> uploads;
};

// The first of ZPipeline.yaml, ZPipeline.yml, zlayer-pipeline.yaml and zlayer-pipeline.yml that is
// in `directory`. kNotFound names them.
absl::StatusOr<std::string> FindPipelineFile(const std::string& directory);

// Reads the file and the build files that it names, and the logins for their images. Usage errors
// (session.h): a flag's value does not read, or --only names no image.
absl::StatusOr<PipelineToSubmit> MakePipelineRequest(const PipelineFlags& flags,
                                                     std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_PIPELINE_REQUEST_H_
