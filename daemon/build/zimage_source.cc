#include "daemon/build/zimage_source.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "daemon/frontend/dockerfile/excerpt.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/expand_variables.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

absl::Status Unsupported(std::string_view option, std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason("UNSUPPORTED_OPTION");
  detail.set_subject(std::string(option));
  return WithDetail(Unimplemented(message), detail);
}

// The template with what the file adds to it.
absl::StatusOr<DockerfileInstructions> ReadTemplate(const RuntimeUse& use,
                                                    const RuntimeTemplate& runtime,
                                                    std::string_view windows_ltsc) {
  const std::string name = BuildFileName(runtime);
  ASSIGN_OR_RETURN(const LexedDockerfile lexed,
                   LexDockerfile(DockerfileOf(runtime, windows_ltsc), name));
  ASSIGN_OR_RETURN(DockerfileInstructions instructions, ParseInstructions(lexed, name));
  ApplyToTemplate(use, &instructions);
  return instructions;
}

absl::StatusOr<ZImagefile> Read(const FileToBuild& file, std::string_view windows_ltsc) {
  ASSIGN_OR_RETURN(ZImagefile parsed, ParseZImagefile(file.source.content(), file.name()));
  if (parsed.wasm.has_value()) {
    return AtSource(
        Unsupported("wasm", "WebAssembly modules (wasm:) are not built by this version"),
        parsed.wasm->source);
  }
  if (parsed.runtime.has_value()) {
    const absl::StatusOr<const RuntimeTemplate*> runtime = TemplateToBuild(parsed.runtime->name);
    RETURN_IF_ERROR(AtSource(runtime.status(), parsed.runtime->source));
    absl::StatusOr<DockerfileInstructions> instructions =
        ReadTemplate(*parsed.runtime, **runtime, windows_ltsc);
    RETURN_IF_ERROR(AtSource(instructions.status(), parsed.runtime->source));
    parsed.image = *std::move(instructions);
    if (parsed.os.empty() && parsed.platform.empty()) {
      parsed.os = (*runtime)->os;
    }
  }
  return parsed;
}

}  // namespace

absl::StatusOr<ZImagefile> ReadZImagefile(const v1::BuildSpec& spec, FileToBuild* file) {
  const std::string name = file->name();
  ASSIGN_OR_RETURN(
      *file->source.mutable_content(),
      ExpandVariables(file->source.content(),
                      {spec.pipeline_vars().begin(), spec.pipeline_vars().end()}, name));
  absl::StatusOr<ZImagefile> parsed = Read(*file, spec.windows_ltsc());
  RETURN_IF_ERROR(WithExcerpt(parsed.status(), name, file->source.content()));
  file->os = parsed->os;
  file->platform = parsed->platform;
  return parsed;
}

}  // namespace zlayer
