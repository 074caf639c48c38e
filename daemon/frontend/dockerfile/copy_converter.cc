#include "daemon/frontend/dockerfile/copy_converter.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "backends/graph/file_mode.h"
#include "base/digest.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "daemon/frontend/dockerfile/git_url.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

// A destination as the graph has it: absolute, clean, with a final '/' where it means a directory.
absl::StatusOr<std::string> AbsoluteDestination(std::string_view text, const StageState& state) {
  const absl::StatusOr<std::string> path = GraphPath(text, state);
  RETURN_IF_ERROR(path.status());
  const bool directory =
      path->empty() || *path == "." || path->ends_with('/') || path->ends_with("/.");
  absl::StatusOr<std::string> absolute = AbsolutePath(text, state);
  if (absolute.ok() && directory && *absolute != "/") {
    *absolute += '/';
  }
  return absolute;
}

class CopyConverter {
 public:
  CopyConverter(const CopyInstruction& instruction, InstructionScope* scope, v1::Copy* copy)
      : instruction_(instruction), scope_(*scope), copy_(copy) {}

  absl::StatusOr<std::string> Convert();

 private:
  absl::Status SetFlags();
  absl::Status AddSource(const std::string& path);
  absl::Status SetGit(const GitUrl& url, v1::GitInput* git);
  absl::Status SetHttp(const std::string& url, v1::HttpInput* http);
  absl::Status AddInlineSource(const InlineSource& source);
  absl::Status NotForCopy(const std::string& path) const;

  const CopyInstruction& instruction_;
  InstructionScope& scope_;
  v1::Copy* copy_;
  v1::Input files_;  // where plain paths come from
  std::string checksum_;
};

absl::Status CopyConverter::SetFlags() {
  ASSIGN_OR_RETURN(const std::string owner, scope_.Expand(instruction_.owner));
  if (scope_.state().is_windows && !owner.empty()) {
    scope_.file().checks->WarnOfOwner(scope_.instruction());
  } else {
    copy_->set_owner(owner);
  }
  ASSIGN_OR_RETURN(const std::string mode, scope_.Expand(instruction_.mode));
  if (!mode.empty() && !ChangeMode(mode, 0, false)) {
    return InvalidArgument(
        fmt::format("--chmod is octal (0755) or symbolic (u=rwX,go=rX), not {}", GoQuote(mode)));
  }
  copy_->set_mode(mode);
  // BuildKit makes no layer apart from the stage where modes are changed.
  copy_->set_link(instruction_.link && mode.empty());
  copy_->set_parents(instruction_.parents);
  for (const std::string& pattern : instruction_.exclude) {
    copy_->add_exclude(pattern);
  }
  if (instruction_.add && instruction_.unpack.value_or(true)) {
    copy_->set_unpack(instruction_.unpack ? v1::Copy::ALL_ARCHIVES : v1::Copy::LOCAL_ARCHIVES);
  }
  ASSIGN_OR_RETURN(checksum_, scope_.Expand(instruction_.checksum));
  if (!checksum_.empty() && instruction_.sources.size() != 1) {
    return InvalidArgument("--checksum is of one source, and this ADD has not exactly one");
  }
  return absl::OkStatus();
}

absl::Status CopyConverter::NotForCopy(const std::string& path) const {
  return InvalidArgument(fmt::format("COPY takes files, not the URL {}; ADD does", GoQuote(path)));
}

absl::Status CopyConverter::SetGit(const GitUrl& url, v1::GitInput* git) {
  const std::optional<bool> keep = instruction_.keep_git_directory;
  if (keep && url.keep_git_directory && *keep != *url.keep_git_directory) {
    return InvalidArgument("--keep-git-dir and the URL's keep-git-dir contradict each other");
  }
  if (!checksum_.empty() && !url.checksum.empty() && checksum_ != url.checksum) {
    return InvalidArgument("--checksum and the URL's checksum contradict each other");
  }
  *git = ToGitInput(url);
  if (keep) {
    git->set_keep_git_directory(*keep);
  }
  if (!checksum_.empty()) {
    git->set_checksum(checksum_);
  }
  return absl::OkStatus();
}

