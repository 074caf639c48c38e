#include "daemon/service/request_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

using v1::BuildSpec;

constexpr int kMaxTags = 100;
constexpr size_t kMaxInlineBytes = size_t{1} << 20;
constexpr size_t kMaxKeyBytes = 128;
constexpr size_t kMaxNamespaceBytes = 63;
constexpr size_t kMaxPathBytes = 4096;
constexpr int32_t kMaxPriority = 100;

absl::Status WithOption(absl::Status status, std::string_view reason, std::string_view option) {
  v1::ErrorDetail detail;
  detail.set_reason(std::string(reason));
  detail.set_subject(std::string(option));
  return WithDetail(std::move(status), detail);
}

absl::Status Invalid(std::string_view option, std::string_view message) {
  return WithOption(InvalidArgument(fmt::format("{}: {}", option, message)), "INVALID_OPTION",
                    option);
}

// "os/architecture" or "os/architecture/variant".
bool IsHostPlatform(std::string_view text) {
  std::vector<std::string_view> parts = Split(text, '/');
  if (parts.size() < 2 || parts.size() > 3) {
    return false;
  }
  v1::Platform wanted;
  wanted.set_os(std::string(parts[0]));
  wanted.set_architecture(std::string(parts[1]));
  if (parts.size() == 3) {
    wanted.set_variant(std::string(parts[2]));
  }
  return PlatformMatches(HostPlatform(), wanted);
}

bool HasForeignPlatform(const BuildSpec& spec) {
  return spec.platforms_size() > 1 ||
         (spec.platforms_size() == 1 && !IsHostPlatform(spec.platforms(0)));
}

bool HasForeignOutput(const BuildSpec& spec) {
  if (spec.outputs_size() == 0) {
    return false;
  }
  const BuildSpec::Output& output = spec.outputs(0);
  return spec.outputs_size() > 1 || output.attributes_size() > 0 ||
         (!output.type().empty() && output.type() != "image");
}

template <v1::ContextSource::KindCase kind>
bool HasContext(const BuildSpec& spec) {
  return std::any_of(spec.contexts().begin(), spec.contexts().end(),
                     [](const auto& context) { return context.second.kind_case() == kind; });
}

// An option that does not work yet, and whether a request sets it.
struct Option {
  std::string_view name;
  bool (*is_set)(const BuildSpec&);
};

constexpr Option kUnsupported[] = {
    {"zimagefile", [](const BuildSpec& s) { return s.has_zimagefile(); }},
    {"zimagefile_inline", [](const BuildSpec& s) { return s.has_zimagefile_inline(); }},
    {"runtime", [](const BuildSpec& s) { return s.has_runtime(); }},
    {"pipeline_vars", [](const BuildSpec& s) { return s.pipeline_vars_size() > 0; }},
    {"platforms", HasForeignPlatform},
    {"target_os",
     [](const BuildSpec& s) { return !s.target_os().empty() && s.target_os() != "linux"; }},
    {"no_cache_stages", [](const BuildSpec& s) { return s.no_cache_stages_size() > 0; }},
    {"cache_from", [](const BuildSpec& s) { return s.cache_from_size() > 0; }},
    {"cache_to", [](const BuildSpec& s) { return s.cache_to_size() > 0; }},
    {"cache_ttl", [](const BuildSpec& s) { return s.has_cache_ttl(); }},
    {"cache_backend", [](const BuildSpec& s) { return s.has_cache_backend(); }},
    {"default_cache_mounts", [](const BuildSpec& s) { return s.default_cache_mounts_size() > 0; }},
    {"source_hash", [](const BuildSpec& s) { return !s.source_hash().empty(); }},
    {"pull",
     [](const BuildSpec& s) {
       return s.pull() != BuildSpec::PULL_DEFAULT && s.pull() != BuildSpec::PULL_NEVER;
     }},
    {"push", [](const BuildSpec& s) { return s.push(); }},
    {"registry_credentials", [](const BuildSpec& s) { return s.registry_credentials_size() > 0; }},
    {"default_registry", [](const BuildSpec& s) { return !s.default_registry().empty(); }},
    {"squash", [](const BuildSpec& s) { return s.squash(); }},
    {"format", [](const BuildSpec& s) { return !s.format().empty() && s.format() != "oci"; }},
    {"layers", [](const BuildSpec& s) { return s.has_layers() && !s.layers(); }},
    {"outputs", HasForeignOutput},
    {"retries", [](const BuildSpec& s) { return s.retries() > 0; }},
    {"host_network", [](const BuildSpec& s) { return s.host_network(); }},
    {"backend", [](const BuildSpec& s) { return !s.backend().empty() && s.backend() != "native"; }},
    {"windows_ltsc", [](const BuildSpec& s) { return !s.windows_ltsc().empty(); }},
    {"secrets", [](const BuildSpec& s) { return s.secrets_size() > 0; }},
    {"entitlements", [](const BuildSpec& s) { return s.entitlements_size() > 0; }},
    {"contexts.image", HasContext<v1::ContextSource::kImage>},
    {"contexts.git", HasContext<v1::ContextSource::kGit>},
    {"contexts.http", HasContext<v1::ContextSource::kHttp>},
};

