#include "daemon/service/request_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/build/backend_choice.h"
#include "daemon/build/outputs.h"
#include "daemon/build/request_platform.h"
#include "daemon/build/run_defaults.h"
#include "daemon/build/target_platform.h"
#include "daemon/build/zimage_source.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/dockerfile/windows_base.h"
#include "daemon/frontend/template/template.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

using v1::BuildSpec;

constexpr size_t kMaxNamespaceBytes = 63;
constexpr int32_t kMaxPriority = 100;
constexpr uint32_t kMaxRetries = 100;

absl::Status WithOption(absl::Status status, std::string_view reason, std::string_view option) {
  v1::ErrorDetail detail;
  detail.set_reason(std::string(reason));
  detail.set_subject(std::string(option));
  return WithDetail(std::move(status), detail);
}

bool HasForeignOutput(const BuildSpec& spec) {
  if (spec.outputs_size() == 0) {
    return false;
  }
  const BuildSpec::Output& output = spec.outputs(0);
  return spec.outputs_size() > 1 || (!output.type().empty() && output.type() != "image");
}

bool HasImageAsMainContext(const BuildSpec& spec) {
  auto main = spec.contexts().find("");
  return main != spec.contexts().end() && main->second.has_image();
}

// An option that does not work yet, and whether a request sets it.
struct Option {
  std::string_view name;
  bool (*is_set)(const BuildSpec&);
};

