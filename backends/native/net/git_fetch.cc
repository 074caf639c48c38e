#include "backends/native/net/git_fetch.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "backends/native/net/git_settings.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr char kTree[] = "tree";
constexpr char kTemporaryRef[] = "refs/zlayer/fetched";
constexpr size_t kMaxOutput = size_t{16} << 20;
constexpr size_t kMaxErrors = size_t{64} << 10;
constexpr size_t kMaxReason = 500;

// What git said, in one line: its last complaint and what follows that.
std::string Reason(std::string_view errors) {
  std::string reason;
  for (std::string_view line : Split(errors, '\n')) {
    line = Trim(line.substr(line.rfind('\r') + 1));
    for (std::string_view mark : {"fatal: ", "error: ", "remote: "}) {
      if (line.starts_with(mark)) {
        line.remove_prefix(mark.size());
      }
    }
    if (!line.empty()) {
      reason = reason.empty() ? std::string(line) : fmt::format("{}; {}", reason, line);
    }
  }
  if (reason.size() > kMaxReason) {
    reason = "..." + reason.substr(reason.size() - kMaxReason);
  }
  return ToUtf8(reason);
}

// The server gives only what a ref names, or only whole histories.
bool CannotFetchSo(const absl::Status& status) {
  return std::any_of(
      std::begin(kServerLimits), std::end(kServerLimits),
      [&](std::string_view mark) { return Message(status).find(mark) != std::string_view::npos; });
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// "tags/v1" and "refs/tags/v1" with the prefix "refs/": "refs/tags/v1".
std::string Prefixed(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) ? std::string(name) : fmt::format("{}{}", prefix, name);
}

}  // namespace

bool IsCommitId(std::string_view ref) {
  return (ref.size() == 40 || ref.size() == 64) && IsHex(ref);
}

