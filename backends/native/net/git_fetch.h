// Looks up and fetches commits of git repositories with the program git.
//
// git runs through the executor: as nobody, seeing only the machine's programs and a directory of
// its own (ProgramRun in executor.h). It reads no configuration of the machine or of a user, runs
// no hook, asks nobody for a password, and speaks https, http and git only, for submodules too.
// Credentials never stand on a command line or on the disk.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_GIT_FETCH_H_
#define ZLAYER_BACKENDS_NATIVE_NET_GIT_FETCH_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "backends/native/exec/executor.h"
#include "backends/native/net/remote_url.h"
#include "base/files.h"

namespace zlayer {

struct GitLimits {
  uint64_t max_bytes = uint64_t{16} << 30;  // on the disk: the repository and what is checked out
  uint32_t lookup_seconds = 120;
  uint32_t fetch_seconds = 3600;  // of each step of a fetch
};

// Whether `ref` is a whole commit id: 40 or 64 hex digits.
bool IsCommitId(std::string_view ref);

// kInvalidArgument where `ref` is nothing that git could have as a name of a branch or tag.
absl::Status CheckGitRef(std::string_view ref);

// What a name means in a repository.
struct GitTarget {
  std::string ref;     // "refs/heads/main"; empty for a commit id, "HEAD" for the remote's own
  std::string object;  // what the ref holds: a commit, or an annotated tag
  std::string commit;
};

// What ls-remote printed for `name`. A full name ("refs/..." or what follows that) comes first,
// then branches, then tags, as git-checkout prefers. kNotFound where the name is not there.
absl::StatusOr<GitTarget> ChooseGitTarget(std::string_view listing, std::string_view name);

// One repository for one build, with a scratch directory. Not thread-safe. Errors begin with the
// URL: kNotFound, the ref is not there; kFailedPrecondition, what git says; kResourceExhausted and
// kDeadlineExceeded, over the limits; kCancelled as soon as `stop` is requested.
class GitRepository {
 public:
  // `executor` must outlive it; `tmp` is where the scratch directory is made.
  static absl::StatusOr<GitRepository> Make(Executor* executor, const std::string& tmp,
                                            const RemoteUrl& url, const GitLimits& limits);

  // Asks the remote what `ref` means (empty: its HEAD). A commit id is taken as it is.
  absl::StatusOr<GitTarget> LookUp(const std::string& ref, std::stop_token stop);

  // Fetches the target and checks it out with its submodules, without history where the server can.
  // `keep_git` leaves the repository in `.git` fit for use.
  absl::Status CheckOut(const GitTarget& target, bool keep_git, std::stop_token stop);

  // Seconds since 1970 of the commit that was checked out.
  absl::StatusOr<int64_t> CommitTime(std::stop_token stop);

  // Where it is checked out, with `.git` in it. Nothing runs there between calls.
  std::string tree() const;

 private:
  GitRepository(Executor* executor, ScopedDirectory scratch, const RemoteUrl& url,
                const GitLimits& limits);

  // Standard output of git. Relative to the scratch directory, `arguments` say where.
  absl::StatusOr<std::string> Git(std::vector<std::string> arguments, uint32_t seconds,
                                  std::stop_token stop);
  absl::StatusOr<std::string> InTree(const std::vector<std::string>& arguments,
                                     std::stop_token stop);
  absl::Status Fetch(const GitTarget& target, const std::string& destination, std::stop_token stop);
  absl::Status UpdateSubmodules(std::stop_token stop);
  absl::Status TidyUp(const std::string& temporary_ref, std::stop_token stop);

  Executor* executor_;
  ScopedDirectory scratch_;
  RemoteUrl url_;
  GitLimits limits_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_GIT_FETCH_H_
