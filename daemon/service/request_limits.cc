#include "daemon/service/request_limits.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using google::protobuf::FieldDescriptor;
using Proto = google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kId = 64;
constexpr size_t kWord = 128;
constexpr size_t kName = 256;
constexpr size_t kReference = 512;
constexpr size_t kPath = 4096;
constexpr size_t kUrl = 8192;
constexpr size_t kValue = size_t{64} << 10;
constexpr size_t kFile = size_t{1} << 20;
constexpr size_t kText = size_t{2} << 20;  // as arguments and environment of a RUN together
constexpr size_t kChunk = size_t{3} << 20;
constexpr size_t kNamespace = 63;
constexpr size_t kToken = 512;
constexpr size_t kMany = 10'000;
constexpr size_t kSome = 1'000;
constexpr size_t kFew = 100;

#define ZLAYER_V1 "zlayer.v1."

constexpr FieldLimit kLimits[] = {
    // build.proto: what to build.
    {ZLAYER_V1 "BuildSpec.dockerfile", kPath},
    {ZLAYER_V1 "BuildSpec.zimagefile", kPath},
    {ZLAYER_V1 "BuildSpec.runtime", kWord},
    {ZLAYER_V1 "BuildSpec.contexts", 0, kFew},
    {ZLAYER_V1 "BuildSpec.ContextsEntry.key", kWord},
    {ZLAYER_V1 "BuildSpec.build_args", 0, kSome},
    {ZLAYER_V1 "BuildSpec.BuildArgsEntry.key", kName},
    {ZLAYER_V1 "BuildSpec.BuildArgsEntry.value", kValue},
    {ZLAYER_V1 "BuildSpec.pipeline_vars", 0, kSome},
    {ZLAYER_V1 "BuildSpec.PipelineVarsEntry.key", kName},
    {ZLAYER_V1 "BuildSpec.PipelineVarsEntry.value", kValue},
    {ZLAYER_V1 "BuildSpec.target", kName},
    {ZLAYER_V1 "BuildSpec.tags", kReference, kFew},
    {ZLAYER_V1 "BuildSpec.platforms", kWord, kFew},
    {ZLAYER_V1 "BuildSpec.target_os", kWord},
    {ZLAYER_V1 "BuildSpec.no_cache_stages", kName, kSome},
    {ZLAYER_V1 "BuildSpec.cache_from", kUrl, kFew},
    {ZLAYER_V1 "BuildSpec.cache_to", kUrl, kFew},
    {ZLAYER_V1 "BuildSpec.default_cache_mounts", 0, kFew},
    {ZLAYER_V1 "BuildSpec.source_hash", kName},
    {ZLAYER_V1 "BuildSpec.registry_credentials", 0, kFew},
    {ZLAYER_V1 "BuildSpec.default_registry", kName},
    {ZLAYER_V1 "BuildSpec.format", kWord},
    {ZLAYER_V1 "BuildSpec.labels", 0, kSome},
    {ZLAYER_V1 "BuildSpec.LabelsEntry.key", kPath},
    {ZLAYER_V1 "BuildSpec.LabelsEntry.value", kValue},
    {ZLAYER_V1 "BuildSpec.annotations", 0, kSome},
    {ZLAYER_V1 "BuildSpec.AnnotationsEntry.key", kPath},
    {ZLAYER_V1 "BuildSpec.AnnotationsEntry.value", kValue},
    {ZLAYER_V1 "BuildSpec.outputs", 0, kFew},
    {ZLAYER_V1 "BuildSpec.Output.type", kWord},
    {ZLAYER_V1 "BuildSpec.Output.attributes", 0, kFew},
    {ZLAYER_V1 "BuildSpec.Output.AttributesEntry.key", kName},
    {ZLAYER_V1 "BuildSpec.Output.AttributesEntry.value", kPath},
    {ZLAYER_V1 "BuildSpec.backend", kWord},
    {ZLAYER_V1 "BuildSpec.windows_ltsc", kWord},
    {ZLAYER_V1 "BuildSpec.secrets", 0, kFew},
    {ZLAYER_V1 "BuildSpec.entitlements", kWord, kFew},
    {ZLAYER_V1 "InlineFile.name", kPath},
    {ZLAYER_V1 "InlineFile.content", kFile},
    {ZLAYER_V1 "InlineFile.ignore_file", kFile},
    {ZLAYER_V1 "InlineFile.ignore_name", kPath},
    {ZLAYER_V1 "ContextSource.uploaded", kId},
    {ZLAYER_V1 "ContextSource.image", kReference},
    {ZLAYER_V1 "CacheBackend.type", kWord},
    {ZLAYER_V1 "CacheBackend.attributes", 0, kFew},
    {ZLAYER_V1 "CacheBackend.AttributesEntry.key", kName},
    {ZLAYER_V1 "CacheBackend.AttributesEntry.value", kPath},
    {ZLAYER_V1 "RegistryCredential.registry", kName},
    {ZLAYER_V1 "RegistryCredential.username", kPath},
    {ZLAYER_V1 "RegistryCredential.password", kValue},
    {ZLAYER_V1 "RegistryCredential.token", kValue},
    {ZLAYER_V1 "Secret.id", kName},
    {ZLAYER_V1 "Secret.value", size_t{500} << 10},

    // build.proto: calls.
    {ZLAYER_V1 "SubmitBuildRequest.namespace", kNamespace},
    {ZLAYER_V1 "SubmitBuildRequest.idempotency_key", kWord},
    {ZLAYER_V1 "WatchBuildRequest.build_id", kId},
    {ZLAYER_V1 "GetBuildRequest.build_id", kId},
    {ZLAYER_V1 "CancelBuildRequest.build_id", kId},
    {ZLAYER_V1 "DeleteBuildRequest.build_id", kId},
    {ZLAYER_V1 "ListBuildsRequest.namespace", kNamespace},
    {ZLAYER_V1 "ListBuildsRequest.page_token", kToken},
    {ZLAYER_V1 "ListBuildsRequest.states", 0, kFew},
    {ZLAYER_V1 "ListBuildsRequest.tag", kReference},
    {ZLAYER_V1 "PlanBuildRequest.namespace", kNamespace},
    {ZLAYER_V1 "CheckBuildRequest.namespace", kNamespace},
    {ZLAYER_V1 "GetTraceRequest.build_id", kId},
    {ZLAYER_V1 "UploadStart.namespace", kNamespace},
    {ZLAYER_V1 "UploadStart.context_name", kWord},
    {ZLAYER_V1 "TarChunk.data", kChunk},
    {ZLAYER_V1 "FileContent.data", kChunk},
    {ZLAYER_V1 "FileContent.error", kPath},
    {ZLAYER_V1 "FileContents.data", kChunk},

    // graph.proto.
    {ZLAYER_V1 "SourceRange.file", kPath},
    {ZLAYER_V1 "Platform.os", kWord},
    {ZLAYER_V1 "Platform.architecture", kWord},
    {ZLAYER_V1 "Platform.variant", kWord},
    {ZLAYER_V1 "Platform.os_version", kWord},
    {ZLAYER_V1 "Graph.stages", 0, kSome},
    {ZLAYER_V1 "Graph.targets", 0, 1},
    {ZLAYER_V1 "Stage.name", kName},
    {ZLAYER_V1 "Stage.base_text", kPath},
    {ZLAYER_V1 "Stage.operations", 0, kMany},
    {ZLAYER_V1 "Stage.build", 1024},
    {ZLAYER_V1 "Operation.text", kText},
    {ZLAYER_V1 "Operation.created_by", kText},
    {ZLAYER_V1 "Operation.config", 0, kMany},
    {ZLAYER_V1 "ImageBase.reference", kReference},
    {ZLAYER_V1 "ImageBase.digest", kWord},
    {ZLAYER_V1 "Input.context", kWord},
    {ZLAYER_V1 "Input.inline", kFile},
    {ZLAYER_V1 "Input.directory", kPath},
    {ZLAYER_V1 "HttpInput.url", kUrl},
    {ZLAYER_V1 "HttpInput.checksum", kWord},
    {ZLAYER_V1 "GitInput.url", kUrl},
    {ZLAYER_V1 "GitInput.ref", kName},
    {ZLAYER_V1 "GitInput.subdirectory", kPath},
    {ZLAYER_V1 "GitInput.checksum", kWord},
    {ZLAYER_V1 "Run.argv", kText, kMany},
    {ZLAYER_V1 "Run.env", kText, kMany},
    {ZLAYER_V1 "Run.user", kPath},
    {ZLAYER_V1 "Run.working_directory", kPath},
    {ZLAYER_V1 "Run.mounts", 0, kFew},
    {ZLAYER_V1 "Run.devices", kName, kFew},
    {ZLAYER_V1 "Run.hostname", kId},
    {ZLAYER_V1 "Run.proxy_env", kText, kFew},
    {ZLAYER_V1 "Mount.target", kPath},
    {ZLAYER_V1 "Mount.source", kPath},
    {ZLAYER_V1 "Mount.id", kName},
    {ZLAYER_V1 "Mount.environment", kName},
    {ZLAYER_V1 "Copy.sources", 0, kMany},
    {ZLAYER_V1 "Copy.Source.path", kPath},
    {ZLAYER_V1 "Copy.destination", kPath},
    {ZLAYER_V1 "Copy.owner", kPath},
    {ZLAYER_V1 "Copy.mode", kName},
    {ZLAYER_V1 "Copy.exclude", kPath, kMany},
    {ZLAYER_V1 "MakeDirectory.path", kPath},
    {ZLAYER_V1 "MakeDirectory.owner", kPath},
    {ZLAYER_V1 "ConfigChange.set_user", kPath},
    {ZLAYER_V1 "ConfigChange.set_working_dir", kPath},
    {ZLAYER_V1 "ConfigChange.add_exposed_port", kName},
    {ZLAYER_V1 "ConfigChange.add_volume", kPath},
    {ZLAYER_V1 "ConfigChange.set_stop_signal", kName},
    {ZLAYER_V1 "ConfigChange.add_on_build", kText},
    {ZLAYER_V1 "ConfigChange.set_author", kPath},
    {ZLAYER_V1 "Environment.key", kPath},
    {ZLAYER_V1 "Environment.value", kText},
    {ZLAYER_V1 "KeyValue.key", kPath},
    {ZLAYER_V1 "KeyValue.value", kText},
    {ZLAYER_V1 "Words.words", kText, kMany},
    {ZLAYER_V1 "Healthcheck.test", kText, kMany},

    // image.proto.
    {ZLAYER_V1 "ListImagesRequest.namespace", kNamespace},
    {ZLAYER_V1 "ListImagesRequest.pattern", kReference},
    {ZLAYER_V1 "ListImagesRequest.page_token", kPath},
    {ZLAYER_V1 "InspectImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "InspectImageRequest.reference", kReference},
    {ZLAYER_V1 "TagImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "TagImageRequest.source", kReference},
    {ZLAYER_V1 "TagImageRequest.target", kReference},
    {ZLAYER_V1 "UntagImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "UntagImageRequest.reference", kReference},
    {ZLAYER_V1 "RemoveImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "RemoveImageRequest.reference", kReference},
    {ZLAYER_V1 "ImportImageRequest.data", kChunk},
    {ZLAYER_V1 "ImportStart.namespace", kNamespace},
    {ZLAYER_V1 "ImportStart.reference", kReference},
    {ZLAYER_V1 "ExportImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "ExportImageRequest.reference", kReference},
    {ZLAYER_V1 "ExportImageRequest.format", kWord},
    {ZLAYER_V1 "ExportImageRequest.more_references", kReference, kFew},

    // registry.proto.
    {ZLAYER_V1 "PullImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "PullImageRequest.reference", kReference},
    {ZLAYER_V1 "PullImageRequest.platform", kWord},
    {ZLAYER_V1 "PullImageRequest.credentials", 0, kFew},
    {ZLAYER_V1 "PullImageRequest.default_registry", kName},
    {ZLAYER_V1 "PushCompression.type", kWord},
    {ZLAYER_V1 "PushImageRequest.namespace", kNamespace},
    {ZLAYER_V1 "PushImageRequest.reference", kReference},
    {ZLAYER_V1 "PushImageRequest.destinations", kReference, kFew},
    {ZLAYER_V1 "PushImageRequest.credentials", 0, kFew},
    {ZLAYER_V1 "CopyImageRequest.source", kReference},
    {ZLAYER_V1 "CopyImageRequest.destination", kReference},
    {ZLAYER_V1 "CopyImageRequest.credentials", 0, kFew},
    {ZLAYER_V1 "CreateIndexRequest.namespace", kNamespace},
    {ZLAYER_V1 "CreateIndexRequest.reference", kReference},
    {ZLAYER_V1 "CreateIndexRequest.entries", 0, kFew},
    {ZLAYER_V1 "CreateIndexRequest.annotations", 0, kSome},
    {ZLAYER_V1 "CreateIndexRequest.AnnotationsEntry.key", kPath},
    {ZLAYER_V1 "CreateIndexRequest.AnnotationsEntry.value", kValue},
    {ZLAYER_V1 "IndexEntry.reference", kReference},
    {ZLAYER_V1 "IndexEntry.platform", kWord},
    {ZLAYER_V1 "IndexEntry.annotations", 0, kSome},
    {ZLAYER_V1 "IndexEntry.AnnotationsEntry.key", kPath},
    {ZLAYER_V1 "IndexEntry.AnnotationsEntry.value", kValue},
    {ZLAYER_V1 "GetManifestRequest.namespace", kNamespace},
    {ZLAYER_V1 "GetManifestRequest.reference", kReference},
    {ZLAYER_V1 "GetManifestRequest.credentials", 0, kFew},

    // cache.proto.
    {ZLAYER_V1 "CacheFilter.namespace", kNamespace},
    {ZLAYER_V1 "CacheFilter.types", kWord, kFew},
    {ZLAYER_V1 "CacheFilter.id", kWord},
    {ZLAYER_V1 "CacheFilter.description", kPath},
    {ZLAYER_V1 "ListCacheRequest.page_token", kToken},

    // pipeline.proto.
    {ZLAYER_V1 "PipelineSpec.title", kReference},
    {ZLAYER_V1 "PipelineSpec.images", 0, kSome},
    {ZLAYER_V1 "PipelineImage.name", kWord},
    {ZLAYER_V1 "PipelineImage.depends_on", kWord, kSome},
    {ZLAYER_V1 "SubmitPipelineRequest.namespace", kNamespace},
    {ZLAYER_V1 "SubmitPipelineRequest.idempotency_key", kWord},
    {ZLAYER_V1 "WatchPipelineRequest.pipeline_id", kId},
    {ZLAYER_V1 "GetPipelineRequest.pipeline_id", kId},
    {ZLAYER_V1 "CancelPipelineRequest.pipeline_id", kId},
    {ZLAYER_V1 "DeletePipelineRequest.pipeline_id", kId},
    {ZLAYER_V1 "ListPipelinesRequest.namespace", kNamespace},
    {ZLAYER_V1 "ListPipelinesRequest.page_token", kToken},
};

#undef ZLAYER_V1

// Looked at one by one elsewhere: there are millions.
constexpr std::string_view kEntries = "zlayer.v1.ContextEntries.entries";

bool IsText(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

// Allows nothing where there is no row.
const FieldLimit& RowOf(const FieldDescriptor* field) {
  static const auto& rows = *[] {
    auto* by_name = new std::unordered_map<std::string_view, const FieldLimit*>;
    for (const FieldLimit& limit : kLimits) {
      by_name->emplace(limit.field, &limit);
    }
    return by_name;
  }();
  static constexpr FieldLimit kNothing{"", 0, 0};
  auto row = rows.find(field->full_name());
  return row == rows.end() ? kNothing : *row->second;
}

absl::Status Refused(const std::string& path, std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason("INVALID_OPTION");
  detail.set_subject(path);
  return WithDetail(InvalidArgument(fmt::format("{}: {}", path, message)), detail);
}

// The specification is the request, as users see it, and a value of a map is the map's.
bool IsNamed(const FieldDescriptor* field) {
  return field->name() != "spec" &&
         !(field->containing_type()->options().map_entry() && field->message_type() != nullptr);
}

class Checker {
 public:
  absl::Status Check(const Proto& message) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const size_t length = path_.size();
      if (IsNamed(field)) {
        path_ += path_.empty() ? "" : ".";
        path_ += field->name();
      }
      RETURN_IF_ERROR(CheckField(message, reflection, field));
      path_.resize(length);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckField(const Proto& message, const Reflection& reflection,
                          const FieldDescriptor* field) {
    if (!field->is_repeated()) {
      if (IsText(field)) {
        std::string scratch;
        return CheckText(field, reflection.GetStringReference(message, field, &scratch));
      }
      return field->message_type() == nullptr ? absl::OkStatus()
                                              : Check(reflection.GetMessage(message, field));
    }
    if (field->full_name() == kEntries) {
      return absl::OkStatus();
    }
    const int count = reflection.FieldSize(message, field);
    const size_t most = RowOf(field).values;
    if (static_cast<size_t>(count) > most) {
      return Refused(path_, fmt::format("there are {}, and {} are the most", count, most));
    }
    for (int i = 0; i < count; ++i) {
      if (IsText(field)) {
        std::string scratch;
        RETURN_IF_ERROR(
            CheckText(field, reflection.GetRepeatedStringReference(message, field, i, &scratch)));
      } else if (field->message_type() != nullptr) {
        RETURN_IF_ERROR(Check(reflection.GetRepeatedMessage(message, field, i)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckText(const FieldDescriptor* field, const std::string& text) {
    const size_t most = RowOf(field).bytes;
    if (text.size() > most) {
      return Refused(path_, fmt::format("it has {} bytes, and {} are the most", text.size(), most));
    }
    if (field->type() == FieldDescriptor::TYPE_STRING && text.find('\0') != std::string::npos) {
      return Refused(path_, "it contains a NUL byte");
    }
    return absl::OkStatus();
  }

  std::string path_;
};

}  // namespace

absl::Status CheckLimits(const google::protobuf::Message& message) {
  return Checker().Check(message);
}

std::optional<FieldLimit> LimitOf(std::string_view field) {
  const auto* row = std::find_if(std::begin(kLimits), std::end(kLimits),
                                 [&](const FieldLimit& limit) { return limit.field == field; });
  return row == std::end(kLimits) ? std::nullopt : std::optional<FieldLimit>(*row);
}

}  // namespace zlayer
