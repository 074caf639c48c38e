// An upload that a registry began (distribution-spec, "Pushing blobs"). Not thread-safe.
#ifndef ZLAYER_REGISTRY_CLIENT_UPLOAD_SESSION_H_
#define ZLAYER_REGISTRY_CLIENT_UPLOAD_SESSION_H_

#include <absl/status/status.h>

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"

namespace zlayer {

// The registry keeps what it has of an upload until it is completed or cancelled, some for days. So
// one that is still open when this goes is cancelled, for which the registry has some seconds, also
// where the push itself was stopped.
class UploadSession {
 public:
  // The route must outlive it. No upload is under way.
  explicit UploadSession(const Route& route) : route_(route) {}
  UploadSession(UploadSession&& other) noexcept
      : route_(other.route_), url_(std::exchange(other.url_, {})) {}
  UploadSession(const UploadSession&) = delete;
  UploadSession& operator=(const UploadSession&) = delete;
  ~UploadSession() { Cancel(); }

  bool open() const { return !url_.empty(); }
  // Else it is at a storage that may know no more than to be given all at once.
  bool AtRegistry() const { return route_.host->IsHome(url_); }

  Outcome Begin(std::stop_token stop);
  // One of the requests below. An answer of 404 says that the registry has no such upload (any
  // more): none is open then, and another may do better.
  HostReply Send(const HostRequest& request, std::stop_token stop);
  // Goes on at the URL that the registry's answer names. What is no success is returned as it is.
  Outcome Follow(const HostReply& reply);

  // Adds what `source` writes, in one PATCH of unknown length. Where the source fails, or `stop` is
  // requested, the request ends like a whole one all the same, for which the registry has some
  // seconds: docker-registry cancels no upload of which a request broke off. The error is returned.
  Outcome Append(
      const std::function<absl::Status(const std::function<absl::Status(std::string_view)>& sink)>&
          source,
      std::stop_token stop);
  // A request to the upload: "GET" asks how much it has, "PATCH" adds to it.
  HostRequest Request(std::string_view method) const;
  // "PUT": with what it carries, or without, the upload is the blob of this digest.
  HostRequest CompleteRequest(const Digest& digest) const;

  // The answer to that. Once it is a blob it is no upload any more; kDataLoss where the registry
  // says that the blob has another digest.
  Outcome Complete(const HostReply& reply, const Digest& digest);

  // Tells the registry that nothing more comes. Whether it listens is its own affair.
  void Cancel();

 private:
  const Route& route_;
  std::string url_;  // empty: none is open
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_UPLOAD_SESSION_H_