absl::Status CheckGitRef(std::string_view ref) {
  const bool bad_byte = std::any_of(ref.begin(), ref.end(), [](unsigned char c) {
    return c <= ' ' || c == 0x7f ||
           std::string_view("~^:?*[\\").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (bad_byte || ref.starts_with('-') || ref.starts_with('/') || ref.ends_with('/') ||
      ref.ends_with('.') || ref.find("..") != std::string_view::npos ||
      ref.find("@{") != std::string_view::npos || ref.find("//") != std::string_view::npos) {
    return InvalidArgument(
        fmt::format("\"{}\" is no name of a branch, tag or commit", ToUtf8(ref.substr(0, 200))));
  }
  return absl::OkStatus();
}

absl::StatusOr<GitTarget> ChooseGitTarget(std::string_view listing, std::string_view name) {
  std::map<std::string, std::string, std::less<>> objects;
  for (std::string_view line : Split(listing, '\n')) {
    const size_t tab = line.find('\t');
    if (tab != std::string_view::npos && IsCommitId(line.substr(0, tab))) {
      objects.emplace(line.substr(tab + 1), line.substr(0, tab));
    }
  }
  const std::array<std::string, 3> candidates = {
      Prefixed("refs/", name), Prefixed("refs/heads/", name), Prefixed("refs/tags/", name)};
  for (const std::string& ref : candidates) {
    const std::string& wanted = name == "HEAD" ? std::string(name) : ref;
    if (auto found = objects.find(wanted); found != objects.end()) {
      auto peeled = objects.find(wanted + "^{}");
      return GitTarget{wanted, found->second,
                       peeled == objects.end() ? found->second : peeled->second};
    }
  }
  return NotFound(fmt::format("the repository has no branch or tag {}", name));
}

absl::StatusOr<GitRepository> GitRepository::Make(Executor* executor, const std::string& tmp,
                                                  const RemoteUrl& url, const GitLimits& limits) {
  ASSIGN_OR_RETURN(ScopedDirectory scratch, ScopedDirectory::Make(tmp, "git-"));
  return GitRepository(executor, std::move(scratch), url, limits);
}

GitRepository::GitRepository(Executor* executor, ScopedDirectory scratch, const RemoteUrl& url,
                             const GitLimits& limits)
    : executor_(executor), scratch_(std::move(scratch)), url_(url), limits_(limits) {}

std::string GitRepository::tree() const { return fmt::format("{}/{}", scratch_.path(), kTree); }

absl::StatusOr<std::string> GitRepository::Git(std::vector<std::string> arguments, uint32_t seconds,
                                               std::stop_token stop) {
  ProgramRun run{.id = "git-" + RandomHex(),
                 .argv = {GitProgram()},
                 .env = GitEnvironment(),
                 .scratch = scratch_.path(),
                 .files = {{std::string(kGitConfigName), GitConfig(url_)}},
                 .max_bytes = limits_.max_bytes,
                 .max_seconds = seconds};
  run.argv.insert(run.argv.end(), arguments.begin(), arguments.end());
  std::string output;
  std::string errors;
  bool too_much = false;
  const absl::StatusOr<ContainerExit> exit = executor_->RunProgram(
      run,
      [&](std::string_view data, bool is_stderr) {
        std::string& text = is_stderr ? errors : output;
        too_much = too_much || (!is_stderr && output.size() + data.size() > kMaxOutput);
        if (!too_much) {
          text += data;
        }
        if (errors.size() > kMaxErrors) {
          errors.erase(0, errors.size() - kMaxErrors);
        }
      },
      std::move(stop));
  if (!exit.ok()) {
    return Annotate(exit.status(), fmt::format("{}: git", url_.text));
  }
  if (too_much) {
    return ResourceExhausted(fmt::format("{}: the repository has too many refs", url_.text));
  }
  if (exit->exit_code != 0) {
    return FailedPrecondition(fmt::format("{}: git {} failed: {}", url_.text,
                                          arguments[arguments[0] == "-C" ? 2 : 0], Reason(errors)));
  }
  return output;
}

absl::StatusOr<std::string> GitRepository::InTree(const std::vector<std::string>& arguments,
                                                  std::stop_token stop) {
  std::vector<std::string> all = {"-C", kTree};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Git(std::move(all), limits_.fetch_seconds, std::move(stop));
}

absl::StatusOr<GitTarget> GitRepository::LookUp(const std::string& ref, std::stop_token stop) {
  if (IsCommitId(ref)) {
    return GitTarget{"", ref, ref};
  }
  const std::string name = ref.empty() ? "HEAD" : ref;
  ASSIGN_OR_RETURN(const std::string listing,
                   Git({"ls-remote", "--", url_.text, name, name + "^{}"}, limits_.lookup_seconds,
                       std::move(stop)));
  absl::StatusOr<GitTarget> target = ChooseGitTarget(listing, name);
  return target.ok() ? target : Annotate(target.status(), url_.text);
}

absl::Status GitRepository::Fetch(const GitTarget& target, const std::string& destination,
                                  std::stop_token stop) {
  const auto fetch = [&](const std::string& what, bool shallow) {
    std::vector<std::string> arguments = {"fetch", "--quiet", "--no-tags"};
    if (shallow) {
      arguments.push_back("--depth=1");
    }
    arguments.insert(arguments.end(), {"origin", fmt::format("+{}:{}", what, destination)});
    return InTree(arguments, stop).status();
  };
  absl::Status status = fetch(target.object, true);
  if (!CannotFetchSo(status)) {
    return status;
  }
  if (!target.ref.empty()) {
    status = fetch(target.ref, true);
    if (CannotFetchSo(status)) {
      status = fetch(target.ref, false);
    }
  } else {
    status = InTree({"fetch", "--quiet", "--tags", "origin"}, stop).status();
  }
  RETURN_IF_ERROR(status);
  if (!InTree({"cat-file", "-e", target.commit + "^{commit}"}, stop).ok()) {
    return FailedPrecondition(
        fmt::format("{}: the repository does not give the commit {}", url_.text, target.commit));
  }
  return absl::OkStatus();
}

absl::Status GitRepository::CheckOut(const GitTarget& target, bool keep_git, std::stop_token stop) {
  std::vector<std::string> init = {"init", "--quiet"};
  if (target.object.size() == 64) {
    init.push_back("--object-format=sha256");
  }
  init.push_back(kTree);
  RETURN_IF_ERROR(Git(init, limits_.fetch_seconds, stop).status());
  RETURN_IF_ERROR(InTree({"remote", "add", "origin", url_.text}, stop).status());
  // So that "git describe" knows it.
  const bool is_tag = target.ref.starts_with("refs/tags/");
  RETURN_IF_ERROR(Fetch(target, is_tag ? target.ref : kTemporaryRef, stop));
  RETURN_IF_ERROR(
      InTree({"checkout", "--quiet", "--force", "--detach", target.commit}, stop).status());
  RETURN_IF_ERROR(UpdateSubmodules(stop));
  return keep_git ? TidyUp(is_tag ? "" : kTemporaryRef, std::move(stop)) : absl::OkStatus();
}

absl::Status GitRepository::UpdateSubmodules(std::stop_token stop) {
  struct stat status;
  if (lstat((tree() + "/.gitmodules").c_str(), &status) != 0) {
    return absl::OkStatus();
  }
  std::vector<std::string> update = {"submodule", "--quiet", "update", "--init", "--recursive"};
  std::vector<std::string> shallow = update;
  shallow.push_back("--depth=1");
  const absl::Status done = InTree(shallow, stop).status();
  return CannotFetchSo(done) ? InTree(update, std::move(stop)).status() : done;
}

absl::Status GitRepository::TidyUp(const std::string& temporary_ref, std::stop_token stop) {
  if (!temporary_ref.empty()) {
    RETURN_IF_ERROR(InTree({"update-ref", "-d", temporary_ref}, stop).status());
  }
  RETURN_IF_ERROR(InTree({"reflog", "expire", "--all", "--expire=now"}, std::move(stop)).status());
  unlink((tree() + "/.git/FETCH_HEAD").c_str());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> GitRepository::CommitTime(std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string text,
                   InTree({"show", "--no-patch", "--format=%ct", "HEAD"}, std::move(stop)));
  const std::optional<uint64_t> seconds = ParseUint(Trim(text));
  return static_cast<int64_t>(std::min<uint64_t>(seconds.value_or(0), INT64_MAX));
}

}  // namespace zlayer
