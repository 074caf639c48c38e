#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/server/errors.h"
#include "registry/server/handlers.h"

namespace zlayer {
namespace {

HttpResponse BadDigest(std::string_view text) {
  return ErrorResponse(400, OciError::kDigestInvalid,
                       IsDigestText(text) ? "the only digests that this registry stores are sha256"
                                          : "this is not a digest",
                       text);
}

HttpResponse Created(const ServerRoute& route, const Digest& digest) {
  HttpResponse response{.status = 201};
  response.headers = {{"Location", fmt::format("/v2/{}/blobs/{}", route.name, digest.ToString())},
                      {"Docker-Content-Digest", digest.ToString()}};
  return response;
}

// Where an upload stands, for 202 and 204. ("0-0" stands for nothing as well, as in Docker's.)
HttpResponse Progress(int status, const ServerRoute& route, const std::string& id, uint64_t size) {
  HttpResponse response{.status = status};
  response.headers = {{"Location", fmt::format("/v2/{}/blobs/uploads/{}", route.name, id)},
                      {"Range", fmt::format("0-{}", size == 0 ? 0 : size - 1)},
                      {"Docker-Upload-UUID", id}};
  return response;
}

HttpResponse UploadError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return ErrorResponse(404, OciError::kBlobUploadUnknown, Message(status));
    case absl::StatusCode::kUnavailable:
      return ErrorResponse(409, OciError::kBlobUploadInvalid, Message(status));
    default:
      return InternalError(status);
  }
}

HttpResponse Commit(std::unique_ptr<BlobUpload> upload, const ServerRoute& route,
                    const Digest& digest) {
  const absl::Status status = upload->Commit(digest);
  if (absl::IsInvalidArgument(status)) {
    return ErrorResponse(400, OciError::kDigestInvalid, Message(status), digest.ToString());
  }
  return status.ok() ? Created(route, digest) : InternalError(status);
}

// A whole blob in the body of one request.
class MonolithicSink : public HttpBodySink {
 public:
  MonolithicSink(std::unique_ptr<BlobUpload> upload, const ServerRoute& route, const Digest& digest)
      : upload_(std::move(upload)), route_(route), digest_(digest) {}

  std::optional<HttpResponse> Append(std::string_view data) override {
    const absl::Status status = upload_->Append(data);
    return status.ok() ? std::nullopt : std::optional(InternalError(status));
  }
  HttpResponse Finish() override { return Commit(std::move(upload_), route_, digest_); }

 private:
  std::unique_ptr<BlobUpload> upload_;
  const ServerRoute route_;
  const Digest digest_;
};

// A chunk that goes on an upload; with a digest it is the last one.
class ChunkSink : public HttpBodySink {
 public:
  ChunkSink(UploadSessions::Lease lease, const ServerRoute& route, std::optional<Digest> digest,
            std::optional<uint64_t> length)
      : lease_(std::move(lease)), route_(route), digest_(digest), left_(length) {}

  std::optional<HttpResponse> Append(std::string_view data) override {
    if (left_ && data.size() > *left_) {
      return WrongLength();
    }
    const absl::Status status = lease_.upload().Append(data);
    if (!status.ok()) {
      lease_.TakeOut();  // what it holds is not known any more
      return InternalError(status);
    }
    if (left_) {
      *left_ -= data.size();
    }
    return std::nullopt;
  }

  HttpResponse Finish() override {
    if (left_.value_or(0) != 0) {
      return WrongLength();
    }
    return digest_ ? Commit(lease_.TakeOut(), route_, *digest_)
                   : Progress(202, route_, lease_.id(), lease_.upload().size());
  }

 private:
  static HttpResponse WrongLength() {
    return ErrorResponse(400, OciError::kSizeInvalid,
                         "the chunk is not as long as its Content-Range");
  }

  UploadSessions::Lease lease_;
  const ServerRoute route_;
  const std::optional<Digest> digest_;
  std::optional<uint64_t> left_;  // where a Content-Range says
};

HttpResponse Begin(const RegistryContext& context, const ServerRoute& route,
                   std::unique_ptr<BlobUpload> upload) {
  const auto id = context.uploads->Add(route.repository, std::move(upload));
  if (!id.ok()) {
    HttpResponse response = ErrorResponse(429, OciError::kTooManyRequests, Message(id.status()));
    response.headers.emplace_back("Retry-After", "30");
    return response;
  }
  return Progress(202, route, *id, 0);
}

