#include "daemon/build/build_file.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/build/context_files.h"
#include "daemon/build/context_runtime.h"
#include "daemon/build/pulling_image_resolver.h"
#include "daemon/frontend/template/template_messages.h"

namespace zlayer {
namespace {

struct NamedText {
  std::string name;
  std::string text;
};

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
                                                        const v1::InlineFile& dockerfile) {
  if (!dockerfile.ignore_file().empty()) {
    return NamedText{dockerfile.ignore_name().empty() ? ".dockerignore" : dockerfile.ignore_name(),
                     dockerfile.ignore_file()};
  }
  if (context.layer == nullptr || !context.from_tar) {
    return std::nullopt;
  }
  return ReadFirst(store, context.layer, {dockerfile.name() + ".dockerignore", ".dockerignore"});
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

absl::StatusOr<std::optional<IgnoreFile>> ParseIgnoreFile(const std::optional<NamedText>& file) {
  if (!file.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(IgnoreRules rules, IgnoreRules::Parse(file->text, file->name));
  return rules.empty() ? std::nullopt
                       : std::make_optional(IgnoreFile{file->name, std::move(rules)});
}

// The template's ignore file stands in for the one that an archive lacks.
absl::StatusOr<FileToBuild> ReadTemplate(Store& store, const MainContext& context,
                                         const std::string& name) {
  ASSIGN_OR_RETURN(const RuntimeTemplate* runtime,
                   ChooseTemplate(store.layers(), context.layer, name));
  FileToBuild file;
  file.dockerfile = BuildFileOf(*runtime);
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
    return ReadTemplate(store, context, spec.runtime());
  }
  FileToBuild file;
  ASSIGN_OR_RETURN(file.dockerfile, ReadDockerfile(store, context, spec));
  ASSIGN_OR_RETURN(const std::optional<NamedText> ignore,
                   FindIgnoreFile(store, context, file.dockerfile));
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
  return PlanDockerfile(spec, std::move(file), *resolver, std::move(stop));
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