absl::Status CopyConverter::SetHttp(const std::string& url, v1::HttpInput* http) {
  if (!checksum_.empty() && !Digest::Parse(checksum_).ok()) {
    return InvalidArgument(
        fmt::format("--checksum of a download is \"sha256:\" and 64 hexadecimal digits, not {}",
                    GoQuote(checksum_)));
  }
  http->set_url(url);
  http->set_checksum(checksum_);
  return absl::OkStatus();
}

absl::Status CopyConverter::AddSource(const std::string& path) {
  v1::Copy::Source* source = copy_->add_sources();
  ASSIGN_OR_RETURN(const std::optional<GitUrl> git,
                   ParseGitUrl(path, instruction_.keep_git_directory.has_value()));
  const bool remote = git || IsHttpUrl(path);
  if (remote && !instruction_.add) {
    return NotForCopy(path);
  }
  if (git) {
    source->set_path("/");
    return SetGit(*git, source->mutable_from()->mutable_git());
  }
  if (remote) {
    source->set_path(UrlFileName(path));
    return SetHttp(path, source->mutable_from()->mutable_http());
  }
  if (!checksum_.empty()) {
    return InvalidArgument("--checksum is of a download or a git repository, not of files");
  }
  ASSIGN_OR_RETURN(*source->mutable_path(), GraphPath(path, scope_.state()));
  RETURN_IF_ERROR(CheckGlob(source->path()));
  if (instruction_.from.empty()) {
    scope_.file().checks->CheckSource(scope_.instruction(), source->path());
  }
  *source->mutable_from() = files_;
  return absl::OkStatus();
}

absl::Status CopyConverter::AddInlineSource(const InlineSource& source) {
  if (source.name.find('/') != std::string::npos || source.name == "." || source.name == "..") {
    return InvalidArgument(
        fmt::format("the heredoc {} is a file, so its name must be one of a file, without a \"/\"",
                    GoQuote(source.name)));
  }
  std::string content = source.content;
  if (source.expand) {
    ASSIGN_OR_RETURN(content, scope_.ExpandHeredoc(source.content));
  }
  v1::Copy::Source* out = copy_->add_sources();
  out->set_path(source.name);
  out->mutable_from()->set_inline_(std::move(content));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CopyConverter::Convert() {
  RETURN_IF_ERROR(SetFlags());
  files_ = scope_.file().context;
  if (!instruction_.from.empty()) {
    ASSIGN_OR_RETURN(files_, scope_.file().resolve_from(instruction_.from));
  }
  std::string created_by = instruction_.add ? "ADD" : "COPY";
  created_by += copy_->parents() ? " --parents" : "";
  created_by += copy_->owner().empty() ? "" : " --chown=" + copy_->owner();
  created_by += copy_->mode().empty() ? "" : " --chmod=" + copy_->mode();
  for (const std::string& word : instruction_.sources) {
    ASSIGN_OR_RETURN(const std::string path, scope_.Expand(word));
    RETURN_IF_ERROR(AddSource(path));
    created_by += " " + path;
  }
  for (const InlineSource& source : instruction_.inline_sources) {
    RETURN_IF_ERROR(AddInlineSource(source));
    created_by += " <<" + source.name;
  }
  ASSIGN_OR_RETURN(const std::string destination, scope_.Expand(instruction_.destination));
  ASSIGN_OR_RETURN(*copy_->mutable_destination(), AbsoluteDestination(destination, scope_.state()));
  return created_by + " " + destination;
}

}  // namespace

absl::Status ConvertCopy(const CopyInstruction& copy, InstructionScope* scope,
                         v1::Operation* operation, std::string* created_by) {
  ASSIGN_OR_RETURN(*created_by, CopyConverter(copy, scope, operation->mutable_copy()).Convert());
  return absl::OkStatus();
}

}  // namespace zlayer
