#include "client/cli/file_request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "client/cli/build_images.h"
#include "client/cli/build_options.h"
#include "client/cli/build_request.h"
#include "client/cli/check_text.h"
#include "client/cli/registry_logins.h"
#include "client/cli/source_text.h"
#include "client/lib/context_uploader.h"
#include "client/lib/context_walker.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

absl::StatusOr<v1::ContextReady> UploadStdin(Session& session, const UploadOptions& upload) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  return UploadTar(*connection, STDIN_FILENO, upload, session.stop());
}

// The directory that is the build context.
absl::StatusOr<v1::ContextReady> UploadHere(Session& session, const BuildFlags& flags,
                                            UploadOptions upload, const FileRequest& request) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(UniqueFd root, OpenContext(flags.context));
  ASSIGN_OR_RETURN(const IgnoreRules rules,
                   IgnoreRules::Parse(request.file->ignore_text, request.file->ignore_name));
  DigestCache digests = DigestCache::Open(DigestCache::DefaultPath());
  upload.spec = &request.spec;
  upload.ignore = &rules;
  upload.digests = &digests;
  ASSIGN_OR_RETURN(v1::ContextReady ready,
                   UploadDirectory(*connection, root.get(), upload, session.stop()));
  digests.Save().IgnoreError();
  return ready;
}

absl::Status AddContexts(Session& session, const BuildFlags& flags, FileRequest* request) {
  ASSIGN_OR_RETURN(auto directories, DirectoryContexts(flags));
  directories.erase("");
  for (const auto& directory : directories) {
    (*request->spec.mutable_contexts())[directory.first];
  }
  // Nested builds have their files in the context.
  const std::optional<ZImagefile> zimagefile = ZImagefileOf(request->spec);
  const bool has_nested = zimagefile.has_value() && !zimagefile->builds.empty();
  const bool is_tar = flags.context == "-";
  if (is_tar ? request->file.has_value() && !has_nested
             : !has_nested || !IsDirectoryContext(flags)) {
    return absl::OkStatus();
  }
  UploadOptions upload;
  upload.name_space = session.name_space();
  ASSIGN_OR_RETURN(v1::ContextReady ready, is_tar ? UploadStdin(session, upload)
                                                  : UploadHere(session, flags, upload, *request));
  (*request->spec.mutable_contexts())[""].set_uploaded(ready.context_id());
  return absl::OkStatus();
}

std::string TextOf(const FileCall& call, const v1::CheckBuildResponse& check) {
  if (call.method == "outline") {
    return call.json ? OutlineJson(check) : OutlineText(check.outline());
  }
  if (call.method == "targets") {
    return call.json ? TargetsJson(check) : TargetsText(check);
  }
  return call.json ? CheckJson(check) : CheckText(check, ViewOf(STDOUT_FILENO));
}

bool HasAnswer(const FileCall& call, const v1::CheckBuildResponse& check) {
  return call.method == "outline"   ? check.has_outline()
         : call.method == "targets" ? check.targets_size() > 0
                                    : true;
}

}  // namespace

void SayRuntime(const std::optional<BuildFile>& file) {
  if (file.has_value() && !file->reason.empty()) {
    PrintError(fmt::format("runtime {}: {}", file->runtime, file->reason));
  }
}

absl::StatusOr<FileRequest> MakeFileRequest(Session& session, const BuildFlags& flags) {
  FileRequest request;
  ASSIGN_OR_RETURN(request.file, ReadBuildFile(flags, session.stop()));
  SayRuntime(request.file);
  ASSIGN_OR_RETURN(v1::SubmitBuildRequest build,
                   MakeBuildRequest(flags, request.file, FromEnvironment));
  request.spec = std::move(*build.mutable_spec());
  RETURN_IF_ERROR(AddLogins(ImagesOf(request.spec, ContextDirectory(flags)), session.stop(),
                            request.spec.mutable_registry_credentials()));
  RETURN_IF_ERROR(AddContexts(session, flags, &request));
  return request;
}

absl::StatusOr<std::optional<FileCall>> ParseFileCall(const std::string& text) {
  const std::vector<std::string_view> parts = Split(text, ',');
  FileCall call;
  call.method = parts[0];
  const std::vector<std::string> methods = {"build", "check", "outline", "targets"};
  if (std::find(methods.begin(), methods.end(), call.method) == methods.end()) {
    return UsageError(fmt::format("--call is one of {}, not \"{}\"{}", Join(methods, "|"),
                                  ToUtf8(call.method), Suggestion(call.method, methods)));
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] != "format=json" && parts[i] != "format=text") {
      return UsageError(fmt::format("--call={} takes format=json or format=text, not \"{}\"",
                                    call.method, ToUtf8(parts[i])));
    }
    call.json = parts[i] == "format=json";
  }
  return call.method == "build" ? std::nullopt : std::make_optional(std::move(call));
}

absl::Status CallFile(Session& session, const BuildFlags& flags, const FileCall& call) {
  ASSIGN_OR_RETURN(FileRequest file, MakeFileRequest(session, flags));
  v1::CheckBuildRequest request;
  request.set_namespace_(session.name_space());
  *request.mutable_spec() = std::move(file.spec);
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(
      const v1::CheckBuildResponse check,
      Call(*connection, connection->builds(), &v1::BuildService::StubInterface::CheckBuild, request,
           kCallTimeout, session.stop()));
  const bool answered = HasAnswer(call, check);
  if (answered) {
    Print(TextOf(call, check));
  }
  const bool is_check = call.method == "check";
  if (check.has_error() && (is_check || !answered)) {
    absl::Status error =
        WithDetail(FailedPrecondition(check.error().error()), check.error().detail());
    return call.json ? error : ShowSource(std::move(error));
  }
  return is_check && check.warnings_size() > 0 ? FailedPrecondition("") : absl::OkStatus();
}

}  // namespace zlayer
