#include "client/cli/pipeline_request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_file.h"
#include "client/cli/build_images.h"
#include "client/cli/registry_logins.h"
#include "client/cli/session.h"
#include "daemon/frontend/pipeline/pipeline_file.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFile = size_t{2} << 20;
constexpr const char* kNames[] = {"ZPipeline.yaml", "ZPipeline.yml", "zlayer-pipeline.yaml",
                                  "zlayer-pipeline.yml"};

absl::StatusOr<PipelineVariables> ParseSets(const std::vector<std::string>& sets) {
  PipelineVariables variables;
  for (const std::string& text : sets) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || !IsVariableName(text.substr(0, equals)) || !IsUtf8(text)) {
      return UsageError(
          fmt::format("--set takes NAME=VALUE, with a name of letters, digits and "
                      "'_', not \"{}\"",
                      ToUtf8(text)));
    }
    variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

std::vector<std::string> SplitLists(const std::vector<std::string>& lists) {
  std::vector<std::string> values;
  for (const std::string& list : lists) {
    for (const std::string_view value : Split(list, ',')) {
      if (!value.empty()) {
        values.emplace_back(value);
      }
    }
  }
  return values;
}

absl::StatusOr<PipelineFile> ReadPipelineFile(const PipelineFlags& flags, const std::string& path) {
  PipelineFileOptions options;
  options.name = ToUtf8(path);
  ASSIGN_OR_RETURN(options.set, ParseSets(flags.sets));
  options.default_platforms = SplitLists(flags.platforms);
  absl::StatusOr<std::string> text = ReadFile(path, kMaxFile);
  if (absl::IsNotFound(text.status())) {
    return NotFound(fmt::format("there is no pipeline file {}", ToUtf8(path)));
  }
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(PipelineFile file, ParsePipelineFile(*text, options));
  const std::vector<std::string> only = SplitLists(flags.only);
  if (!only.empty()) {
    const absl::StatusOr<std::vector<bool>> selected =
        SelectWithDependencies(NodesOf(file.images), only);
    if (!selected.ok()) {
      return UsageError(fmt::format("--only: {}", Message(selected.status())));
    }
    std::vector<PipelineFileImage> images;
    for (size_t i = 0; i < file.images.size(); ++i) {
      if ((*selected)[i]) {
        images.push_back(std::move(file.images[i]));
      }
    }
    file.images = std::move(images);
  }
  return file;
}

// A path of the pipeline file as seen from here, without "./" and the like.
std::string Beside(const std::string& pipeline_file, const std::string& path) {
  return (std::filesystem::path(pipeline_file).parent_path() / path).lexically_normal().string();
}

absl::StatusOr<BuildFile> ReadBuildFileOf(const std::string& pipeline_file,
                                          const PipelineFileImage& image, std::stop_token stop) {
  BuildFlags flags;
  flags.file = Beside(pipeline_file, image.file);
  flags.context = Beside(pipeline_file, image.context);
  const auto missing = [&](std::string_view key, std::string_view what, const std::string& path) {
    return NotFound(fmt::format("{}: images.{}.{}: there is no {} {}", ToUtf8(pipeline_file),
                                image.name, key, what, ToUtf8(path)));
  };
  std::error_code error;
  if (!std::filesystem::is_directory(flags.context, error)) {
    return missing("context", "directory", flags.context);
  }
  if (access(flags.file.c_str(), F_OK) != 0) {
    return missing("file", "file", flags.file);
  }
  ASSIGN_OR_RETURN(std::optional<BuildFile> file, ReadBuildFile(flags, std::move(stop)));
  if (!file.has_value()) {  // not where the context is a directory
    return missing("file", "file", flags.file);
  }
  return *std::move(file);
}

v1::InlineFile ToInline(const BuildFile& file) {
  v1::InlineFile inlined;
  inlined.set_name(ToUtf8(file.name));
  inlined.set_content(file.content);
  inlined.set_ignore_file(file.ignore_text);
  inlined.set_ignore_name(ToUtf8(file.ignore_name));
  return inlined;
}

// Gathers the images of one directory with the same ignore rules.
class Uploads {
 public:
  void Add(int image, const std::string& directory, const BuildFile& file) {
    std::error_code error;
    std::filesystem::path real = std::filesystem::canonical(directory, error);
    const Key key(error ? directory : real.string(), file.ignore_name, file.ignore_text);
    auto [entry, added] = by_key_.emplace(key, uploads_.size());
    if (added) {
      uploads_.push_back({directory, file.ignore_name, file.ignore_text, {}});
    }
    uploads_[entry->second].images.push_back(image);
  }
  std::vector<PipelineUpload> Take() { return std::move(uploads_); }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, size_t> by_key_;
  std::vector<PipelineUpload> uploads_;
};

}  // namespace

absl::StatusOr<std::string> FindPipelineFile(const std::string& directory) {
  for (const char* name : kNames) {
    if (access((directory + "/" + name).c_str(), F_OK) == 0) {
      return directory == "." ? std::string(name) : directory + "/" + name;
    }
  }
  return NotFound(fmt::format("there is no pipeline file here, neither {}; name one with -f",
                              Join({std::begin(kNames), std::end(kNames)}, " nor ")));
}

absl::StatusOr<PipelineToSubmit> MakePipelineRequest(const PipelineFlags& flags,
                                                     std::stop_token stop) {
  if (flags.push && flags.no_push) {
    return UsageError("--push and --no-push exclude each other");
  }
  std::string path = flags.file;
  if (path.empty()) {
    ASSIGN_OR_RETURN(path, FindPipelineFile("."));
  }
  ASSIGN_OR_RETURN(const PipelineFile file, ReadPipelineFile(flags, path));
  PipelineToSubmit pipeline;
  pipeline.request.set_priority(flags.priority);
  pipeline.request.set_idempotency_key(RandomHex());
  v1::PipelineSpec& spec = *pipeline.request.mutable_spec();
  spec.set_title(std::string(CutUtf8(ToUtf8(path), 512)));
  spec.set_keep_going(flags.keep_going);
  spec.set_max_parallel(static_cast<uint32_t>(flags.jobs));
  spec.set_push(flags.push || (file.push_after_all && !flags.no_push));
  Uploads uploads;
  for (const PipelineFileImage& image : file.images) {
    ASSIGN_OR_RETURN(const BuildFile build_file, ReadBuildFileOf(path, image, stop));
    uploads.Add(spec.images_size(), Beside(path, image.context), build_file);
    v1::PipelineImage& added = *spec.add_images();
    added.set_name(image.name);
    added.mutable_depends_on()->Assign(image.depends_on.begin(), image.depends_on.end());
    *added.mutable_spec() = SpecOf(file, image, ToInline(build_file));
    added.mutable_spec()->set_no_cache(image.no_cache || flags.no_cache);
    if (added.spec().tags_size() > 0) {
      added.mutable_spec()->set_source_hash("auto");
    }
    (*added.mutable_spec()->mutable_contexts())[""];
    RETURN_IF_ERROR(AddLogins(ImagesOf(added.spec(), Beside(path, image.context)), stop,
                              added.mutable_spec()->mutable_registry_credentials()));
  }
  pipeline.uploads = uploads.Take();
  return pipeline;
}

}  // namespace zlayer
