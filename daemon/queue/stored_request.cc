#include "daemon/queue/stored_request.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <set>
#include <utility>

#include "registry/image/reference.h"

namespace zlayer {
namespace {

// Each keeps what a build was made from.
constexpr size_t kMaxHistories = 4;

Digest DigestOf(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return Digest::Of(bytes);
}

std::string OrDockerfile(const std::string& name) { return name.empty() ? "Dockerfile" : name; }

std::string SourceOf(const v1::BuildSpec& spec) {
  switch (spec.source_case()) {
    case v1::BuildSpec::kDockerfileInline:
      return OrDockerfile(spec.dockerfile_inline().name());
    case v1::BuildSpec::kZimagefile:
      return spec.zimagefile().empty() ? "ZImagefile" : spec.zimagefile();
    case v1::BuildSpec::kZimagefileInline:
      return spec.zimagefile_inline().name().empty() ? "ZImagefile"
                                                     : spec.zimagefile_inline().name();
    case v1::BuildSpec::kRuntime:
      return "runtime " + spec.runtime();
    case v1::BuildSpec::kGraph:
      return "graph";
    case v1::BuildSpec::kDockerfile:
    case v1::BuildSpec::SOURCE_NOT_SET:
      break;
  }
  return OrDockerfile(spec.dockerfile());
}

std::string SourceAndTarget(const v1::BuildSpec& spec) {
  return spec.target().empty() ? SourceOf(spec)
                               : SourceOf(spec) + " (target " + spec.target() + ")";
}

}  // namespace

StoredRequest ToStored(v1::SubmitBuildRequest request) {
  StoredRequest stored;
  if (request.namespace_().empty()) {
    request.set_namespace_("default");
  }
  v1::BuildSpec& spec = *request.mutable_spec();
  stored.needs_secrets = spec.secrets_size() > 0 || spec.registry_credentials_size() > 0;
  for (v1::Secret& secret : *spec.mutable_secrets()) {
    secret.clear_value();
  }
  for (v1::RegistryCredential& credential : *spec.mutable_registry_credentials()) {
    credential.clear_password();
    credential.clear_token();
  }
  stored.digest = DigestOf(request);
  {
    v1::SubmitBuildRequest blind = request;
    for (auto& [name, source] : *blind.mutable_spec()->mutable_contexts()) {
      if (source.has_uploaded()) {
        source.set_uploaded("");
      }
    }
    stored.digest_without_contexts = DigestOf(blind);
  }
  spec.clear_secrets();
  spec.clear_registry_credentials();
  stored.request = std::move(request);
  return stored;
}

std::vector<std::string> UploadedContexts(const v1::SubmitBuildRequest& request) {
  std::set<std::string> ids;
  for (const auto& [name, source] : request.spec().contexts()) {
    ids.insert(source.uploaded());
  }
  ids.erase("");
  return {ids.begin(), ids.end()};
}

Digest ContentDigest(const StoredRequest& request,
                     const std::map<std::string, std::string>& contents) {
  std::string bytes(request.digest_without_contexts.Bytes());
  for (const auto& [name, content] : contents) {
    bytes += fmt::format("{} {} {} {} ", name.size(), name, content.size(), content);
  }
  return Digest::Of(bytes);
}

v1::BuildStatus SummaryOf(const v1::BuildSpec& spec) {
  v1::BuildStatus summary;
  summary.set_title(TitleOf(spec));
  *summary.mutable_tags() = spec.tags();
  return summary;
}

std::string TitleOf(const v1::BuildSpec& spec) {
  if (spec.tags_size() > 0) {
    return spec.tags(0);
  }
  return SourceAndTarget(spec);
}

std::vector<std::string> HistoriesOf(const v1::BuildSpec& spec) {
  std::set<std::string> repositories;
  for (const std::string& tag : spec.tags()) {
    const absl::StatusOr<Reference> reference = Reference::Parse(tag);
    repositories.insert(reference.ok() ? reference->registry + "/" + reference->repository : tag);
  }
  if (repositories.empty()) {
    repositories.insert("");
  }
  std::vector<std::string> histories;
  for (const std::string& repository : repositories) {
    if (histories.size() < kMaxHistories) {
      histories.push_back(repository + " " + SourceAndTarget(spec));
    }
  }
  return histories;
}

}  // namespace zlayer