absl::Status CheckSupported(const BuildSpec& spec) {
  for (const Option& option : kUnsupported) {
    if (option.is_set(spec)) {
      return WithOption(
          Unimplemented(fmt::format("option {} is not supported by this version", option.name)),
          "UNSUPPORTED_OPTION", option.name);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTags(const BuildSpec& spec) {
  if (spec.tags_size() > kMaxTags) {
    return Invalid("tags",
                   fmt::format("{} are too many; {} is the most", spec.tags_size(), kMaxTags));
  }
  for (const std::string& tag : spec.tags()) {
    absl::StatusOr<Reference> reference = Reference::Parse(tag);
    if (!reference.ok()) {
      return WithOption(Annotate(reference.status(), "tags"), "INVALID_OPTION", "tags");
    }
    if (!reference->digest.empty()) {
      return Invalid("tags",
                     fmt::format("\"{}\" has a digest, which only the build can tell", tag));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInline(const v1::InlineFile& file) {
  if (file.content().size() > kMaxInlineBytes || file.ignore_file().size() > kMaxInlineBytes) {
    return Invalid("dockerfile_inline", "the file is larger than 1 MiB");
  }
  if (file.name().size() > kMaxPathBytes) {
    return Invalid("dockerfile_inline", "the name is longer than 4096 bytes");
  }
  std::string name = file.name().empty() ? "Dockerfile" : file.name();
  ASSIGN_OR_RETURN(LexedDockerfile lexed, LexDockerfile(file.content(), name));
  return ParseInstructions(lexed, name).status();
}

absl::Status CheckGraph(const BuildSpec& spec) {
  if (!spec.target().empty()) {
    return Invalid("target", "a graph names its targets itself");
  }
  if (spec.build_args_size() > 0) {
    return Invalid("build_args", "a graph has no variables");
  }
  return ValidateGraph(spec.graph());
}

absl::Status CheckSource(const BuildSpec& spec) {
  switch (spec.source_case()) {
    case BuildSpec::kDockerfileInline:
      return CheckInline(spec.dockerfile_inline());
    case BuildSpec::kGraph:
      return CheckGraph(spec);
    case BuildSpec::kDockerfile:
      if (spec.dockerfile().size() > kMaxPathBytes ||
          spec.dockerfile().find('\0') != std::string::npos) {
        return Invalid("dockerfile", "this is no path of a file");
      }
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

// A build file that lies in the context needs one.
absl::Status CheckContexts(const BuildSpec& spec) {
  for (const auto& [name, source] : spec.contexts()) {
    if (source.uploaded().empty()) {
      return Invalid("contexts",
                     fmt::format("context \"{}\" does not say where it comes from", name));
    }
  }
  bool from_context = spec.source_case() == BuildSpec::kDockerfile ||
                      spec.source_case() == BuildSpec::SOURCE_NOT_SET;
  if (from_context && !spec.contexts().contains("")) {
    return Invalid("contexts",
                   "there is no build context to read the Dockerfile from; upload one, or send the "
                   "file's text as dockerfile_inline");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> NamespaceOf(const std::string& name) {
  if (name.empty()) {
    return std::string("default");
  }
  bool clean = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!clean || name.size() > kMaxNamespaceBytes) {
    return Invalid("namespace", fmt::format("\"{}\" is not 1 to 63 of a-z, 0-9 and '-'",
                                            ToUtf8(name.substr(0, 100))));
  }
  return name;
}

absl::Status CheckSpec(const BuildSpec& spec) {
  RETURN_IF_ERROR(CheckSupported(spec));
  RETURN_IF_ERROR(CheckTags(spec));
  return CheckSource(spec);
}

absl::Status CheckSubmission(const v1::SubmitBuildRequest& request) {
  RETURN_IF_ERROR(NamespaceOf(request.namespace_()).status());
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return Invalid("priority", fmt::format("{} is not between -100 and 100", request.priority()));
  }
  if (request.idempotency_key().size() > kMaxKeyBytes) {
    return Invalid("idempotency_key", "it is longer than 128 bytes");
  }
  RETURN_IF_ERROR(CheckSpec(request.spec()));
  return CheckContexts(request.spec());
}

}  // namespace zlayer
