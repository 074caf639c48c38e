#include "daemon/pipeline/stored_pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "registry/image/reference.h"

namespace zlayer {
namespace {

bool HasLoginFor(const v1::BuildSpec& spec, const std::vector<std::string>& tags) {
  return std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
    const absl::StatusOr<Reference> reference = Reference::Parse(tag);
    return reference.ok() &&
           std::any_of(spec.registry_credentials().begin(), spec.registry_credentials().end(),
                       [&](const v1::RegistryCredential& credential) {
                         return fmt::format("{}/{}/", reference->registry, reference->repository)
                             .starts_with(credential.registry() + "/");
                       });
  });
}

// All that is no build's, and a digest of each build.
Digest DigestOf(const StoredPipeline& pipeline, const std::vector<Digest>& builds) {
  const v1::SubmitPipelineRequest& request = pipeline.request;
  const v1::PipelineSpec& spec = request.spec();
  std::string text =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{} {}\n", request.namespace_(), request.priority(),
                  request.idempotency_key(), spec.keep_going(), spec.max_parallel(), spec.push(),
                  spec.title().size(), spec.title());
  for (size_t i = 0; i < pipeline.images.size(); ++i) {
    const StoredPipelineImage& image = pipeline.images[i];
    text += fmt::format("{} {} ", image.name.size(), image.name);
    for (size_t dependency : image.depends_on) {
      text += fmt::format("{},", dependency);
    }
    text += builds[i].Hex() + "\n";
  }
  return Digest::Of(text);
}

std::vector<size_t> PositionsOf(const v1::PipelineImage& image,
                                const std::map<std::string, size_t>& positions) {
  std::set<size_t> found;
  for (const std::string& name : image.depends_on()) {
    found.insert(positions.at(name));
  }
  return {found.begin(), found.end()};
}

}  // namespace

StoredPipeline ToStored(const v1::SubmitPipelineRequest& request) {
  StoredPipeline pipeline;
  pipeline.request = request;
  pipeline.request.mutable_spec()->clear_images();
  if (request.namespace_().empty()) {
    pipeline.request.set_namespace_("default");
  }
  std::map<std::string, size_t> positions;
  for (const v1::PipelineImage& image : request.spec().images()) {
    positions.emplace(image.name(), positions.size());
  }
  std::vector<Digest> builds;
  for (const v1::PipelineImage& image : request.spec().images()) {
    StoredPipelineImage& stored = pipeline.images.emplace_back();
    stored.name = image.name();
    stored.depends_on = PositionsOf(image, positions);
    const std::vector<std::string> tags = PushedTags(image.spec());
    stored.pushes = request.spec().push() && !tags.empty();
    stored.needs_login = stored.pushes && HasLoginFor(image.spec(), tags);
    v1::SubmitBuildRequest build;
    *build.mutable_spec() = image.spec();
    build.set_namespace_(pipeline.request.namespace_());
    build.set_priority(request.priority());
    stored.build = ToStored(std::move(build));
    builds.push_back(stored.build.digest);
  }
  pipeline.digest = DigestOf(pipeline, builds);
  return pipeline;
}

Digest ContentDigest(const StoredPipeline& pipeline, const std::vector<Digest>& images) {
  return DigestOf(pipeline, images);
}

std::vector<std::string> UploadedContexts(const StoredPipeline& pipeline) {
  std::set<std::string> ids;
  for (const StoredPipelineImage& image : pipeline.images) {
    for (std::string& id : UploadedContexts(image.build.request)) {
      ids.insert(std::move(id));
    }
  }
  return {ids.begin(), ids.end()};
}

std::vector<std::string> PushedTags(const v1::BuildSpec& spec) {
  std::vector<std::string> tags;
  std::copy_if(spec.tags().begin(), spec.tags().end(), std::back_inserter(tags),
               [](const std::string& tag) { return NamesRegistry(tag); });
  return tags;
}

}  // namespace zlayer
