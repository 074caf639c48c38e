// Sources of ADD that are not files: git repositories and downloads.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GIT_URL_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GIT_URL_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// A repository, as BuildKit reads its URL: git://..., ssh://..., user@host:path, and http(s)://...
// whose path ends with ".git". What to take of it stands behind '#' ("#ref:subdirectory") or '?'
// ("?tag=v1&subdir=docs").
struct GitUrl {
  std::string remote;  // without '#' and '?' and what follows
  std::string ref;     // branch, tag or commit; empty for HEAD. "refs/tags/v1" of "?tag=v1"
  std::string subdirectory;
  std::string checksum;  // of the commit; empty for any
  std::optional<bool> keep_git_directory;
};

// nullopt: it is no such URL. `known_git` takes any http(s) URL for one. kInvalidArgument: what
// stands behind '?' is malformed or contradicts itself. kUnimplemented: it asks for something that
// this version does not do.
absl::StatusOr<std::optional<GitUrl>> ParseGitUrl(std::string_view text, bool known_git = false);

// What the graph and a request have of it.
v1::GitInput ToGitInput(GitUrl url);

// Whether it is http://... or https://...
bool IsHttpUrl(std::string_view text);

// The name that a download gets in a directory: the last part of the URL's path, or "__unnamed__".
std::string UrlFileName(std::string_view url);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_GIT_URL_H_
