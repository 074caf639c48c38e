// Build file to graph: the last of three steps (lexer.h: text to nodes; instructions.h: nodes to
// typed instructions; here: instructions to the graph, variables expanded and stages resolved).
// Files in other languages bring their instructions; what is said about Dockerfiles as texts is not
// looked for in them.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/ignore.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/image_resolver.h"
#include "daemon/frontend/nested_builds.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct ConvertRequest {
  std::string name;  // for messages: "Dockerfile"
  std::string text;  // of a Dockerfile
  // Of a file in another language, instead of the text.
  std::optional<DockerfileInstructions> instructions;
  std::map<std::string, std::string> build_args;
  std::string target;              // stage by name (any case) or number; empty: the last
  v1::Platform platform;           // what stages without --platform are built for
  bool platform_is_given = false;  // the image is for it, whatever its base is for
  std::string windows_ltsc;        // "ltsc2022": the line of Windows Server; empty: the default one
  std::map<std::string, std::string> labels;  // added to the target stage, after its own
  // Contexts beside the build context, by name: one stands for a stage and for an image of its
  // name, in FROM, AS and --from.
  std::map<std::string, v1::ContextSource> contexts;
  std::optional<IgnoreFile> ignore;  // of the build context, whoever applied it
  // Knows the bases that are other builds. Null: there are none.
  NestedBuilds* nested = nullptr;
  // Of a nested build: Stage.build of its stages, and the directory of the build context that is
  // its own.
  std::string build;
  std::string directory;
};

// What a file became in a graph.
struct ConvertedFile {
  uint32_t target = 0;  // the target's stage in the graph
  // Of the target's image.
  v1::Platform platform;
  v1::ImageConfig config;
  std::string base_image;  // that it stands on, maybe over other stages; empty for scratch
  std::optional<int64_t> source_date_epoch;
  std::vector<v1::Warning> warnings;
  // kInvalidArgument where the file says `# check=error=true` and a warning is a check's: it must
  // not be built.
  absl::Status violation;
};

// Adds the stages that the target needs behind those of `graph`. On an error what was added is of
// no use. Errors carry the file and line (proto/error_detail.h). kInvalidArgument: the file is
// wrong, or a build argument or target does not fit it; kUnimplemented: an instruction or flag that
// this version does not carry out; else what `resolver` and `nested` said.
absl::StatusOr<ConvertedFile> AddToGraph(const ConvertRequest& request, ImageResolver& resolver,
                                         v1::Graph* graph, std::stop_token stop);

// The graph of a file that has no nested builds.
struct FileGraph {
  v1::Graph graph;
  std::vector<v1::Warning> warnings;
  absl::Status violation;
};
absl::StatusOr<FileGraph> ConvertFile(const ConvertRequest& request, ImageResolver& resolver,
                                      std::stop_token stop);

// What can be said of a file, whether it can be built or not.
struct FileExamination {
  // Why it cannot be built; the first error of several.
  absl::Status status;
  std::vector<v1::Warning> warnings;  // by lines
  bool warnings_are_errors = false;
  // What the request's target takes; nullopt where the file could not be read so far.
  std::optional<v1::BuildOutline> outline;
  std::vector<v1::BuildTarget> targets;
};

// Examines all stages where the request names no target, else those that it needs. Goes on behind
// an error where it can.
FileExamination ExamineFile(const ConvertRequest& request, ImageResolver& resolver,
                            std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_H_
