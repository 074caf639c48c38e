// A registry in memory that speaks the distribution-spec, and fails as a test says.
#ifndef ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_REGISTRY_H_
#define ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_REGISTRY_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "registry/client/testing/fake_server.h"

namespace zlayer {

class FakeRegistry {
 public:
  using Request = FakeServer::Request;
  using Peer = FakeServer::Peer;
  // Answers in place of the registry; nothing: the registry does. An empty answer breaks the
  // connection.
  using Fault = std::function<std::optional<std::string>(const Request&, Peer&)>;

  struct Manifest {
    std::string media_type;
    std::string bytes;
  };

  FakeRegistry() : server_([this](const Request& r, Peer& p) { return Answer(r, p); }) {}

  FakeServer& server() { return server_; }
  std::string Host() const { return server_.Host(); }

  void SetFault(Fault fault) {
    MutexLock lock(&mutex_);
    fault_ = std::move(fault);
  }
  // Whether uploads that broke off keep what they have.
  void SetKeepsUploads(bool keeps) {
    MutexLock lock(&mutex_);
    keeps_uploads_ = keeps;
  }
  // Whether it keeps by itself what refers to a manifest, and says so.
  void SetListsReferrers(bool lists) {
    MutexLock lock(&mutex_);
    lists_referrers_ = lists;
  }
  void SetRanges(bool ranges) {
    MutexLock lock(&mutex_);
    ranges_ = ranges;
  }
  Digest AddBlob(const std::string& repository, std::string bytes) {
    MutexLock lock(&mutex_);
    const Digest digest = Digest::Of(bytes);
    blobs_[repository][digest.ToString()] = std::move(bytes);
    return digest;
  }
  // Under its digest, and a tag.
  Digest AddManifest(const std::string& repository, const std::string& tag, Manifest manifest) {
    MutexLock lock(&mutex_);
    const Digest digest = Digest::Of(manifest.bytes);
    manifests_[repository][digest.ToString()] = manifest;
    manifests_[repository][tag] = std::move(manifest);
    return digest;
  }
  std::optional<std::string> Blob(const std::string& repository, const Digest& digest) {
    MutexLock lock(&mutex_);
    const auto& blobs = blobs_[repository];
    const auto found = blobs.find(digest.ToString());
    return found == blobs.end() ? std::nullopt : std::optional(found->second);
  }
  size_t BlobCount(const std::string& repository) {
    MutexLock lock(&mutex_);
    return blobs_[repository].size();
  }
  std::optional<Manifest> FindManifest(const std::string& repository,
                                       const std::string& reference) {
    MutexLock lock(&mutex_);
    const auto& manifests = manifests_[repository];
    const auto found = manifests.find(reference);
    return found == manifests.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::string Answer(const Request& request, Peer& peer) {
    Fault fault;
    {
      MutexLock lock(&mutex_);
      fault = fault_;
    }
    if (fault != nullptr) {
      if (std::optional<std::string> answer = fault(request, peer)) {
        return *answer;
      }
    }
    const std::string path = request.Path();
    if (path == "/v2/") {
      return Reply("200 OK");
    }
    for (const auto& [part, serve] :
         std::vector<std::pair<std::string,
                               std::string (FakeRegistry::*)(
                                   const Request&, Peer&, const std::string&, const std::string&)>>{
             {"/blobs/uploads/", &FakeRegistry::Upload},
             {"/blobs/", &FakeRegistry::ServeBlob},
             {"/manifests/", &FakeRegistry::ServeManifest},
             {"/tags/list", &FakeRegistry::Tags}}) {
      if (const size_t at = path.find(part); at != std::string::npos) {
        return (this->*serve)(request, peer, path.substr(4, at - 4), path.substr(at + part.size()));
      }
    }
    return Error("404 Not Found", "UNSUPPORTED");
  }

  static std::string Error(std::string_view status, const std::string& code) {
    return Reply(status, "Content-Type: application/json\r\n",
                 "{\"errors\":[{\"code\":\"" + code + "\",\"message\":\"as it is\"}]}");
  }

  std::string ServeBlob(const Request& request, Peer&, const std::string& repository,
                        const std::string& digest) {
    MutexLock lock(&mutex_);
    const auto found = blobs_[repository].find(digest);
    if (found == blobs_[repository].end()) {
      return request.method == "HEAD" ? Reply("404 Not Found")
                                      : Error("404 Not Found", "BLOB_UNKNOWN");
    }
    const std::string& bytes = found->second;
    if (request.method == "HEAD") {
      return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n\r\n";
    }
    const std::string range = request.Header("range");
    if (!ranges_ || range.empty()) {
      return Reply("200 OK", "", bytes);
    }
    const size_t first = ParseUint(range.substr(6, range.size() - 7)).value_or(0);
    if (first >= bytes.size()) {
      return Reply("416 Range Not Satisfiable");
    }
    return Reply("206 Partial Content",
                 "Content-Range: bytes " + std::to_string(first) + "-" +
                     std::to_string(bytes.size() - 1) + "/" + std::to_string(bytes.size()) + "\r\n",
                 std::string_view(bytes).substr(first));
  }

  std::string ServeManifest(const Request& request, Peer& peer, const std::string& repository,
                            const std::string& reference) {
    const std::string body = peer.Body();
    MutexLock lock(&mutex_);
    auto& manifests = manifests_[repository];
    if (request.method == "PUT") {
      const std::string digest = Digest::Of(body).ToString();
      manifests[reference] = manifests[digest] = {request.Header("content-type"), body};
      const std::string subject = lists_referrers_ && body.find("\"subject\"") != std::string::npos
                                      ? "OCI-Subject: " + digest + "\r\n"
                                      : "";
      return Reply("201 Created", "Docker-Content-Digest: " + digest + "\r\n" + subject);
    }
    const auto found = manifests.find(reference);
    if (found == manifests.end()) {
      return request.method == "HEAD" ? Reply("404 Not Found")
                                      : Error("404 Not Found", "MANIFEST_UNKNOWN");
    }
    const std::string headers =
        "Content-Type: " + found->second.media_type +
        "\r\nDocker-Content-Digest: " + Digest::Of(found->second.bytes).ToString() + "\r\n";
    std::string reply = Reply("200 OK", headers, found->second.bytes);
    return request.method == "HEAD" ? reply.substr(0, reply.size() - found->second.bytes.size())
                                    : reply;
  }

  std::string Tags(const Request& request, Peer&, const std::string& repository,
                   const std::string&) {
    MutexLock lock(&mutex_);
    const size_t most = ParseUint(request.Parameter("n")).value_or(1000);
    const std::string last = request.Parameter("last");
    std::vector<std::string> tags;
    bool more = false;
    for (const auto& [name, manifest] : manifests_[repository]) {
      if (name.find(':') != std::string::npos || name <= last) {
        continue;
      }
      more = tags.size() == most;
      if (more) {
        break;
      }
      tags.push_back("\"" + name + "\"");
    }
    const std::string link =
        more ? "Link: </v2/" + repository + "/tags/list?n=" + std::to_string(most) +
                   "&last=" + tags.back().substr(1, tags.back().size() - 2) + ">; rel=\"next\"\r\n"
             : "";
    return Reply("200 OK", link,
                 "{\"name\":\"" + repository + "\",\"tags\":[" + Join(tags, ",") + "]}");
  }

  std::string Upload(const Request& request, Peer& peer, const std::string& repository,
                     const std::string& id) {
    if (request.method == "POST") {
      return BeginUpload(request, repository);
    }
    const auto where = "Location: /v2/" + repository + "/blobs/uploads/" + id + "\r\n";
    std::string data;
    {
      MutexLock lock(&mutex_);
      if (!uploads_.contains(id)) {
        return Error("404 Not Found", "BLOB_UPLOAD_UNKNOWN");
      }
      data = uploads_[id];
    }
    if (request.method == "DELETE") {
      MutexLock lock(&mutex_);
      uploads_.erase(id);
      return Reply("204 No Content");
    }
    if (request.method == "GET") {
      return Reply("204 No Content", where + RangeOf(data));
    }
    const std::string range = request.Header("content-range");
    if (!range.empty() && !range.starts_with(std::to_string(data.size()) + "-")) {
      return Error("416 Range Not Satisfiable", "BLOB_UPLOAD_INVALID");
    }
    data += peer.Body();
    MutexLock lock(&mutex_);
    if (peer.body_left()) {
      return "";
    }
    if (request.method == "PATCH") {
      uploads_[id] = data;
      return Reply("202 Accepted", where + RangeOf(data));
    }
    const std::string digest = request.Parameter("digest");
    uploads_.erase(id);
    if (Digest::Of(data).ToString() != digest) {
      return Error("400 Bad Request", "DIGEST_INVALID");
    }
    blobs_[repository][digest] = data;
    return Reply("201 Created", "Docker-Content-Digest: " + digest + "\r\n");
  }

  std::string BeginUpload(const Request& request, const std::string& repository) {
    MutexLock lock(&mutex_);
    if (const std::string mount = request.Parameter("mount"); !mount.empty()) {
      const auto& from = blobs_[request.Parameter("from")];
      if (const auto found = from.find(mount); found != from.end()) {
        blobs_[repository][mount] = found->second;
        return Reply("201 Created");
      }
    }
    const std::string id = "u" + std::to_string(++upload_count_);
    uploads_[id] = "";
    return Reply("202 Accepted", "Location: /v2/" + repository + "/blobs/uploads/" + id + "\r\n");
  }

 public:
  // Takes `size` bytes of an upload and breaks the connection.
  std::string BreakUpload(const Request& request, Peer& peer, size_t size) {
    const std::string path = request.Path();
    const std::string data = peer.Body(size);
    MutexLock lock(&mutex_);
    if (keeps_uploads_) {
      uploads_[path.substr(path.rfind('/') + 1)] += data;
    } else {
      uploads_.erase(path.substr(path.rfind('/') + 1));
    }
    return "";
  }
  size_t UploadCount() {
    MutexLock lock(&mutex_);
    return uploads_.size();
  }

 private:
  static std::string RangeOf(std::string_view data) {
    return "Range: 0-" + std::to_string(data.empty() ? 0 : data.size() - 1) + "\r\n";
  }

  Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  bool keeps_uploads_ ABSL_GUARDED_BY(mutex_) = true;
  bool ranges_ ABSL_GUARDED_BY(mutex_) = true;
  bool lists_referrers_ ABSL_GUARDED_BY(mutex_) = false;
  // By repository, then by digest (or tag).
  std::map<std::string, std::map<std::string, std::string>> blobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::map<std::string, Manifest>> manifests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> uploads_ ABSL_GUARDED_BY(mutex_);
  int upload_count_ ABSL_GUARDED_BY(mutex_) = 0;
  FakeServer server_;  // the last, so that it ends first
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TESTING_FAKE_REGISTRY_H_
