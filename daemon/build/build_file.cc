#include "daemon/build/build_file.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/context_files.h"
#include "daemon/build/context_runtime.h"
#include "daemon/build/program_platform.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/build/target_platform.h"
#include "daemon/build/zimage_source.h"
#include "daemon/frontend/build_file_choice.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/template/template_messages.h"
#include "daemon/frontend/zimagefile/file_name.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

struct NamedText {
  std::string name;
  std::string text;
};

// The ignore file of the template that a ZImagefile names. What is wrong in the file is said where
// it is planned.
std::optional<NamedText> TemplatesIgnoreFile(const v1::BuildSpec& spec, FileToBuild file) {
  if (!file.is_zimagefile) {
    return std::nullopt;
  }
  const absl::StatusOr<ZImagefile> parsed = ReadZImagefile(spec, &file);
  if (!parsed.ok() || !parsed->runtime.has_value()) {
    return std::nullopt;
  }
  const RuntimeTemplate& runtime = *FindTemplate(parsed->runtime->name);
  return NamedText{BuildFileName(runtime) + ".dockerignore", std::string(runtime.dockerignore)};
}

// The first of these files that the context has.
absl::StatusOr<std::optional<NamedText>> ReadFirst(Store& store, const LayerRef& context,
                                                   const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    absl::StatusOr<std::string> text = ReadContextFile(store.layers(), context, name);
    if (text.ok()) {
      return NamedText{name, *std::move(text)};
    }
    if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<NamedText>> FindIgnoreFile(Store& store, const MainContext& context,
                                                        const v1::BuildSpec& spec,
                                                        const FileToBuild& file) {
  const v1::InlineFile& source = file.source;
  if (!source.ignore_file().empty()) {
    return NamedText{source.ignore_name().empty() ? ".dockerignore" : source.ignore_name(),
                     source.ignore_file()};
  }
  if (context.layer == nullptr || !context.from_tar) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(
      std::optional<NamedText> found,
      ReadFirst(store, context.layer, {source.name() + ".dockerignore", ".dockerignore"}));
  return found ? found : TemplatesIgnoreFile(spec, file);
}

// The build file of the request, or, where nobody names one, what a directory has.
struct WantedFile {
  std::string directory;
  std::string name;
  bool is_zimagefile = false;
  std::string_view advice;  // how to choose one
};

absl::StatusOr<FileToBuild> ReadFrom(Store& store, const LayerRef& context, WantedFile wanted) {
  if (context == nullptr) {
    return InvalidArgument("there is no build context to read the build file from");
  }
  if (wanted.name.empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     ListContextFiles(context, wanted.directory));
    ASSIGN_OR_RETURN(wanted.name, ChooseBuildFile(names, wanted.advice));
    wanted.is_zimagefile = IsZImagefileName(wanted.name);
  }
  FileToBuild file;
  file.is_zimagefile = wanted.is_zimagefile;
  const std::string path =
      wanted.directory.empty() ? wanted.name : wanted.directory + "/" + wanted.name;
  file.source.set_name(ToUtf8(path));
  ASSIGN_OR_RETURN(*file.source.mutable_content(), ReadContextFile(store.layers(), context, path));
  return file;
}

absl::StatusOr<FileToBuild> ReadBuildFile(Store& store, const MainContext& context,
                                          const v1::BuildSpec& spec) {
  FileToBuild file;
  WantedFile wanted{.advice = "name one in the request's zimagefile (zlayer build -z)"};
  switch (spec.source_case()) {
    case v1::BuildSpec::kDockerfileInline:
      file.source = spec.dockerfile_inline();
      return file;
    case v1::BuildSpec::kZimagefileInline:
      file.source = spec.zimagefile_inline();
      file.is_zimagefile = true;
      return file;
    case v1::BuildSpec::kDockerfile:
      wanted.name = spec.dockerfile().empty() ? "Dockerfile" : spec.dockerfile();
      break;
    case v1::BuildSpec::kZimagefile:
      wanted.name = spec.zimagefile().empty() ? "ZImagefile" : spec.zimagefile();
      wanted.is_zimagefile = true;
      break;
    default:
      break;
  }
  return ReadFrom(store, context.layer, std::move(wanted));
}

