// Which stages of a file a target needs, and what each begins with.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_PLAN_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_PLAN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/named_contexts.h"
#include "daemon/frontend/image_resolver.h"
#include "daemon/frontend/nested_builds.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What FROM or --from means.
struct FilesOf {
  enum class Kind {
    kScratch,
    kStage,    // an earlier stage of the file
    kContext,  // a named context that is no image
    kBuild,    // a nested build
    kImage,
  };
  Kind kind = Kind::kImage;
  size_t stage = 0;
  const NamedContext* context = nullptr;
  std::string image;  // reference, or name of the build, as written
};

struct PlannedStage {
  std::string base_text;  // FROM, expanded; on Windows what it means there (WindowsBase)
  std::string rewritten;  // FROM, expanded, where it means something else
  FilesOf base;
  const ResolvedImage* image = nullptr;  // where the base is one, or a build
  const NestedImage* build = nullptr;    // where it is a build
  v1::Platform platform;                 // that the image is to be for
  // The stage is a named context: its instructions do not run.
  bool replaced = false;
  std::vector<Instruction> triggers;  // ONBUILD of the base; run before the stage's own
};

// Looks up each image once for each platform.
class BaseImages {
 public:
  // `nested` may be null.
  BaseImages(ImageResolver& resolver, NestedBuilds* nested, std::stop_token stop)
      : resolver_(resolver), nested_(nested), stop_(std::move(stop)) {}

  // kInvalidArgument: not a reference; else what the resolver said. The result lives as long as
  // this object.
  absl::StatusOr<const ResolvedImage*> Resolve(const std::string& reference,
                                               const v1::Platform& platform);

  // What there was to say of the images, in the order in which they were looked up.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // The same of bases that are builds.
  bool IsBuild(const std::string& base) const { return nested_ != nullptr && nested_->Has(base); }
  absl::StatusOr<const NestedImage*> ResolveBuild(const std::string& base,
                                                  const v1::Platform& platform);

 private:
  ImageResolver& resolver_;
  NestedBuilds* const nested_;
  const std::stop_token stop_;
  std::vector<std::string> warnings_;
  std::map<std::pair<std::string, std::string>, ResolvedImage> images_;  // by name and platform
  std::map<std::pair<std::string, std::string>, NestedImage> builds_;    // the same
};

// The error of an image that is not there, which may be a stage whose name is misspelled.
absl::Status SuggestStage(absl::Status status, const std::string& reference,
                          const std::vector<std::string>& stages);

// What stages are built for.
struct StageTarget {
  v1::Platform platform;     // of those that say none themselves
  std::string windows_ltsc;  // the line of Windows Server that bases are taken from
};

class StagePlan {
 public:
  // `expand` expands a word with the arguments before the first FROM. All but `target` is borrowed.
  StagePlan(const DockerfileInstructions& file, const NamedContexts& contexts, StageTarget target,
            BaseImages& images,
            std::function<absl::StatusOr<std::string>(std::string_view word)> expand);

  // The stage that a name (the last one of it, in any case) or a number means; nullopt for none.
  std::optional<size_t> FindStage(const std::string& name) const;
  // Names of stages, in order of name.
  std::vector<std::string> Names() const;

  // Finds the stages that `target` needs; resolves the images that they begin with. Stages that the
  // target does not need are neither expanded nor resolved. Errors carry source, instruction,
  // stage.
  absl::Status Plan(size_t target);
  // The same of all stages.
  absl::Status PlanAll();

  // A stage that the target needs, after Plan; null for others.
  const PlannedStage* Get(size_t stage) const {
    return planned_[stage] ? &*planned_[stage] : nullptr;
  }
  // Named contexts that are downloads and that needed stages use, by name.
  const std::map<std::string, const NamedContext*>& downloads() const { return downloads_; }

  // What --from=TEXT means in a stage. kInvalidArgument: a number without a stage, the stage itself
  // or a later one, or a variable.
  absl::StatusOr<FilesOf> ResolveFrom(const std::string& from, size_t stage) const;

  // The status with the instruction's source and text and the stage's name.
  absl::Status Located(absl::Status status, const Instruction& instruction, size_t stage) const;

 private:
  absl::Status Mark(size_t target);
  absl::Status PlanBase(size_t index);
  // The stage begins with the image that its FROM names.
  void UseImage(PlannedStage* plan) const;
  absl::StatusOr<v1::Platform> PlatformOf(const FromInstruction& from) const;
  absl::Status MarkSources(const Instruction& instruction, size_t index);
  void Need(const FilesOf& files);
  absl::StatusOr<bool> ResolveImages();
  absl::Status ResolveImage(PlannedStage* plan);
  absl::StatusOr<bool> AddTriggers(const std::vector<std::string>& triggers, size_t index);
  std::optional<size_t> EarlierStage(std::string_view name, size_t index) const;

  const DockerfileInstructions& file_;
  const NamedContexts& contexts_;
  const StageTarget target_;
  BaseImages& images_;
  const std::function<absl::StatusOr<std::string>(std::string_view word)> expand_;
  std::map<std::string, std::vector<size_t>, std::less<>> stages_by_name_;
  std::set<size_t> needed_;  // all of them, before they are planned too
  std::vector<std::optional<PlannedStage>> planned_;
  std::map<std::string, const NamedContext*> downloads_;
  size_t trigger_count_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_PLAN_H_
