#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/strings.h"
#include "registry/server/byte_range.h"
#include "registry/server/errors.h"
#include "registry/server/handlers.h"

namespace zlayer {
namespace {

// A part of a blob.
class BlobContent : public HttpContent {
 public:
  BlobContent(std::unique_ptr<BlobReader> reader, const ByteRange& range)
      : reader_(std::move(reader)), range_(range) {}

  uint64_t size() const override { return range_.length; }

  absl::Status Read(uint64_t offset, char* buffer, size_t length, std::stop_token stop) override {
    if (const ContentFile* file = reader_->file()) {
      return PreadFully(file->fd->get(), buffer, length, file->offset + range_.offset + offset);
    }
    size_t filled = 0;
    const auto sink = [&](std::string_view piece) -> absl::Status {
      if (piece.size() > length - filled) {
        return Internal("a blob has more bytes than were asked for");
      }
      std::memcpy(buffer + filled, piece.data(), piece.size());
      filled += piece.size();
      return absl::OkStatus();
    };
    absl::Status status = reader_->Read(range_.offset + offset, length, sink, std::move(stop));
    if (status.ok() && filled != length) {
      status = DataLoss(fmt::format("a blob has {} bytes where {} should be", filled, length));
    }
    return status;
  }

 private:
  const std::unique_ptr<BlobReader> reader_;
  const ByteRange range_;
};

HttpResponse Unknown(const ServerRoute& route) {
  return ErrorResponse(404, OciError::kBlobUnknown, "the registry has no such blob",
                       route.reference);
}

HttpResponse ReadBlob(const ServerRoute& route, const HttpRequest& request, const Digest& digest,
                      absl::StatusOr<std::unique_ptr<BlobReader>> reader) {
  if (absl::IsNotFound(reader.status())) {
    return Unknown(route);
  }
  if (!reader.ok()) {
    return InternalError(reader.status());
  }
  const uint64_t size = (*reader)->size();
  const std::string tag = fmt::format("\"{}\"", digest.ToString());
  HttpResponse response;
  response.headers = {{"Docker-Content-Digest", digest.ToString()},
                      {"ETag", tag},
                      {"Accept-Ranges", "bytes"},
                      {"Cache-Control", "max-age=31536000, immutable"},
                      {"Content-Type", "application/octet-stream"}};
  if (MatchesTag(request.Header("if-none-match"), tag)) {
    response.status = 304;
    return response;
  }
  const std::string_view if_range = request.Header("if-range");
  const bool ranged = request.method == "GET" && (if_range.empty() || if_range == tag);
  const ByteRange range = ParseByteRange(ranged ? request.Header("range") : "", size);
  if (range.kind == ByteRange::Kind::kUnsatisfiable) {
    response = ErrorResponse(416, OciError::kSizeInvalid,
                             fmt::format("the blob has {} bytes, none of them asked for", size));
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return response;
  }
  if (range.kind == ByteRange::Kind::kPart) {
    response.status = 206;
    response.headers.emplace_back(
        "Content-Range",
        fmt::format("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, size));
  }
  response.content = std::make_unique<BlobContent>(*std::move(reader), range);
  return response;
}

// One that a registry has is brought here first, whole, so that nobody gets what it should not be.
HttpLater FetchBlob(const RegistryContext& context, const ServerRoute& route,
                    const HttpRequest& request, const Digest& digest) {
  return [&context, route, request, digest](std::stop_token stop,
                                            std::function<void(HttpResponse)> ready) {
    context.fetchers->Submit([=, &context] {
      absl::Status fetched = context.fetch(context.name_space, digest, stop);
      if (fetched.ok() || absl::IsNotFound(fetched)) {
        ready(ReadBlob(route, request, digest,
                       context.repositories->OpenBlob(context.name_space, digest)));
        return;
      }
      HttpResponse response =
          ErrorResponse(502, OciError::kBlobUnknown,
                        "the registry that has this blob did not give it", route.reference);
      response.error = std::move(fetched);
      ready(std::move(response));
    });
  };
}

HttpResponse DeleteBlob(const RegistryContext& context, const ServerRoute& route,
                        const Digest& digest) {
  const absl::Status status = context.repositories->DeleteBlob(context.name_space, digest);
  if (absl::IsNotFound(status)) {
    return Unknown(route);
  }
  if (absl::IsFailedPrecondition(status)) {
    return ErrorResponse(405, OciError::kDenied, "a manifest names this blob: delete that first",
                         route.reference);
  }
  return status.ok() ? HttpResponse{.status = 202} : InternalError(status);
}

}  // namespace

bool MatchesTag(std::string_view if_none_match, std::string_view tag) {
  for (std::string_view candidate : Split(if_none_match, ',')) {
    candidate = Trim(candidate);
    if (candidate.starts_with("W/")) {
      candidate.remove_prefix(2);
    }
    if (candidate == tag || candidate == "*") {
      return true;
    }
  }
  return false;
}

HttpOutcome HandleBlob(const RegistryContext& context, const ServerRoute& route,
                       const HttpRequest& request) {
  if (!IsDigestText(route.reference)) {
    return ErrorResponse(400, OciError::kDigestInvalid, "this is not a digest", route.reference);
  }
  const auto digest = Digest::Parse(route.reference);
  if (!digest.ok()) {
    return Unknown(route);
  }
  if (request.method == "DELETE") {
    return DeleteBlob(context, route, *digest);
  }
  auto reader = context.repositories->OpenBlob(context.name_space, *digest);
  if (absl::IsNotFound(reader.status()) && context.fetch != nullptr) {
    return FetchBlob(context, route, request, *digest);
  }
  return ReadBlob(route, request, *digest, std::move(reader));
}

}  // namespace zlayer
