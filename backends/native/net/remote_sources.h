// Sources from outside the machine, as layers: files from URLs and trees from git repositories.
//
// What was fetched is remembered for the namespace that fetched it. Layers are a pure function of
// what was fetched: the same content, name and time give the same layer.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_REMOTE_SOURCES_H_
#define ZLAYER_BACKENDS_NATIVE_NET_REMOTE_SOURCES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "backends/native/exec/executor.h"
#include "backends/native/net/git_fetch.h"
#include "backends/native/net/http_download.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "registry/store.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// How far the transfer of `item` (a URL without credentials) is; `total` is 0 while unknown.
using TransferProgress =
    std::function<void(std::string_view item, uint64_t done, uint64_t total, bool complete)>;

// What one build has fetched: it gets the same answer to the same question, however often it asks.
// Thread-safe.
class FetchMemo {
 public:
  // Null where that was not asked before.
  LayerRef Find(const Digest& question) const {
    MutexLock lock(&mutex_);
    auto found = answers_.find(question);
    return found == answers_.end() ? nullptr : found->second;
  }
  void Put(const Digest& question, const LayerRef& answer) {
    MutexLock lock(&mutex_);
    answers_.emplace(question, answer);
  }

 private:
  mutable Mutex mutex_;
  std::map<Digest, LayerRef> answers_ ABSL_GUARDED_BY(mutex_);
};

// For whom something is fetched.
struct FetchScope {
  std::string name_space;
  FetchMemo* memo = nullptr;  // of the build; may be null
  TransferProgress progress;
  std::stop_token stop;
};

struct RemoteSourcesOptions {
  Store* store = nullptr;
  Executor* executor = nullptr;  // runs git
  DownloadLimits http;
  GitLimits git;
};

// Thread-safe. The same thing wanted by several builds at once is fetched once.
class RemoteSources {
 public:
  virtual ~RemoteSources() = default;

  // The file at a URL as a layer that holds nothing but the file `name`: mode 0600, of root, with
  // the time that the server says (Last-Modified), else 1970. An empty `name` is the URL's own, or
  // "download" where that has none. With a checksum whose content the namespace has fetched before
  // no request is made; else the server is asked whether what is there is still current. Errors as
  // Download, and kFailedPrecondition where the body has another checksum.
  virtual absl::StatusOr<LayerRef> Http(const v1::HttpInput& input, std::string_view name,
                                        const FetchScope& scope) = 0;

  // The tree of a commit as a layer: modes 0644 and 0755, of root, times are the commit's. A
  // branch, tag or empty `ref` is looked up each time; what a commit holds is fetched once. Errors
  // as GitRepository (git_fetch.h).
  virtual absl::StatusOr<LayerRef> Git(const v1::GitInput& input, const FetchScope& scope) = 0;
};

// What the options point to must outlive the result.
std::unique_ptr<RemoteSources> MakeRemoteSources(const RemoteSourcesOptions& options);

// What can be said of an input before anything is fetched: kInvalidArgument where it is wrong,
// kUnimplemented for git over ssh.
absl::Status CheckHttpInput(const v1::HttpInput& input);
absl::Status CheckGitInput(const v1::GitInput& input);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_REMOTE_SOURCES_H_
