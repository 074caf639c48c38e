// The graph of a build file and of the builds that are nested in it.
#ifndef ZLAYER_DAEMON_BUILD_GRAPH_PLANNER_H_
#define ZLAYER_DAEMON_BUILD_GRAPH_PLANNER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/build/file_to_build.h"
#include "daemon/frontend/dockerfile/convert.h"
#include "daemon/frontend/nested_builds.h"
#include "daemon/frontend/zimagefile/zimagefile.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Reads the build file of a directory of the build context ("" is all of it): the one called
// `file`, or, where that is empty, the one that is found. Its name is its path in the context.
// kInvalidArgument where there is no context.
using NestedFileReader = std::function<absl::StatusOr<FileToBuild>(const std::string& directory,
                                                                   const std::string& file)>;

struct GraphPlannerOptions {
  const v1::BuildSpec* spec = nullptr;
  ImageResolver* resolver = nullptr;
  NestedFileReader read;
  std::stop_token stop;
};

struct PlannedFile {
  v1::Graph graph;  // not yet validated
  std::vector<v1::Warning> warnings;
  absl::Status violation;
  std::map<std::string, std::string> annotations;  // the request's, and those that the file adds
  std::vector<FileToBuild> files;                  // the build file, then those nested in it
};

struct ExaminedFile {
  FileExamination found;           // warnings of nested files behind those of the file
  std::vector<FileToBuild> files;  // in which lines are counted: the build file, then nested ones
};

// A nested build (`build:`) is converted where a stage that is needed begins with it, into the same
// graph, so that it is cached and runs as any other stage. It has the platform of the stage
// that begins with it, and the request's line of Windows Server, contexts and registries; of build
// arguments those of the directive, and those that mean something without an ARG. Two directives
// that mean the same build have the same stages.
//
// An object is for one file. `options` outlives it.
class GraphPlanner {
 public:
  explicit GraphPlanner(const GraphPlannerOptions& options) : options_(options) {}

  // Errors as AddToGraph and ReadZImagefile, with the lines that they are about. kInvalidArgument:
  // a build is nested in itself (reason CIRCULAR_DEPENDENCY, the files in the items), too deep, or
  // its directory is outside of the context.
  absl::StatusOr<PlannedFile> Plan(FileToBuild file);
  // What can be said of the file, and of those nested in it that its target needs.
  ExaminedFile Examine(FileToBuild file);

 private:
  class Nested;

  // What a ZImagefile says; nullopt for a Dockerfile, which is read where it is converted.
  absl::StatusOr<std::optional<ZImagefile>> Read(FileToBuild* file) const;
  absl::StatusOr<ConvertRequest> RootRequest(const FileToBuild& file) const;
  absl::StatusOr<ConvertedFile> Add(const FileToBuild& file, std::optional<ZImagefile> parsed,
                                    ConvertRequest request);
  // The build that `stage` of the file that `parent` is of begins with.
  absl::StatusOr<NestedImage> Build(const NestedBuild& directive, const std::string& stage,
                                    const ConvertRequest& parent, const v1::Platform& platform);
  std::map<std::string, std::string> BuildArgs(const NestedBuild& directive) const;
  absl::Status CheckPath(const std::string& file) const;
  absl::Status CheckSize() const;

  const GraphPlannerOptions& options_;
  v1::Graph graph_;
  std::vector<std::string> under_way_;  // names of build files, each nested in the one before
  // By directory, file, platform and arguments.
  std::map<std::vector<std::string>, NestedImage> built_;
  PlannedFile planned_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_GRAPH_PLANNER_H_