NestedFileReader NestedReader(Store& store, const LayerRef& context) {
  return [&store, context](const std::string& directory, const std::string& file) {
    return ReadFrom(store, context,
                    {.directory = directory,
                     .name = file,
                     .is_zimagefile = IsZImagefilePath(file),
                     .advice = "name one with file:"});
  };
}

absl::StatusOr<std::optional<IgnoreFile>> ParseIgnoreFile(const std::optional<NamedText>& found) {
  if (!found.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(IgnoreRules rules, IgnoreRules::Parse(found->text, found->name));
  return rules.empty() ? std::nullopt
                       : std::make_optional(IgnoreFile{found->name, std::move(rules)});
}

// The template's ignore file stands in for the one that an archive lacks.
absl::StatusOr<FileToBuild> ReadTemplate(Store& store, const MainContext& context,
                                         const v1::BuildSpec& spec) {
  ASSIGN_OR_RETURN(const RuntimeTemplate* runtime,
                   ChooseTemplate(store.layers(), context.layer, spec.runtime()));
  FileToBuild file;
  file.source = BuildFileOf(*runtime, spec.windows_ltsc());
  file.os = runtime->os;
  if (context.layer != nullptr && context.from_tar) {
    ASSIGN_OR_RETURN(std::optional<NamedText> ignore,
                     ReadFirst(store, context.layer, {".dockerignore"}));
    if (!ignore.has_value()) {
      ignore = {file.name() + ".dockerignore", std::string(runtime->dockerignore)};
    }
    ASSIGN_OR_RETURN(file.ignore, ParseIgnoreFile(ignore));
  }
  return file;
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

// The plan of a file where nobody says what its image is for, and the program is not of Linux.
absl::StatusOr<PlannedBuild> ForItsProgram(const FilePlan& how, const FoundProgram& program,
                                           FileToBuild file) {
  file.program = program.platform;
  const std::string what = fmt::format("{} of the build context, which the image runs, is for {}",
                                       ToUtf8(program.path), program.platform.os());
  const absl::StatusOr<v1::Platform> target =
      TargetPlatform(HintsOf(how.spec, file), HostPlatform());
  if (!target.ok()) {
    return Annotate(target.status(), what);
  }
  ASSIGN_OR_RETURN(PlannedBuild plan, PlanFile(how, std::move(file)));
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
  if (spec.has_runtime()) {
    return ReadTemplate(store, context, spec);
  }
  ASSIGN_OR_RETURN(FileToBuild file, ReadBuildFile(store, context, spec));
  ASSIGN_OR_RETURN(const std::optional<NamedText> ignore,
                   FindIgnoreFile(store, context, spec, file));
  ASSIGN_OR_RETURN(file.ignore, ParseIgnoreFile(ignore));
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
  const FilePlan how{.spec = spec,
                     .resolver = *resolver,
                     .read = NestedReader(*sources.store, context.layer),
                     .stop = std::move(stop)};
  ASSIGN_OR_RETURN(PlannedBuild plan, PlanFile(how, file));
  if (NamesSystem(HintsOf(spec, plan.files.front()))) {
    return plan;
  }
  ASSIGN_OR_RETURN(const std::optional<FoundProgram> program,
                   LookAtProgram(*sources.store, context, plan.graph));
  return !program || program->platform.os() == "linux" ? plan : ForItsProgram(how, *program, file);
}

absl::StatusOr<v1::CheckBuildResponse> CheckRequest(const PlanSources& sources,
                                                    const std::string& name_space,
                                                    const v1::BuildSpec& spec,
                                                    std::stop_token stop) {
  std::unique_ptr<ImageResolver> resolver = MakeImageResolver(sources.puller, name_space, spec);
  ASSIGN_OR_RETURN(MainContext context, OpenMainContext(*sources.store, name_space, spec));
  ASSIGN_OR_RETURN(FileToBuild file, ReadFileToBuild(*sources.store, context, spec));
  return CheckFile({.spec = spec,
                    .resolver = *resolver,
                    .read = NestedReader(*sources.store, context.layer),
                    .stop = std::move(stop)},
                   std::move(file));
}

}  // namespace zlayer