constexpr Option kUnsupported[] = {
    {"cache_from", [](const BuildSpec& s) { return s.cache_from_size() > 0; }},
    {"cache_to", [](const BuildSpec& s) { return s.cache_to_size() > 0; }},
    {"cache_backend", [](const BuildSpec& s) { return s.has_cache_backend(); }},
    {"outputs", HasForeignOutput},
    {"secrets", [](const BuildSpec& s) { return s.secrets_size() > 0; }},
    {"entitlements",
     [](const BuildSpec& s) {
       return std::any_of(s.entitlements().begin(), s.entitlements().end(),
                          [](const std::string& name) { return name != "security.insecure"; });
     }},
    {"contexts.image", HasImageAsMainContext},
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
  for (const std::string& tag : spec.tags()) {
    absl::StatusOr<Reference> reference = Reference::Parse(tag);
    if (!reference.ok()) {
      return WithOption(Annotate(reference.status(), "tags"), "INVALID_OPTION", "tags");
    }
    if (!reference->digest.empty()) {
      return InvalidOption("tags",
                           fmt::format("\"{}\" has a digest, which only the build can tell", tag));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPlatforms(const BuildSpec& spec) {
  const absl::StatusOr<std::vector<v1::Platform>> platforms = RequestPlatforms(spec);
  if (!platforms.ok()) {
    return InvalidOption("platforms", Message(platforms.status()));
  }
  if (platforms->size() > 1) {
    return WithOption(
        Unimplemented(fmt::format("option platforms is not supported by this version with {} "
                                  "platforms, whose images would make a list: build them one by "
                                  "one and join them (zlayer manifest)",
                                  platforms->size())),
        "UNSUPPORTED_OPTION", "platforms");
  }
  return absl::OkStatus();
}

// What is for Windows is known once the build file was read.
absl::Status CheckTarget(const BuildSpec& spec) {
  RETURN_IF_ERROR(CheckPlatforms(spec));
  RETURN_IF_ERROR(TargetPlatform(HintsOf(spec), HostPlatform()).status());
  if (!spec.windows_ltsc().empty() && !IsLtsc(spec.windows_ltsc())) {
    return InvalidOption("windows_ltsc",
                         fmt::format("\"{}\" is not a line of Windows Server, such as ltsc2022",
                                     ToUtf8(spec.windows_ltsc())));
  }
  return absl::OkStatus();
}

absl::Status CheckFormat(const BuildSpec& spec) {
  if (!spec.format().empty() && spec.format() != "oci" && spec.format() != "docker") {
    return InvalidOption(
        "format",
        fmt::format("\"{}\" is not a format of images: oci and docker are", ToUtf8(spec.format())));
  }
  if (spec.format() == "docker" && spec.annotations_size() > 0) {
    return InvalidOption("annotations",
                         "a manifest in Docker's format has none; use the format oci");
  }
  return absl::OkStatus();
}

absl::Status CheckRuns(const BuildSpec& spec) {
  if (spec.retries() > kMaxRetries) {
    return InvalidOption("retries", fmt::format("{} is more than {}", spec.retries(), kMaxRetries));
  }
  const absl::Status defaults = CheckRunDefaults(spec);
  return defaults.ok() ? defaults : InvalidOption("default_cache_mounts", Message(defaults));
}

absl::Status CheckSourceHash(const BuildSpec& spec) {
  return spec.source_hash().empty() || spec.tags_size() > 0
             ? absl::OkStatus()
             : InvalidOption("source_hash",
                             "it is looked for under the first tag: give the image one");
}

// What the daemon's environment says counts once the build runs.
absl::Status CheckBackend(const BuildSpec& spec) {
  const absl::Status status =
      SelectBackend({.host = "linux", .target = spec.target_os(), .request = spec.backend()})
          .status();
  return absl::IsInvalidArgument(status) ? InvalidOption("backend", Message(status)) : status;
}

absl::Status CheckCacheTtl(const BuildSpec& spec) {
  const auto& ttl = spec.cache_ttl();
  constexpr int64_t kMaxSeconds = int64_t{100} * 366 * 24 * 3600;
  if (ttl.seconds() < 0 || ttl.seconds() > kMaxSeconds || ttl.nanos() < 0 ||
      ttl.nanos() >= 1'000'000'000) {
    return InvalidOption("cache_ttl", "it is not a time between 0 and 100 years");
  }
  return absl::OkStatus();
}

absl::Status CheckOutputs(const BuildSpec& spec) {
  absl::Status status = ImageOutputOf(spec).status();
  return status.ok() ? status
                     : WithOption(Annotate(status, "outputs"), "INVALID_OPTION", "outputs");
}

absl::Status CheckInline(const v1::InlineFile& file) {
  std::string name = file.name().empty() ? "Dockerfile" : file.name();
  absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(file.content(), name);
  absl::Status status =
      lexed.ok() ? ParseInstructions(*lexed, name).status() : std::move(lexed).status();
  v1::ErrorDetail detail;
  detail.set_reason("DOCKERFILE_PARSE");
  return WithExcerpt(WithDetail(std::move(status), detail), name, file.content());
}

absl::Status CheckInlineZImagefile(const BuildSpec& spec) {
  FileToBuild file;
  file.source = spec.zimagefile_inline();
  file.is_zimagefile = true;
  RETURN_IF_ERROR(ReadZImagefile(spec, &file).status());
  return Annotate(TargetPlatform(HintsOf(spec, file), HostPlatform()).status(), file.name());
}

absl::Status CheckGraph(const BuildSpec& spec) {
  if (!spec.target().empty()) {
    return InvalidOption("target", "a graph names its targets itself");
  }
  if (spec.build_args_size() > 0) {
    return InvalidOption("build_args", "a graph has no variables");
  }
  if (!spec.target_os().empty() || !spec.windows_ltsc().empty()) {
    return InvalidOption(spec.target_os().empty() ? "windows_ltsc" : "target_os",
                         "a graph says itself what its stages are for");
  }
  return ValidateGraph(spec.graph());
}

bool IsDetected(const BuildSpec& spec) { return spec.runtime() == kDetectRuntime; }

absl::Status CheckSource(const BuildSpec& spec) {
  switch (spec.source_case()) {
    case BuildSpec::kDockerfileInline:
      return CheckInline(spec.dockerfile_inline());
    case BuildSpec::kZimagefileInline:
      return CheckInlineZImagefile(spec);
    case BuildSpec::kGraph:
      return CheckGraph(spec);
    case BuildSpec::kRuntime:
      return IsDetected(spec) ? absl::OkStatus() : TemplateToBuild(spec.runtime()).status();
    default:
      return absl::OkStatus();
  }
}

bool IsInContext(const BuildSpec& spec) {
  return spec.source_case() == BuildSpec::kDockerfile ||
         spec.source_case() == BuildSpec::kZimagefile ||
         spec.source_case() == BuildSpec::SOURCE_NOT_SET || IsDetected(spec);
}

// A build file that lies in the context, or is chosen by it, needs one.
absl::Status CheckMainContext(const BuildSpec& spec) {
  if (IsDetected(spec) && !spec.contexts().contains("")) {
    return InvalidOption(
        "contexts",
        "there is no build context whose files could tell the runtime; upload one, "
        "or name a template");
  }
  if (IsInContext(spec) && !spec.contexts().contains("")) {
    return InvalidOption("contexts",
                         "there is no build context to read the build file from; upload one, or "
                         "send the file's text as dockerfile_inline or zimagefile_inline");
  }
  return absl::OkStatus();
}

// What is wrong with a URL, the build finds.
absl::Status CheckContext(const std::string& name, const v1::ContextSource& source) {
  const bool known = !source.uploaded().empty() || !source.image().empty() ||
                     !source.git().url().empty() || !source.http().url().empty();
  return known ? absl::OkStatus()
               : InvalidOption("contexts", fmt::format("context \"{}\" does not say where it "
                                                       "comes from",
                                                       name));
}

// The build file of a plan is not fetched: a plan stores nothing.
absl::Status CheckPlannedContext(const v1::ContextSource& source) {
  RETURN_IF_ERROR(CheckContext("", source));
  if (!source.has_git() && !source.has_http()) {
    return absl::OkStatus();
  }
  const std::string_view option = source.has_git() ? "contexts.git" : "contexts.http";
  return WithOption(Unimplemented(fmt::format("option {} is not supported here by this version: "
                                              "only a build fetches a build file",
                                              option)),
                    "UNSUPPORTED_OPTION", option);
}

// Of what is not run only the context that the build file lies in must have been uploaded.
absl::Status CheckContextOfFile(const BuildSpec& spec) {
  RETURN_IF_ERROR(CheckMainContext(spec));
  return IsInContext(spec) ? CheckPlannedContext(spec.contexts().at("")) : absl::OkStatus();
}

}  // namespace

absl::Status InvalidOption(std::string_view option, std::string_view message) {
  return WithOption(InvalidArgument(fmt::format("{}: {}", option, message)), "INVALID_OPTION",
                    option);
}

absl::StatusOr<std::string> NamespaceOf(const std::string& name) {
  if (name.empty()) {
    return std::string("default");
  }
  bool clean = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!clean || name.size() > kMaxNamespaceBytes) {
    return InvalidOption("namespace", fmt::format("\"{}\" is not 1 to 63 of a-z, 0-9 and '-'",
                                                  ToUtf8(name.substr(0, 100))));
  }
  return name;
}

absl::Status CheckSpec(const BuildSpec& spec) {
  RETURN_IF_ERROR(CheckSupported(spec));
  RETURN_IF_ERROR(CheckTags(spec));
  RETURN_IF_ERROR(CheckTarget(spec));
  RETURN_IF_ERROR(CheckBackend(spec));
  RETURN_IF_ERROR(CheckFormat(spec));
  RETURN_IF_ERROR(CheckRuns(spec));
  RETURN_IF_ERROR(CheckSourceHash(spec));
  RETURN_IF_ERROR(CheckCacheTtl(spec));
  RETURN_IF_ERROR(CheckOutputs(spec));
  return CheckSource(spec);
}

absl::Status CheckSubmission(const v1::SubmitBuildRequest& request) {
  RETURN_IF_ERROR(NamespaceOf(request.namespace_()).status());
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return InvalidOption("priority",
                         fmt::format("{} is not between -100 and 100", request.priority()));
  }
  RETURN_IF_ERROR(CheckSpec(request.spec()));
  for (const auto& [name, source] : request.spec().contexts()) {
    RETURN_IF_ERROR(CheckContext(name, source));
  }
  return CheckMainContext(request.spec());
}

absl::Status CheckPlan(const v1::PlanBuildRequest& request) {
  RETURN_IF_ERROR(NamespaceOf(request.namespace_()).status());
  RETURN_IF_ERROR(CheckSpec(request.spec()));
  return CheckContextOfFile(request.spec());
}

absl::Status CheckExamination(const v1::CheckBuildRequest& request) {
  RETURN_IF_ERROR(NamespaceOf(request.namespace_()).status());
  RETURN_IF_ERROR(CheckSupported(request.spec()));
  RETURN_IF_ERROR(CheckTags(request.spec()));
  RETURN_IF_ERROR(CheckTarget(request.spec()));
  if (request.spec().has_graph()) {
    return InvalidOption("graph", "a graph has no build file that could be checked");
  }
  return CheckContextOfFile(request.spec());
}

}  // namespace zlayer
