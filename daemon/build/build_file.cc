#include "daemon/build/build_file.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/context_files.h"
#include "daemon/build/program_platform.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/build/target_platform.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

struct NamedText {
  std::string name;
  std::string text;
};

absl::StatusOr<std::optional<NamedText>> FindIgnoreFile(Store& store, const MainContext& context,
                                                        const v1::InlineFile& dockerfile) {
  if (!dockerfile.ignore_file().empty()) {
    return NamedText{dockerfile.ignore_name().empty() ? ".dockerignore" : dockerfile.ignore_name(),
                     dockerfile.ignore_file()};
  }
  if (context.layer == nullptr || !context.from_tar) {
    return std::nullopt;
  }
  for (const std::string& name :
       {dockerfile.name() + ".dockerignore", std::string(".dockerignore")}) {
    absl::StatusOr<std::string> text = ReadContextFile(store.layers(), context.layer, name);
    if (text.ok()) {
      return NamedText{name, *std::move(text)};
    }
    if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  return std::nullopt;
}

absl::StatusOr<v1::InlineFile> ReadDockerfile(Store& store, const MainContext& context,
                                              const v1::BuildSpec& spec) {
  if (spec.has_dockerfile_inline()) {
    return spec.dockerfile_inline();
  }
  if (context.layer == nullptr) {
    return InvalidArgument("there is no build context to read the Dockerfile from");
  }
  v1::InlineFile file;
  file.set_name(spec.dockerfile().empty() ? "Dockerfile" : spec.dockerfile());
  ASSIGN_OR_RETURN(*file.mutable_content(),
                   ReadContextFile(store.layers(), context.layer, file.name()));
  return file;
}

absl::StatusOr<std::optional<IgnoreFile>> ReadIgnoreFile(Store& store, const MainContext& context,
                                                         const v1::InlineFile& dockerfile) {
  ASSIGN_OR_RETURN(std::optional<NamedText> file, FindIgnoreFile(store, context, dockerfile));
  if (!file.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(IgnoreRules rules, IgnoreRules::Parse(file->text, file->name));
  return rules.empty() ? std::nullopt
                       : std::make_optional(IgnoreFile{file->name, std::move(rules)});
}

// A program of the build context that the image runs.
struct FoundProgram {
  std::string path;
  v1::Platform platform;
};

absl::StatusOr<std::optional<FoundProgram>> LookAtProgram(Store& store, const MainContext& context,
                                                          const v1::Graph& graph) {
  if (context.layer == nullptr) {
    return std::nullopt;
  }
  for (const std::string& path : FindProgram(graph)) {
    ASSIGN_OR_RETURN(const std::string head,
                     ReadContextHead(store.layers(), context.layer, path, kProgramHead));
    if (std::optional<v1::Platform> platform = PlatformOfProgram(head)) {
      return FoundProgram{path, *std::move(platform)};
    }
  }
  return std::nullopt;
}

// The plan, or another one where nobody says what the image is for and its program is not of Linux.
absl::StatusOr<PlannedBuild> ForItsProgram(PlannedBuild plan, const FoundProgram& program,
                                           const v1::BuildSpec& spec, ImageResolver& resolver,
                                           std::stop_token stop) {
  FileToBuild file = std::move(plan.file);
  file.program = program.platform;
  const std::string what = fmt::format("{} of the build context, which the image runs, is for {}",
                                       ToUtf8(program.path), program.platform.os());
  absl::StatusOr<v1::Platform> target = TargetPlatform(HintsOf(spec, file), HostPlatform());
  if (!target.ok()) {
    return Annotate(target.status(), what);
  }
  ASSIGN_OR_RETURN(plan, PlanDockerfile(spec, std::move(file), resolver, std::move(stop)));
  v1::Warning warning;
  warning.set_rule("TargetOsOfProgram");
  warning.set_message(
      fmt::format("{}, and so is the image ({}); --target-os or --platform says it "
                  "without a look at the program",
                  what, FormatPlatform(*target)));
  plan.warnings.insert(plan.warnings.begin(), std::move(warning));
  return plan;
}

}  // namespace

absl::StatusOr<MainContext> OpenMainContext(Store& store, const std::string& name_space,
                                            const v1::BuildSpec& spec) {
  MainContext context;
  auto source = spec.contexts().find("");
  if (source == spec.contexts().end() || !source->second.has_uploaded()) {
    return context;
  }
  ASSIGN_OR_RETURN(StoredContext stored,
                   store.contexts().Get(name_space, source->second.uploaded()));
  ASSIGN_OR_RETURN(context.layer, store.layers().Get(stored.layer));
  context.from_tar = stored.from_tar;
  return context;
}

absl::StatusOr<FileToBuild> ReadFileToBuild(Store& store, const MainContext& context,
                                            const v1::BuildSpec& spec) {
  FileToBuild file;
  ASSIGN_OR_RETURN(file.dockerfile, ReadDockerfile(store, context, spec));
  ASSIGN_OR_RETURN(file.ignore, ReadIgnoreFile(store, context, file.dockerfile));
  return file;
}

absl::StatusOr<PlannedBuild> PlanRequest(const PlanSources& sources, const std::string& name_space,
                                         const v1::BuildSpec& spec, std::stop_token stop) {
  std::unique_ptr<ImageResolver> resolver = MakeImageResolver(sources.puller, name_space, spec);
  if (spec.has_graph()) {
    return PlanGraph(spec, *resolver, std::move(stop));
  }
  ASSIGN_OR_RETURN(MainContext context, OpenMainContext(*sources.store, name_space, spec));
  ASSIGN_OR_RETURN(FileToBuild file, ReadFileToBuild(*sources.store, context, spec));
  const bool is_said = NamesSystem(HintsOf(spec, file));
  ASSIGN_OR_RETURN(PlannedBuild plan, PlanDockerfile(spec, std::move(file), *resolver, stop));
  if (is_said) {
    return plan;
  }
  ASSIGN_OR_RETURN(const std::optional<FoundProgram> program,
                   LookAtProgram(*sources.store, context, plan.graph));
  return !program || program->platform.os() == "linux"
             ? plan
             : ForItsProgram(std::move(plan), *program, spec, *resolver, std::move(stop));
}

absl::StatusOr<v1::CheckBuildResponse> CheckRequest(const PlanSources& sources,
                                                    const std::string& name_space,
                                                    const v1::BuildSpec& spec,
                                                    std::stop_token stop) {
  std::unique_ptr<ImageResolver> resolver = MakeImageResolver(sources.puller, name_space, spec);
  ASSIGN_OR_RETURN(MainContext context, OpenMainContext(*sources.store, name_space, spec));
  ASSIGN_OR_RETURN(FileToBuild file, ReadFileToBuild(*sources.store, context, spec));
  return CheckDockerfile(spec, std::move(file), *resolver, std::move(stop));
}

}  // namespace zlayer