// [first, last] of a chunk, which must be "<first>-<last>" alone.
std::optional<std::pair<uint64_t, uint64_t>> ParseContentRange(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto first = ParseUint(text.substr(0, dash));
  const auto last = ParseUint(text.substr(dash + 1));
  if (!first || !last || *last < *first || *last == UINT64_MAX) {
    return std::nullopt;
  }
  return std::pair(*first, *last);
}

// Takes a chunk where its range fits; `length` becomes that of the range, where there is one.
std::optional<HttpResponse> CheckRange(const HttpRequest& request, const ServerRoute& route,
                                       UploadSessions::Lease& lease,
                                       std::optional<uint64_t>* length) {
  const std::string_view header = request.Header("content-range");
  if (header.empty()) {
    return std::nullopt;
  }
  const auto range = ParseContentRange(header);
  if (!range) {
    return ErrorResponse(400, OciError::kBlobUploadInvalid,
                         "the Content-Range of a chunk must be \"<first>-<last>\"", header);
  }
  const uint64_t size = lease.upload().size();
  if (range->first != size) {
    HttpResponse response = ErrorResponse(
        416, OciError::kBlobUploadInvalid,
        fmt::format("the upload has {} bytes, and the chunk begins at {}", size, range->first));
    const HttpResponse progress = Progress(204, route, lease.id(), size);
    response.headers.insert(response.headers.end(), progress.headers.begin(),
                            progress.headers.end());
    return response;
  }
  *length = range->second - range->first + 1;
  if (request.content_length && *request.content_length != *length) {
    return ErrorResponse(400, OciError::kSizeInvalid,
                         "the Content-Length of the chunk is not that of its Content-Range");
  }
  return std::nullopt;
}

HttpOutcome TakeChunk(const RegistryContext& context, const ServerRoute& route,
                      const HttpRequest& request) {
  std::optional<Digest> digest;
  if (request.method == "PUT") {
    const std::string text = route.Query("digest").value_or("");
    const auto parsed = Digest::Parse(text);
    if (!parsed.ok()) {
      return BadDigest(text);
    }
    digest = *parsed;
  }
  auto lease = context.uploads->Take(route.repository, route.reference);
  if (!lease.ok()) {
    return UploadError(lease.status());
  }
  std::optional<uint64_t> length;
  if (auto refusal = CheckRange(request, route, *lease, &length)) {
    return *std::move(refusal);
  }
  return std::make_unique<ChunkSink>(*std::move(lease), route, digest, length);
}

}  // namespace

HttpOutcome HandleUploads(const RegistryContext& context, const ServerRoute& route,
                          const HttpRequest&) {
  std::optional<Digest> whole;
  if (const auto mount = route.Query("mount")) {
    const auto digest = Digest::Parse(*mount);
    if (!IsDigestText(*mount)) {
      return BadDigest(*mount);
    }
    if (digest.ok() && context.repositories->OpenBlob(context.name_space, *digest).ok()) {
      return Created(route, *digest);
    }
  } else if (const auto text = route.Query("digest")) {
    const auto digest = Digest::Parse(*text);
    if (!digest.ok()) {
      return BadDigest(*text);
    }
    whole = *digest;
  }
  auto upload = context.repositories->NewBlob(context.name_space);
  if (!upload.ok()) {
    return InternalError(upload.status());
  }
  if (whole) {
    return std::make_unique<MonolithicSink>(*std::move(upload), route, *whole);
  }
  return Begin(context, route, *std::move(upload));
}

HttpOutcome HandleUpload(const RegistryContext& context, const ServerRoute& route,
                         const HttpRequest& request) {
  if (request.method == "GET" || request.method == "HEAD") {
    const auto size = context.uploads->Size(route.repository, route.reference);
    return size.ok() ? Progress(204, route, route.reference, *size) : UploadError(size.status());
  }
  if (request.method == "DELETE") {
    auto lease = context.uploads->Take(route.repository, route.reference);
    if (!lease.ok()) {
      return UploadError(lease.status());
    }
    lease->TakeOut();
    return HttpResponse{.status = 204};
  }
  return TakeChunk(context, route, request);
}

}  // namespace zlayer
