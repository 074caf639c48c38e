// ZPipeline files: text in, structure out; reads nothing else.
//
//   vars: {VERSION: "1.2"}          # ${VERSION} in file, context, tags, build_args, ZImagefiles
//   defaults:                       # of every image
//     format: oci                   # or docker
//     build_args: {A: b}            # an image's are laid over them
//     no_cache: false
//     cache_mounts: [{target: /c}]  # an image's come after them
//     retries: 0
//     platforms: [linux/amd64]      # where an image says none
//   images:
//     web:
//       file: web/Dockerfile        # required; *.yml, *.yaml and ZImagefile* are ZImagefiles
//       context: .
//       tags: ["registry.example/web:${VERSION}"]
//       depends_on: [base]
//       os: linux                   # besides all that defaults has
//   push: {after_all: true}
//
// Paths are relative to the file's directory; which that is knows the caller.
#ifndef ZLAYER_DAEMON_FRONTEND_PIPELINE_PIPELINE_FILE_H_
#define ZLAYER_DAEMON_FRONTEND_PIPELINE_PIPELINE_FILE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/pipeline/dependencies.h"
#include "daemon/frontend/pipeline/variables.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// An image with the defaults merged in and variables expanded.
struct PipelineFileImage {
  std::string name;
  std::string file;
  std::string context = ".";
  std::vector<std::string> tags;
  std::map<std::string, std::string> build_args;
  std::vector<std::string> depends_on;
  bool no_cache = false;
  std::string format;  // "oci", "docker", or nothing
  std::vector<v1::Mount> cache_mounts;
  uint32_t retries = 0;
  std::vector<std::string> platforms;
  std::string os;  // what `os`, or the first platform, says
};

struct PipelineFile {
  PipelineVariables vars;  // those that were set from outside included
  std::vector<PipelineFileImage>
      images;  // in the order of the file; names and dependencies are good
  bool push_after_all = false;
};

struct PipelineFileOptions {
  std::string name;       // of the file, for messages
  PipelineVariables set;  // win over `vars`
  // Takes the place of `defaults.platforms` where it is not empty.
  std::vector<std::string> default_platforms;
};

// kInvalidArgument "FILE:LINE:COLUMN: path.of.key: message", with the line in the status's detail:
// what is no YAML, a key that is not known or given twice, a value of another kind, a variable that
// is not set, dependencies that cannot be (reasons as in dependencies.h). kUnimplemented for
// `cache`. Beside the limits of yaml_tree.h there are at most 1000 images, and 4 MiB of what
// variables and defaults make of the file.
absl::StatusOr<PipelineFile> ParsePipelineFile(std::string_view text,
                                               const PipelineFileOptions& options);

// Whether a build file of that name is a ZImagefile; else it is a Dockerfile.
bool IsZimagefileName(std::string_view path);

// What is asked of the daemon for an image, all but its contexts. `build_file` is the text of its
// `file`, with its ignore file.
v1::BuildSpec SpecOf(const PipelineFile& pipeline, const PipelineFileImage& image,
                     v1::InlineFile build_file);

std::vector<PipelineNode> NodesOf(const std::vector<PipelineFileImage>& images);

// The keys of each mapping that the file has, by its path: "" for the whole, "images.NAME". For the
// test that holds deploy/zpipeline.schema.json against them.
std::map<std::string, std::vector<std::string>> PipelineFileKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_PIPELINE_PIPELINE_FILE_H_
